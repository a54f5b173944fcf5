//! One endpoint: what clients ask for. Source: docs/reference/lura-core.md 1.4.

use super::backend::{Around, ServiceHosts};
use super::extra::Extra;
use super::{Backend, Behaviour, ExtraBlock, Names, OutputEncoding, Reading, TIMEOUT_MAX, TTL_MAX};
use crate::config::known::{self, Level, Scope, check_keys, check_own_keys};
use crate::config::nearest::nearest;
use crate::config::node::{Node, NodeId, Value};
use crate::config::path::{self, EndpointPath, ParsedPath, PathError};
use std::time::Duration;

/// The methods that an endpoint may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// `GET`, the default.
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// All of them, as messages list them.
    pub const ALL: [Method; 5] =
        [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];

    /// The method as it goes over the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// Upper or lower case; `None` for any other method.
    pub fn of(text: &str) -> Option<Method> {
        Self::ALL.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(text))
    }
}

/// One route and the backends behind it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The object in the file.
    pub at: NodeId,
    /// `endpoint`, or the object when the key is missing.
    pub path_at: NodeId,
    /// `method`, or the object when the key is missing.
    pub method_at: NodeId,
    /// `endpoint`: the path clients ask for.
    pub path: EndpointPath,
    /// `method`: GET (default), POST, PUT, PATCH, DELETE.
    pub method: Method,
    /// `backend`: one or more, in the order of the file.
    pub backends: Vec<Backend>,
    /// `timeout`: all backends together. Absent or `"0s"`: the service's.
    pub timeout: Duration,
    /// `cache_ttl`: `Cache-Control: public, max-age` of complete answers, whole seconds. Absent or
    /// `"0s"`: the service's. Under 1 s but not zero: `max-age=0`.
    pub cache_ttl: Duration,
    /// `concurrent_calls`: identical calls to each backend, the first complete answer wins; 1 to
    /// 100, zero and less count as 1.
    pub concurrent_calls: u32,
    /// `input_query_strings`: parameters that reach the backends; `*` all; default none.
    pub input_query_strings: Names,
    /// `input_headers`: header fields that reach the backends, canonical; `*` all; empty or absent:
    /// `Content-Type` alone.
    pub input_headers: Names,
    /// `output_encoding`: how the answer is written. Absent: the service's, else `json`.
    pub output_encoding: OutputEncoding,
    /// The service's behaviour with the endpoint's own `ringway` switches.
    pub behaviour: Behaviour,
    /// Every other known block of the endpoint's `extra_config`.
    pub extra: Vec<ExtraBlock>,
}

/// What endpoints take over from the service.
pub(super) struct Inherited<'a> {
    pub timeout: Duration,
    pub cache_ttl: Duration,
    pub hosts: ServiceHosts<'a>,
    /// The service's `output_encoding`, as written.
    pub output_encoding: &'a str,
    pub disable_rest: bool,
    pub behaviour: Behaviour,
}

impl Endpoint {
    /// Reads one element of `endpoints`; `None` when what is left makes no endpoint. Its problems
    /// have been told, all of them.
    pub(super) fn read(
        node: Node<'_>,
        from: &Inherited<'_>,
        reading: &mut Reading<'_>,
    ) -> Option<Endpoint> {
        if !node.expect_table(reading.found) {
            return None;
        }
        check_keys(node, Scope::Endpoint, reading.found);
        let method = read_method(node, reading);
        let parsed = read_path(node, from.disable_rest, reading);
        let found = &mut *reading.found;
        let timeout = node.duration("timeout", TIMEOUT_MAX, found).filter(|time| !time.is_zero());
        let ttl = node.duration("cache_ttl", TTL_MAX, found).filter(|time| !time.is_zero());
        // KrakenD takes zero and less as one.
        let calls: Option<i64> = node.field("concurrent_calls", found);
        const CALLS_MAX: i64 = 100;
        if let (Some(calls), Some(at)) = (calls, node.get("concurrent_calls"))
            && calls > CALLS_MAX
        {
            found.refuse(at, "is out of range", "1 to 100");
        }
        let extra = Extra::of(node, Level::Endpoint, reading);
        let mut behaviour = from.behaviour;
        if let Some(block) = extra.block("ringway")
            && check_own_keys(block, Scope::EndpointRingway, reading.found)
        {
            behaviour = behaviour.read(block, reading.found);
        }
        let written_output: Option<String> = node.field("output_encoding", reading.found);
        let own_output = written_output.as_deref().filter(|name| !name.is_empty());
        let output = OutputEncoding::named(own_output.unwrap_or(match from.output_encoding {
            "" => "json",
            name => name,
        }));
        let timeout = timeout.unwrap_or(from.timeout);
        let concurrent_calls = u32::try_from(calls.unwrap_or(1).clamp(1, CALLS_MAX)).unwrap_or(1);
        let around = Around {
            method: &node
                .field::<String>("method", reading.found)
                .unwrap_or_default()
                .to_uppercase(),
            timeout,
            concurrent_calls,
            hosts: &from.hosts,
            behaviour,
            is_no_op: output == Some(OutputEncoding::NoOp),
            has_suppliers: ["proxy", "auth/validator"]
                .iter()
                .any(|name| extra.block(name).is_some()),
            path: parsed.as_ref(),
        };
        let (backends, n_backends) = read_backends(node, &around, reading);
        if let Some(block) = extra.object("proxy", reading) {
            check_proxy(block, n_backends, reading);
        }
        let only_encoding = match backends.as_slice() {
            [only] => Some(only.encoding),
            _ => None,
        };
        let output_encoding = output.unwrap_or(OutputEncoding::fall_back(only_encoding));
        if let (Some(name), Some(at)) = (own_output, node.get("output_encoding")) {
            OutputEncoding::check(at, name, Some(output_encoding), reading.found);
        }
        let (input_headers, input_query_strings) = (
            Names::endpoint_headers(node, reading.found),
            Names::endpoint_query(node, reading.found),
        );
        Some(Endpoint {
            at: node.id(),
            path_at: node.get("endpoint").unwrap_or(node).id(),
            method_at: node.get("method").unwrap_or(node).id(),
            path: parsed?.path,
            method: method?,
            backends,
            timeout,
            cache_ttl: ttl.unwrap_or(from.cache_ttl),
            concurrent_calls,
            input_query_strings,
            input_headers,
            output_encoding,
            behaviour,
            extra: extra.rest(reading),
        })
    }
}

/// `'GET /x'` as KrakenD's messages have it: the method as written, the path cleaned.
fn shown(node: Node<'_>) -> String {
    let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or("");
    format!("'{} {}'", text("method"), path::with_slash(text("endpoint")))
}

fn read_method(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Method> {
    let Some(at) = node.get("method") else { return Some(Method::Get) };
    let text: String = at.read(reading.found)?;
    if text.is_empty() {
        return Some(Method::Get);
    }
    let method = Method::of(&text);
    if method.is_none() {
        let names = Method::ALL.map(Method::as_str);
        reading
            .found
            .refuse(at, "is not a method that an endpoint can have", &names.join(", "))
            .nearest(nearest(&text, names))
            .help("KrakenD starts without this endpoint");
    }
    method
}

fn read_path(node: Node<'_>, relaxed: bool, reading: &mut Reading<'_>) -> Option<ParsedPath> {
    let Some(at) = node.get("endpoint") else {
        reading.found.error(node, "no endpoint: the path is missing").allowed("such as \"/users\"");
        return None;
    };
    let text: String = at.read(reading.found)?;
    let shown = shown(node);
    match path::parse(&text, relaxed) {
        Ok(parsed) => {
            let route = &parsed.path.route;
            let repeated =
                parsed.path.params.iter().enumerate().any(|(at, name)| {
                    parsed.path.params.iter().take(at).any(|other| other == name)
                });
            if route.contains(['?', '#']) {
                reading.found.warn(at, format!("{} is never matched", at.shown())).help(
                    "a path has no query or fragment; list parameters in input_query_strings",
                );
            }
            if repeated {
                reading.found.warn(at, "the same parameter twice, the last value counts");
            }
            if parsed.runs_on {
                let params = parsed.path.params.join(", ");
                reading
                    .found
                    .warn(at, "text follows a placeholder in its segment")
                    .help(format!("the router's parameters are: {params}, as in KrakenD"));
            } else if route.contains(':') && parsed.inputs.len() < parsed.path.params.len() {
                reading.found.warn(at, "a colon begins a parameter").help(
                    "the rest of the segment can be anything, as in KrakenD; write \\\\: for a colon",
                );
            }
            Some(parsed)
        }
        Err(PathError::Forbidden) => {
            reading
                .found
                .error(at, format!("ignoring the {shown} endpoint, since it is invalid!!!"))
                .allowed("a path without * inside and without /__debug, /__echo, /__health");
            None
        }
        Err(PathError::Route(why)) => {
            reading.found.error(at, format!("{} is no path: {why}", at.shown()));
            None
        }
    }
}

/// The backends that could be read, and how many there are.
fn read_backends(
    node: Node<'_>,
    around: &Around<'_>,
    reading: &mut Reading<'_>,
) -> (Vec<Backend>, usize) {
    let list: Vec<_> = node.get("backend").into_iter().flat_map(Node::elements).collect();
    if list.is_empty() {
        let at = node.get("backend").unwrap_or(node);
        let shown = shown(node);
        let words = format!("ignoring the {shown} endpoint, since it has 0 backends defined!");
        reading.found.error(at, words).allowed("one backend or more");
    }
    if around.is_no_op && list.len() > 1 {
        let at = node.get("output_encoding").unwrap_or(node);
        reading
            .found
            .error(
                at,
                "can not use NoOp encoding with more than one backends connected to the same \
                 endpoint",
            )
            .also(list[1], "the second backend is here");
    }
    let backends = list
        .iter()
        .enumerate()
        .filter_map(|(index, node)| Backend::read(*node, index, around, reading))
        .collect();
    (backends, list.len())
}

/// Values of `proxy` that change nothing pass; the others are refused until they are built.
fn check_proxy(block: Node<'_>, n_backends: usize, reading: &mut Reading<'_>) {
    let found = &mut *reading.found;
    check_keys(block, Scope::EndpointProxy, found);
    const LATER: &str = "this version cannot do that yet";
    const WHY: &str = "refused rather than ignored, since it protects or changes traffic";
    let strategy = block.plain_text("strategy", found);
    let sequential = block.plain_bool("sequential", found) == Some(true);
    // With one backend there is no order.
    if let Some(node) = block.get("sequential").filter(|_| sequential && strategy.is_none())
        && n_backends > 1
    {
        let words = format!("sequential calls backends one after the other: {LATER}");
        found.error_at_key(node, words).help(WHY);
    }
    if let Some(node) = block.get("strategy") {
        match strategy {
            Some("sequential") if n_backends > 1 => {
                let words = format!("sequential calls backends one after the other: {LATER}");
                found.error(node, words).help(WHY);
            }
            Some("fallback") => {
                let words = format!("fallback tries the next backend: {LATER}");
                found.error(node, words).help(WHY);
            }
            None | Some("parallel" | "sequential" | "") => {}
            Some(_) => {
                let words = format!("{} is not a strategy, parallel is used", node.shown());
                found.doubt(node, words).allowed("parallel, sequential, fallback");
            }
        }
    }
    if let Some(node) = block.get("combiner")
        && block.plain_text("combiner", found).is_some_and(|name| !matches!(name, "" | "default"))
    {
        let words = format!("{} is not a combiner, default is used", node.shown());
        found.doubt(node, words).allowed("default");
    }
    if block.get("sequential_propagated_params").is_some() {
        block.plain_texts("sequential_propagated_params", found);
    }
    if let Some(node) = block.get("flatmap_filter").filter(|node| !known::is_off(*node))
        && !matches!(node.value(), Value::List)
    {
        found.refuse(node, "is not a list", "a list of operations");
    }
}

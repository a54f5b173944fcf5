//! One backend of an endpoint: what is called and what is kept of its answer.
//! Source: docs/reference/lura-core.md 1.5, 3.12, 4.3, 4.4.

use super::extra::Extra;
use super::{Behaviour, Encoding, ExtraBlock, Names, Reading};
use crate::config::host::Host;
use crate::config::known::{Level, Scope, check_keys, check_own_keys};
use crate::config::node::{Node, NodeId};
use crate::config::path::ParsedPath;
use crate::config::url_template::{UrlError, UrlTemplate};
use std::time::Duration;

/// One call that an endpoint makes.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The object in the file.
    pub at: NodeId,
    /// `url_pattern`, or the object when the key is missing.
    pub url_pattern_at: NodeId,
    /// `host`, or the object when the hosts are the service's.
    pub host_at: NodeId,
    /// `url_pattern`: path and query to ask for, with the endpoint's parameters.
    pub url_pattern: UrlTemplate,
    /// `method`: upper case; absent: the endpoint's. Any HTTP token.
    pub method: String,
    /// `host`: where to; absent or empty: the service's. Empty: every request fails with 500.
    pub hosts: Vec<Host>,
    /// `encoding`: how the answer is read; `no-op` whenever the endpoint's output is `no-op`.
    pub encoding: Encoding,
    /// `is_collection`: the answer is an array, kept under `collection`.
    pub is_collection: bool,
    /// What is kept of the answer.
    pub selection: Selection,
    /// `input_headers`: of the fields that the endpoint forwards, these go to this backend; absent:
    /// all. `*` is an ordinary name here, `[""]` lets nothing through.
    pub input_headers: Names,
    /// `input_query_strings`: the same for parameters of the query.
    pub input_query_strings: Names,
    /// The endpoint's timeout.
    pub timeout: Duration,
    /// The endpoint's `concurrent_calls`.
    pub concurrent_calls: u32,
    /// `extra_config.backend/http`: what a failed call tells the client.
    pub error_return: ErrorReturn,
    /// `extra_config.backend/http/client.send_body_on_redirect`: keep the body in memory, so that
    /// a 307 or 308 can be followed with it. Default false.
    pub send_body_on_redirect: bool,
    /// The endpoint's behaviour with the backend's own `ringway` switches.
    pub behaviour: Behaviour,
    /// Every other known block of the backend's `extra_config`.
    pub extra: Vec<ExtraBlock>,
}

/// Order of work: `target`, then `allow` (or else `deny`), then `mapping`, then `group`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `target`: dot path of the object that becomes the answer; empty: the whole.
    pub target: Vec<String>,
    /// `allow`: dot paths to keep; empty: everything.
    pub allow: Vec<String>,
    /// `deny`: dot paths to drop; empty whenever `allow` is not.
    pub deny: Vec<String>,
    /// `mapping`: old name to new name at the top level, in the order of the file. New names are
    /// cut at their first dot; a name mapped to itself is left out here, since it stays as it is.
    pub mapping: Vec<(String, String)>,
    /// `group`: the key to put the answer under; `None`: no key.
    pub group: Option<String>,
}

/// What the client learns of a backend's status other than 200 and 201.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ErrorReturn {
    /// Nothing: the call failed, 500 when nothing else answers.
    #[default]
    Nothing,
    /// `return_error_code`: the backend's status and body.
    Code,
    /// `return_error_details`: an object under `error_<name>`; the answer is not complete.
    Details {
        /// The name after `error_`.
        name: String,
    },
}

/// The service's `host`, cleaned once.
pub(super) struct ServiceHosts<'a> {
    /// All that could be read.
    pub list: &'a [Host],
    /// How many are written: more than could be read when some are refused.
    pub n_written: usize,
}

/// What a backend takes over from its endpoint.
pub(super) struct Around<'a> {
    /// The endpoint's method, upper case; empty: GET.
    pub method: &'a str,
    pub timeout: Duration,
    pub concurrent_calls: u32,
    pub hosts: &'a ServiceHosts<'a>,
    pub behaviour: Behaviour,
    /// The endpoint's output is `no-op`.
    pub is_no_op: bool,
    /// Something may supply values of earlier backends or of tokens.
    pub has_suppliers: bool,
    /// The endpoint's path, unless it was refused.
    pub path: Option<&'a ParsedPath>,
}

impl Backend {
    /// Reads one element of `backend`; `None` when what is left makes no backend.
    pub(super) fn read(
        node: Node<'_>,
        index: usize,
        around: &Around<'_>,
        reading: &mut Reading<'_>,
    ) -> Option<Backend> {
        if !node.expect_table(reading.found) {
            return None;
        }
        check_keys(node, Scope::Backend, reading.found);
        check_unused(node, reading);
        let extra = Extra::of(node, Level::Backend, reading);
        let url_pattern = read_url(node, index, around, reading);
        let hosts = read_hosts(node, around, reading);
        let method = read_method(node, around, reading);
        let encoding = Encoding::read(node, reading.found);
        let mut behaviour = around.behaviour;
        if let Some(block) = extra.block("ringway")
            && check_own_keys(block, Scope::BackendRingway, reading.found)
        {
            behaviour = behaviour.read(block, reading.found);
        }
        let error_return = match extra.object("backend/http", reading) {
            Some(block) => ErrorReturn::read(block, reading),
            None => ErrorReturn::Nothing,
        };
        let client = extra.object("backend/http/client", reading);
        if let Some(block) = client {
            check_keys(block, Scope::BackendHttpClient, reading.found);
        }
        if let Some(block) = extra.object("proxy", reading) {
            check_keys(block, Scope::BackendProxy, reading.found);
        }
        let found = &mut *reading.found;
        Some(Backend {
            at: node.id(),
            url_pattern_at: node.get("url_pattern").unwrap_or(node).id(),
            host_at: node.get("host").unwrap_or(node).id(),
            method,
            hosts,
            encoding: if around.is_no_op { Encoding::NoOp } else { encoding },
            is_collection: node.field("is_collection", found).unwrap_or(false),
            selection: Selection::read(node, found),
            input_headers: Names::backend_headers(node, found),
            input_query_strings: Names::backend_query(node, found),
            timeout: around.timeout,
            concurrent_calls: around.concurrent_calls,
            error_return,
            send_body_on_redirect: client
                .and_then(|block| block.plain_bool("send_body_on_redirect", found))
                .unwrap_or(false),
            behaviour,
            extra: extra.rest(reading),
            url_pattern: url_pattern?,
        })
    }
}

/// Keys that KrakenD type-checks and then overwrites, and what belongs to service discovery.
fn check_unused(node: Node<'_>, reading: &mut Reading<'_>) {
    if let Some(timeout) = node.get("timeout") {
        let _: Option<crate::config::read::Nanoseconds> = timeout.read(reading.found);
    }
    let _: Option<i64> = node.field("concurrentcalls", reading.found);
    let Some(sd) = node.get("sd") else { return };
    match sd.read::<String>(reading.found).as_deref() {
        None | Some("" | "static") => {}
        Some("dns") => {
            reading
                .found
                .error(sd, "dns finds hosts by SRV records: this version cannot do that yet")
                .help("refused rather than ignored, since it changes where requests go");
        }
        Some(_) => {
            let words = format!("{} is not known, the hosts are used as they are", sd.shown());
            reading.found.doubt(sd, words).allowed("static");
        }
    }
}

fn read_method(node: Node<'_>, around: &Around<'_>, reading: &mut Reading<'_>) -> String {
    let written: String = node.field("method", reading.found).unwrap_or_default();
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if let (false, Some(at)) = (written.bytes().all(token), node.get("method")) {
        reading.found.refuse(at, "is not a method", "such as GET or POST");
    }
    match (written.as_str(), around.method) {
        ("", "") => "GET".into(),
        ("", inherited) => inherited.to_owned(),
        (own, _) => own.to_uppercase(),
    }
}

fn read_hosts(node: Node<'_>, around: &Around<'_>, reading: &mut Reading<'_>) -> Vec<Host> {
    let verbatim = node.field("disable_host_sanitize", reading.found).unwrap_or(false);
    let own: Vec<_> = node.get("host").into_iter().flat_map(Node::elements).collect();
    if own.is_empty() {
        if around.hosts.n_written == 0 {
            let at = node.get("host").unwrap_or(node);
            reading
                .found
                .warn(at, "no host here nor in the service: every request fails with 500")
                .allowed("\"host\": [\"http://users.local:8000\"]");
        }
        return around.hosts.list.to_vec();
    }
    let read = |node: &Node<'_>| match verbatim {
        true => Host::verbatim(*node, reading.found),
        false => Host::cleaned(*node, reading.found),
    };
    own.iter().filter_map(read).collect()
}

fn read_url(
    node: Node<'_>,
    index: usize,
    around: &Around<'_>,
    reading: &mut Reading<'_>,
) -> Option<UrlTemplate> {
    let text: String = match node.get("url_pattern") {
        Some(at) => at.read(reading.found)?,
        None => String::new(),
    };
    let at = node.get("url_pattern").unwrap_or(node);
    // Without a path there are no parameters to check against; the path's error is told.
    let parsed = around.path?;
    let error = match UrlTemplate::parse(&text, &parsed.inputs, &parsed.path.params) {
        Ok(url) => {
            for name in url.later().filter(|_| !around.has_suppliers) {
                reading
                    .found
                    .warn(at, format!("nothing supplies {name}"))
                    .help(format!("the text {{{{.{name}}}}} goes to the backend, as in KrakenD"));
            }
            return Some(url);
        }
        Err(error) => error,
    };
    let mut inputs = parsed.inputs.clone();
    inputs.sort_unstable();
    let method = if around.method.is_empty() { "GET" } else { around.method };
    let context = |outputs: &[String]| {
        format!(
            "endpoint: {method} {}, backend: {index}. input: [{}], output: [{}]",
            parsed.path.route,
            inputs.join(" "),
            outputs.join(" ")
        )
    };
    let braced = |names: &[String]| {
        let names: Vec<_> = names.iter().map(|name| format!("{{{name}}}")).collect();
        if names.is_empty() { "no placeholder".to_owned() } else { names.join(", ") }
    };
    match error {
        UrlError::Mismatch { outputs } => {
            let words =
                format!("input and output params do not match. {}", context(outputs.as_slice()));
            reading.found.error(at, words).allowed(braced(&inputs));
        }
        UrlError::Undefined { name, outputs } => {
            let words = format!("undefined output param '{name}'! {}", context(&outputs));
            let near = crate::config::nearest::nearest(&name, inputs.iter().map(String::as_str));
            reading.found.error(at, words).nearest(near).allowed(braced(&inputs));
        }
        UrlError::RunsOn { name } => {
            reading
                .found
                .error(at, format!("{{{name}}} never has a value"))
                .help("text follows the placeholder in the endpoint's path, so that the parameter has another name");
        }
        UrlError::Url(why) => {
            reading.found.error(at, format!("{} {why}", at.shown()));
        }
    }
    None
}

impl Selection {
    fn read(node: Node<'_>, found: &mut crate::config::diagnostic::Diagnostics) -> Selection {
        let target: String = node.field("target", found).unwrap_or_default();
        let group: String = node.field("group", found).unwrap_or_default();
        let allow: Vec<String> = node.field("allow", found).unwrap_or_default();
        let mut deny: Vec<String> = node.field("deny", found).unwrap_or_default();
        if !allow.is_empty() && !deny.is_empty() {
            if let Some(at) = node.get("deny") {
                found.doubt_at_key(at, "deny has no effect beside allow");
            }
            deny.clear();
        }
        let mut mapping = Vec::new();
        // An empty list is an empty mapping to KrakenD.
        let table = node.get("mapping").filter(|table| !table.is_empty() || table.is_table());
        let table = table.filter(|table| table.expect_table(found));
        for child in table.into_iter().flat_map(Node::children) {
            let (Some(old), Some(new)) = (child.key(), child.read::<String>(found)) else {
                continue;
            };
            let new = new.split('.').next().unwrap_or_default();
            if old != new {
                mapping.push((old.to_owned(), new.to_owned()));
            }
        }
        Selection {
            target: match target.as_str() {
                "" => Vec::new(),
                path => path.split('.').map(str::to_owned).collect(),
            },
            allow,
            deny,
            mapping,
            group: (!group.is_empty()).then_some(group),
        }
    }
}

impl ErrorReturn {
    /// A name that is empty leaves both options off, as in KrakenD.
    fn read(block: Node<'_>, reading: &mut Reading<'_>) -> ErrorReturn {
        let found = &mut *reading.found;
        check_keys(block, Scope::BackendHttp, found);
        let code = block.plain_bool("return_error_code", found) == Some(true);
        let Some(at) = block.get("return_error_details") else {
            return if code { ErrorReturn::Code } else { ErrorReturn::Nothing };
        };
        match block.plain_text("return_error_details", found) {
            Some("") => {
                found.warn(at, "an empty name turns both options off, as in KrakenD");
                ErrorReturn::Nothing
            }
            Some(name) => ErrorReturn::Details { name: name.to_owned() },
            None => ErrorReturn::Nothing,
        }
    }
}

//! A compiled plan in words: what it does with one request, from the route to the answer's head.
//! Looks at the plan that would serve and asks the service only for what compiling turned into
//! code, such as the keys of a selection. Pure; the command line prints it.

use std::fmt::Write as _;
use std::time::Duration;

use super::endpoint::{Backend, Balance, Builtin, Decode, Endpoint, OnStatus, Output, Route};
use super::forward::{FieldFilter, Names, QueryFilter};
use super::policy::{Listed, Stage};
use super::router::{Check, Outcome, Params, check_params};
use super::{MERGE_SHARE, Plan, RACE_SHARE, Values, share};
use crate::config::duration::shown;
use crate::config::model::{self, MergeOrder, Service};
use crate::http::uri::path::{self, Decoded};
use crate::json::merge::Rendering;

/// What happens to a request with this method and target (a path, perhaps with a query).
pub fn explain(plan: &Plan, service: &Service, method: &str, target: &str) -> String {
    let mut out = Words(String::new());
    let (raw, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut scratch = Vec::new();
    let path = match path::decode(raw.as_bytes(), &mut scratch) {
        Ok(Decoded { has_nul: false, path, .. }) => path.to_vec(),
        Ok(_) | Err(_) => {
            out.line("Answered 400: the path cannot be decoded. No policy runs.");
            return out.0;
        }
    };
    let n_params = query.map_or(0, |query| query.split('&').count());
    let max = plan.limits.query_params;
    if n_params > max as usize {
        out.line(&format!("Answered 400: more than {max} query parameters (limits.query_params)."));
        return out.0;
    }
    let mut params = Params::new();
    match plan.router.lookup(method.as_bytes(), &path, &mut params) {
        Outcome::Found { route } => match plan.routes.get(route as usize) {
            Some(Route::Endpoint(id)) => {
                if let Some(endpoint) = plan.endpoint(*id) {
                    let asked = Asked { path: &path, params: &params };
                    out.endpoint(plan, service, id.0 as usize, endpoint, &asked);
                }
            }
            Some(Route::Builtin(builtin)) => out.builtin(plan, *builtin),
            None => {}
        },
        Outcome::Options { allow } => {
            out.line(&format!(
                "Answered 200 without content, Allow: {allow} (router.auto_options)."
            ));
            out.policies(plan, &[Stage::Service, Stage::Engine], None);
        }
        Outcome::Redirect { status, mend } => {
            let mut location = Vec::new();
            params.location(mend, &path, None, query.map(str::as_bytes), &mut location);
            let location = String::from_utf8_lossy(&location);
            out.line(&format!("No route: answered {status}, a redirect to {location}"));
            out.policies(plan, &[Stage::Service], None);
        }
        Outcome::MethodNotAllowed { allowed } => {
            let mut allow = Vec::new();
            plan.router.write_allow(allowed, &mut allow);
            let allow = String::from_utf8_lossy(&allow);
            out.line(&format!(
                "The path has routes, none for {method}: answered 405, Allow: {allow}"
            ));
            out.own_body(plan.not_allowed_body.as_deref(), "405 method not allowed", "405");
            out.policies(plan, &[Stage::Service, Stage::Engine], None);
        }
        Outcome::NotFound => {
            out.line("No route: answered 404");
            out.own_body(plan.not_found_body.as_deref(), "404 page not found", "404");
            out.policies(plan, &[Stage::Service, Stage::Engine], None);
        }
    }
    out.0
}

/// The request that is asked about.
struct Asked<'a> {
    path: &'a [u8],
    params: &'a Params,
}

impl Values for Asked<'_> {
    fn param(&self, at: u16) -> &[u8] {
        self.params.value(usize::from(at), self.path)
    }
    fn named(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

struct Words(String);

impl Words {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn title(&mut self, text: &str) {
        self.0.push('\n');
        self.line(text);
    }

    /// One line of a list: what it is, in a column, and what there is to say.
    fn item(&mut self, what: &str, text: &str) {
        let _ = writeln!(self.0, "  {what:<12} {text}");
    }

    fn own_body(&mut self, own: Option<&str>, default: &str, key: &str) {
        match own {
            Some(body) => self.item("body", &format!("{body} (router.error_body.{key})")),
            None => self.item("body", default),
        }
    }

    fn builtin(&mut self, plan: &Plan, builtin: Builtin) {
        let (text, stages): (_, &[Stage]) = match builtin {
            Builtin::Health => ("the health route: answered 200", &[Stage::Service]),
            Builtin::Debug => {
                ("/__debug/: answered 200, the request is logged", &[Stage::Service, Stage::Engine])
            }
            Builtin::Echo => {
                ("/__echo/: answered 200 with the request", &[Stage::Service, Stage::Engine])
            }
        };
        self.line(&format!("Served by the gateway itself: {text}."));
        self.policies(plan, stages, None);
    }

    /// The policies that run, in their order.
    fn policies(&mut self, plan: &Plan, stages: &[Stage], endpoint: Option<usize>) {
        let runs = |one: &&Listed| match (one.endpoint, one.backend) {
            (None, _) => stages.contains(&one.stage),
            (Some(of), None) => endpoint == Some(of as usize),
            (Some(_), Some(_)) => false,
        };
        let mut list: Vec<(Stage, &Listed)> = plan
            .listed
            .iter()
            .filter(runs)
            .map(|one| {
                // Around one endpoint, what belongs before the routing runs as its handler.
                let early = matches!(one.stage, Stage::Service | Stage::Engine);
                let stage =
                    if early && one.endpoint.is_some() { Stage::Handler } else { one.stage };
                (stage, one)
            })
            .collect();
        list.sort_by_key(|(stage, one)| (*stage, one.endpoint.is_some()));
        if list.is_empty() {
            return;
        }
        self.title("Policies, in this order; their responses in the opposite one");
        for (stage, one) in list {
            let of = if one.endpoint.is_some() { "this endpoint's" } else { "the service's" };
            self.item(&format!("{stage:?}"), &format!("{}, {of}", one.namespace));
        }
    }

    fn endpoint(
        &mut self,
        plan: &Plan,
        service: &Service,
        index: usize,
        endpoint: &Endpoint,
        asked: &Asked<'_>,
    ) {
        self.line(&format!("Served by endpoints[{index}]: {} {}", endpoint.method, endpoint.path));
        if !endpoint.params.is_empty() {
            self.title("Parameters");
            for (at, name) in endpoint.params.iter().enumerate() {
                let value = asked.params.value(at, asked.path);
                self.item(&format!("{{{name}}}"), &String::from_utf8_lossy(value));
            }
        }
        let check = if plan.checks_params { Check::Encoded } else { Check::HazardsOnly };
        if check_params(asked.params.values(asked.path), check).is_err() {
            self.title("A parameter is encoded twice or holds a dot segment: answered 400");
            self.policies(plan, &[Stage::Service, Stage::Engine], None);
            return;
        }
        const ALL: [Stage; 4] = [Stage::Service, Stage::Engine, Stage::Handler, Stage::Pipe];
        self.policies(plan, &ALL, Some(index));
        self.deadlines(endpoint);
        let configured = service.endpoints.get(index);
        for (at, backend) in endpoint.backends.iter().enumerate() {
            let n = endpoint.backends.len();
            self.title(&if n > 1 {
                format!("Backend {} of {n}", at + 1)
            } else {
                "Backend".into()
            });
            let configured = configured.and_then(|endpoint| endpoint.backends.get(at));
            self.backend(backend, configured, asked);
            for one in &plan.listed {
                if one.endpoint == Some(index as u32) && one.backend == Some(at as u32) {
                    self.item("policy", &format!("{} ({:?})", one.namespace, one.stage));
                }
            }
        }
        self.answer(plan, service, index, endpoint);
    }

    fn deadlines(&mut self, endpoint: &Endpoint) {
        self.title("Deadlines");
        let whole = shown(endpoint.timeout);
        let part = |percent| shown(share(endpoint.timeout, percent));
        match endpoint.backends.len() {
            1 => self.item("backend", &format!("{whole} (timeout)")),
            n => self.item(
                "backends",
                &format!(
                    "all {n} at once; the answer is what is there after {} ({MERGE_SHARE} % of \
                     {whole})",
                    part(MERGE_SHARE)
                ),
            ),
        }
        if endpoint.backends.iter().any(|backend| backend.concurrent_calls > 1) {
            self.item("races", &format!("{} ({RACE_SHARE} % of {whole})", part(RACE_SHARE)));
        }
        if endpoint.output == Output::NoOp {
            self.item("content", "streamed; bounded by pauses (ringway.stream_idle)");
        }
        if endpoint.holds_body {
            self.item("request", "its content is held before the backends are called");
        }
    }

    fn backend(&mut self, backend: &Backend, of: Option<&model::Backend>, asked: &Asked<'_>) {
        let mut target = Vec::new();
        if let Some(host) = backend.hosts.first() {
            backend.url.write(&host.prefix, asked, &mut target);
        }
        let target = String::from_utf8_lossy(&target);
        let template = of.map_or(&*backend.url.shown, |backend| &backend.url_pattern.text);
        self.item("call", &format!("{} {target}", backend.method));
        if *template != *target {
            self.item("from", template);
        }
        let hosts: Vec<&str> = backend.hosts.iter().map(|host| &*host.shown).collect();
        match (&*hosts, backend.balance) {
            ([], _) => self.item("host", "none: the call fails"),
            ([one], _) => self.item("host", one),
            (many, balance) => {
                let how = match balance {
                    Balance::RoundRobin => "in turn",
                    Balance::Random => "at random",
                };
                self.item("hosts", &format!("{}, {how}", many.join(", ")));
                if backend.tries_next_host {
                    self.item("", "another is tried when one cannot be connected to");
                }
            }
        }
        if backend.concurrent_calls > 1 {
            let n = backend.concurrent_calls;
            self.item("race", &format!("{n} equal calls; the first complete answer wins"));
        }
        self.item("fields", &fields(&backend.fields));
        self.item("query", &query(&backend.query));
        self.item("decoded", &decoded(backend, of));
        if let Some(of) = of {
            self.selection(&of.selection);
        }
        let status = match (&backend.decode, &backend.on_status) {
            (Decode::NoOp, _) => "every one is passed on".to_owned(),
            (Decode::Json(_), OnStatus::Fail) => "200 and 201 are good, others a failure".into(),
            (Decode::Json(_), OnStatus::FailWithCode) => {
                "200 and 201 are good, others a failure that is shown (return_error_code)".into()
            }
            (Decode::Json(_), OnStatus::Details(name)) => {
                format!("200 and 201 are good, others become \"error_{name}\" in the answer")
            }
        };
        self.item("status", &status);
    }

    fn selection(&mut self, selection: &model::Selection) {
        if !selection.target.is_empty() {
            self.item("target", &selection.target.join("."));
        }
        match (&*selection.allow, &*selection.deny) {
            ([], []) => {}
            ([], deny) => self.item("left out", &deny.join(", ")),
            (allow, _) => self.item("kept", &allow.join(", ")),
        }
        let renamed: Vec<String> =
            selection.mapping.iter().map(|(old, new)| format!("{old} to {new}")).collect();
        if !renamed.is_empty() {
            self.item("renamed", &renamed.join(", "));
        }
        if let Some(group) = &selection.group {
            self.item("group", &format!("all of it under \"{group}\""));
        }
    }

    fn answer(&mut self, plan: &Plan, service: &Service, index: usize, endpoint: &Endpoint) {
        self.title("Answer");
        let n = endpoint.backends.len();
        match &endpoint.output {
            Output::NoOp => {
                self.item("content", "the backend's status, fields and content, as they come")
            }
            Output::Rendered(options) => {
                let how = match options.rendering {
                    Rendering::Json => "a JSON object",
                    Rendering::JsonCollection => "the member \"collection\", as a JSON array",
                    Rendering::String => "the member \"content\", as text",
                };
                let order = match endpoint.merge_order {
                    MergeOrder::Configuration => "the later backend of the file wins",
                    MergeOrder::Arrival => "the later arrival wins",
                };
                let joined = if n > 1 {
                    format!("{how} merged of {n}; for a key of several {order}")
                } else {
                    how.to_owned()
                };
                self.item("content", &joined);
                if options.sort_keys {
                    self.item("", "keys sorted (json.sort_keys)");
                }
                if options.escape_html {
                    self.item("", "<, > and & escaped (json.escape_html)");
                }
                self.item("complete", "X-Krakend-Completed: true, if every part is there");
                if n > 1 {
                    self.item("partial", "200, X-Krakend-Completed: false, what is there");
                }
                let ttl = service.endpoints.get(index).map_or(Duration::ZERO, |e| e.cache_ttl);
                if !ttl.is_zero() {
                    let seconds = ttl.as_secs();
                    let text = format!("Cache-Control: public, max-age={seconds}, if complete");
                    self.item("cache", &text);
                }
            }
        }
        let (bad, late) = if endpoint.uses_rfc_statuses { (502, 504) } else { (500, 500) };
        let body = if plan.returns_error_text { "the error's text" } else { "no content" };
        let failed =
            if bad == late { format!("{bad}") } else { format!("{bad}, or {late} when late") };
        self.item("failed", &format!("{failed}, with {body}"));
    }
}

fn fields(filter: &FieldFilter) -> String {
    let mut list: Vec<String> = match &filter.client {
        Names::All => vec!["all of the client's but those of its connection".into()],
        names => names.shown(),
    };
    for (name, goes) in [
        ("X-Forwarded-For", filter.forwarded_for),
        ("X-Forwarded-Host", filter.forwarded_host),
        ("X-Forwarded-Via", filter.forwarded_via && filter.client_user_agent),
    ] {
        if goes {
            list.push(format!("{name} (ours)"));
        }
    }
    if list.is_empty() { "none".into() } else { list.join(", ") }
}

fn query(filter: &QueryFilter) -> String {
    match filter {
        QueryFilter::None => "no parameter is forwarded".into(),
        QueryFilter::All => "every parameter is forwarded".into(),
        QueryFilter::Listed(names) => {
            let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
            names.join(", ")
        }
    }
}

fn decoded(backend: &Backend, of: Option<&model::Backend>) -> String {
    let Decode::Json(_) = &backend.decode else { return "not at all (no-op)".into() };
    let is_collection = of.is_some_and(|backend| backend.is_collection);
    match of.map(|backend| backend.encoding) {
        Some(model::Encoding::String) => "as text, under \"content\"".into(),
        Some(model::Encoding::SafeJson) => {
            "as JSON of any kind; an array lands under \"collection\", a scalar under \"content\""
                .into()
        }
        _ if is_collection => "as a JSON array, under \"collection\"".into(),
        _ => "as a JSON object".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{Level, Policy, Registration, RequestCx, Verdict};
    use super::super::{Environment, compile};
    use super::*;
    use crate::config::diagnostic::Diagnostics;
    use crate::config::load::{Options, load};
    use std::sync::Arc;

    struct Nothing;

    impl Policy for Nothing {
        fn on_request(&self, _: &mut RequestCx<'_>) -> Verdict {
            Verdict::Continue
        }
    }

    const fn at(namespace: &'static str, stage: Stage, level: Level) -> Registration {
        Registration::new(namespace, stage, level, |_, _| Some(Arc::new(Nothing)))
    }

    const POLICIES: [Registration; 4] = [
        at("test/first", Stage::Engine, Level::SERVICE).always(),
        at("test/token", Stage::Handler, Level::SERVICE_OR_ENDPOINT),
        at("test/look", Stage::Pipe, Level::ENDPOINT),
        at("test/breaker", Stage::Backend, Level::BACKEND),
    ];

    const FILE: &[u8] = br#"{
        "version": 3,
        "host": ["http://users:8081", "http://users:8082"],
        "extra_config": {
            "router": {"auto_options": true, "error_body": {"404": {"what": "nothing"}}},
            "test/token": {}
        },
        "endpoints": [
            {
                "endpoint": "/shop/{user}", "timeout": "2s", "cache_ttl": "60s",
                "input_headers": ["Accept-Language", "X-Own"], "input_query_strings": ["page"],
                "extra_config": {"test/look": {}},
                "backend": [
                    {"url_pattern": "/users/{user}", "allow": ["id", "name"], "group": "user",
                     "extra_config": {"test/breaker": {}}},
                    {"url_pattern": "/orders?user={user}", "is_collection": true, "host": ["http://orders"],
                     "mapping": {"collection": "orders"},
                     "extra_config": {"backend/http": {"return_error_details": "orders"}}}
                ]
            },
            {
                "endpoint": "/files/{name}", "method": "PUT", "output_encoding": "no-op",
                "input_headers": ["*"], "input_query_strings": ["*"], "concurrent_calls": 2,
                "backend": [{"url_pattern": "/static/{name}", "method": "PUT", "host": ["https://files"]}]
            }
        ]
    }"#;

    fn told(method: &str, target: &str) -> String {
        let also_known = POLICIES.iter().map(|one| one.namespace.to_owned()).collect();
        let options = Options { also_known, ..Options::default() };
        let loaded = load(&|_| Err(String::new()), "f.json", FILE, &[], &options);
        let service = loaded.service.expect("the file is right");
        let mut found = Diagnostics::default();
        let environment = Environment { workers: 2, slots: None };
        let plan = compile(&service, &POLICIES, environment, &mut found).expect("a plan");
        explain(&plan, &service, method, target)
    }

    #[test]
    fn a_merge() {
        insta::assert_snapshot!(told("GET", "/shop/7?page=2"));
    }

    #[test]
    fn a_stream() {
        insta::assert_snapshot!(told("PUT", "/files/a%20b"));
    }

    #[test]
    fn what_no_endpoint_serves() {
        let mut all = String::new();
        for (method, target) in [
            ("GET", "/nope"),
            ("DELETE", "/shop/7"),
            ("OPTIONS", "/shop/7"),
            ("GET", "/shop/7/?page=2"),
            ("GET", "/SHOP/7"),
            ("GET", "/__health"),
            ("GET", "/shop/%zz"),
            ("GET", "/shop/%252e"),
        ] {
            let _ = writeln!(all, "> {method} {target}\n{}", told(method, target));
        }
        insta::assert_snapshot!(all);
    }
}

//! From a client's head to the head of a backend, without sockets: what the gateway writes is always
//! canonical to the second reader, whatever the client sent, and its URL is the pattern's own.

use std::cell::RefCell;
use std::sync::OnceLock;

use ringway::config::diagnostic::Diagnostics;
use ringway::config::load::{Options, load};
use ringway::config::model::Service;
use ringway::http::h1::{BodyKind, HeadLimits, Progress, RequestHead, parse_request};
use ringway::http::uri::path;
use ringway::http::uri::query::QueryEncoder;
use ringway::plan::router::{Check, Outcome, Params, check_params};
use ringway::plan::{Content, Environment, Incoming, Plan, Route, Values, WireOptions, compile};

use crate::strict::{self, Framing, Start};

const CONFIG: &str = r#"{"version": 3, "host": ["http://b:8080"], "endpoints": [
  {"endpoint": "/a", "input_headers": ["*"], "input_query_strings": ["*"],
   "backend": [{"url_pattern": "/fixed?x=1"}]},
  {"endpoint": "/a", "method": "POST", "input_headers": ["*"], "input_query_strings": ["*"],
   "backend": [{"url_pattern": "/fixed", "method": "POST"}]},
  {"endpoint": "/p/{id}/{part}", "input_headers": ["*", "Content-Length"],
   "input_query_strings": ["a", "b"], "backend": [{"url_pattern": "/in/{id}/of/{part}"}]},
  {"endpoint": "/q/{id}", "method": "POST", "output_encoding": "no-op",
   "input_headers": ["Content-Length", "Content-Type", "X-Forwarded-For", "Expect", "User-Agent"],
   "backend": [{"url_pattern": "/in?id={id}", "method": "POST"}]}
]}"#;

fn gateway() -> &'static (Service, Plan) {
    static GATEWAY: OnceLock<(Service, Plan)> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        let none = |_: &str| Err("no files here".to_owned());
        let loaded = load(&none, "f.json", CONFIG.as_bytes(), &[], &Options::default());
        let service = loaded.service.expect("the configuration is good");
        let environment = Environment { workers: 1, slots: None };
        let plan = compile(&service, &[], environment, &mut Diagnostics::default());
        let plan = plan.expect("it compiles");
        (service, plan)
    })
}

struct Found<'a>(&'a Params, &'a [u8]);

impl Values for Found<'_> {
    fn param(&self, at: u16) -> &[u8] {
        self.0.value(usize::from(at), self.1)
    }

    fn named(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

/// A client's head.
pub fn forward(input: &[u8]) -> u64 {
    let (_, plan) = gateway();
    let mut head = RequestHead::default();
    if parse_request(input, &HeadLimits::DEFAULT, &mut head) != Ok(Progress::Done) {
        return 0;
    }
    // As the server does: paths that cannot be decoded, or hide a NUL or a slash, go nowhere.
    let mut scratch = Vec::new();
    let Ok(decoded) = path::decode(head.target.path(input), &mut scratch) else { return 1 };
    if decoded.has_nul || decoded.has_encoded_slash {
        return 2;
    }
    let (asked, mut params) = (decoded.path, Params::new());
    let outcome = plan.router.lookup(head.method.as_bytes(input), asked, &mut params);
    let Outcome::Found { route } = outcome else { return 3 };
    let Some(Route::Endpoint(id)) = plan.routes.get(route as usize) else { return 4 };
    if check_params(params.values(asked), Check::Encoded).is_err() {
        return 5;
    }
    let endpoint = plan.endpoint(*id).expect("a route leads to an endpoint");
    let backend = &endpoint.backends[0];
    let encoder = RefCell::new(QueryEncoder::default());
    let values = Found(&params, asked);
    let incoming = Incoming {
        bytes: input,
        head: &head,
        query: head.target.query(input),
        encoder: &encoder,
        values: &values,
        client_ip: "192.0.2.1",
        host: head.host.map(|host| host.of(input)).unwrap_or_default(),
        edits: &[],
    };
    let content = match head.body {
        BodyKind::None | BodyKind::Length(0) => Content::None,
        BodyKind::Length(len) => Content::Some(Some(len)),
        _ => Content::Some(None),
    };
    let options = WireOptions { asks_for_gzip: true, keeps_alive: true };
    let mut out = Vec::new();
    let written = backend.write_head(&backend.hosts[0], &incoming, content, options, &mut out);

    let message = strict::request(&out).expect("what we write is canonical");
    assert_eq!(message.head_len, out.len(), "one head, and nothing behind it");
    let framing = match (content, backend.method.as_ref()) {
        (Content::None, "POST") => Framing::Length(0),
        (Content::None, _) => Framing::None,
        (Content::Some(_), _) if written.is_chunked => Framing::Chunked,
        (Content::Some(len), _) => Framing::Length(len.expect("a length was announced")),
    };
    assert_eq!(message.framing, framing);
    let Start::Request { method, target, minor } = &message.start else { panic!("a request") };
    assert_eq!((method.as_slice(), *minor), (backend.method.as_bytes(), 1));
    let target = String::from_utf8(target.clone()).expect("a target is ASCII");
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut values = params.values(asked);
    let expected = match &*endpoint.path {
        "/a" => "/fixed".to_owned(),
        "/q/:id" => "/in".to_owned(),
        _ => {
            let mut segment = || {
                let value = values.next().unwrap_or_default();
                assert!(!value.contains(&b'/'));
                value.iter().map(|byte| char::from(*byte)).collect::<String>()
            };
            format!("/in/{}/of/{}", segment(), segment())
        }
    };
    assert_eq!(percent_decoded(path), expected, "{target}");
    let mut names: Vec<_> = message.fields.iter().map(|(name, _)| name.clone()).collect();
    names.iter_mut().for_each(|name| name.make_ascii_lowercase());
    for gone in ["connection", "keep-alive", "te", "trailer", "upgrade", "proxy-connection"] {
        assert!(!names.iter().any(|name| name == gone.as_bytes()), "{gone} is forwarded");
    }
    names.sort();
    names.dedup();
    let ours = number_of(&names);
    ours ^ u64::from(query.is_empty()) << 1 ^ u64::from(written.is_chunked) << 2
}

/// A method and a target for `ringway explain`: words come out, and they are for a terminal.
pub fn explain(input: &[u8]) -> u64 {
    let (service, plan) = gateway();
    let text = String::from_utf8_lossy(input);
    let (method, target) = text.split_once(' ').unwrap_or(("GET", &text));
    let words = ringway::plan::explain(plan, service, method, target);
    assert!(!words.is_empty());
    let first: Vec<_> = words.split_whitespace().take(4).collect();
    number_of(&first)
}

fn number_of(what: &impl std::hash::Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Each byte as the letter of its number.
fn percent_decoded(text: &str) -> String {
    let mut out = String::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || {
            let byte = bytes.next().expect("two digits");
            char::from(byte).to_digit(16).expect("a hex digit")
        };
        let decoded = if byte == b'%' { (digit() * 16 + digit()) as u8 } else { byte };
        out.push(char::from(decoded));
    }
    out
}

//! A gateway between a recording backend and raw clients, and the verdicts of the rows on it.

use crate::support::config::GatewayBuilder;
use crate::support::{
    Answer, Backend, Connection, Gateway, Recorded, Response, Step, backend, call, echo, escaped,
    gateway, json, tls, until,
};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What "rejected" may look like (docs/reference/hardening.md section 2). 505 is for the versions
/// of HTTP that no row speaks of.
pub const REJECTED: &[u16] = &[400, 413, 414, 417, 431, 501, 505];

/// The profiles in which a row holds.
pub const PROFILES: [&str; 2] = ["krakend", "safe"];

pub struct Stage {
    pub gw: Gateway,
    pub peer: Backend,
    canary: RefCell<Option<Connection>>,
    n_canaries: Cell<u32>,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(|builder, _| builder)
    }

    /// `/f/{id}` streams with every field of the client, for GET and POST, and `/d/{id}` decodes
    /// JSON, from a backend that reports what it got; `change` adds what a test needs beside them.
    /// A client that ends its side still gets its answers, however slow the machine is.
    pub fn with(change: impl FnOnce(GatewayBuilder, &Backend) -> GatewayBuilder) -> Self {
        Self::around(backend(), change)
    }

    /// The same with a backend that speaks TLS, under an authority of the file.
    pub fn over_tls(change: impl FnOnce(GatewayBuilder, &Backend) -> GatewayBuilder) -> Self {
        let identity = tls::identity(&["localhost"]);
        let client_tls = json!({"ca_certs": ["ca.pem"], "disable_system_ca_pool": true});
        Self::around(backend().tls(&identity), |builder, peer| {
            let builder = builder.file("ca.pem", identity.authority_pem.clone());
            change(builder.service("client_tls", client_tls), peer)
        })
    }

    fn around(
        peer: Backend,
        change: impl FnOnce(GatewayBuilder, &Backend) -> GatewayBuilder,
    ) -> Self {
        let peer = peer.on("/f/*", echo()).on("/d/*", echo()).on("/canary/*", echo());
        let builder = gateway()
            .one_worker()
            .ringway("http1", json!({"half_close_grace": "inf"}))
            .admin()
            .endpoint("/canary/{id}", [call(&peer, "/canary/{id}")])
            .endpoint("/f/{id}", [call(&peer, "/f/{id}")])
            .noop()
            .input_headers(&["*"])
            .endpoint("/f/{id}", [call(&peer, "/f/{id}")])
            .method("POST")
            .noop()
            .input_headers(&["*"])
            .endpoint("/d/{id}", [call(&peer, "/d/{id}")])
            .method("POST")
            .input_headers(&["*"]);
        let gw = change(builder, &peer).start();
        Stage { gw, peer, canary: RefCell::default(), n_canaries: Cell::new(0) }
    }

    /// A request on another client connection, over the same pool: its answer is its own.
    #[track_caller]
    pub fn canary(&self) {
        let n = self.n_canaries.get() + 1;
        self.n_canaries.set(n);
        let mut place = self.canary.borrow_mut();
        let connection = place.get_or_insert_with(|| self.gw.connect());
        let found = connection.send(format!("GET /canary/{n} HTTP/1.1\r\nHost: gw\r\n\r\n"));
        found.status(200).ended();
        let report: serde_json::Value = serde_json::from_slice(&found.bytes).expect("a report");
        assert_eq!(report["target"], format!("/canary/{n}"), "the answer of another request");
        if found.field("connection") == Some("close") {
            *place = None;
        }
    }

    /// What the backend saw since the last look, without the canaries.
    pub fn seen(&self) -> Vec<Recorded> {
        let mut seen = self.peer.take();
        seen.retain(|request| !request.target.starts_with("/canary/"));
        seen
    }

    /// The answer of `target` by these moves, and waits until they are all done: what they sent is in
    /// the gateway's socket, whoever reads it next. Or until the gateway has left that connection.
    #[track_caller]
    pub fn answer_all(&self, route: &str, mut steps: Vec<Step>, target: &str) -> Response {
        self.peer.take();
        let mark = Arc::new(AtomicUsize::new(0));
        steps.push(Step::Mark(Arc::clone(&mark)));
        self.peer.set(route, [Answer::steps_are(steps)]);
        let found = self.gw.get(target);
        until("the backend sent it all", || {
            mark.load(Ordering::SeqCst) > 0 || self.peer.requests().iter().any(|r| r.abandoned)
        });
        found
    }

    /// The bytes end in a rejection, and not one byte of them reaches the backend.
    #[track_caller]
    pub fn rejects(&self, what: &str, bytes: impl AsRef<[u8]>) -> Response {
        self.rejects_with(what, bytes, REJECTED)
    }

    #[track_caller]
    pub fn rejects_with(&self, what: &str, bytes: impl AsRef<[u8]>, codes: &[u16]) -> Response {
        let bytes = bytes.as_ref();
        let shown = escaped(&bytes[..bytes.len().min(300)]);
        self.canary();
        self.peer.take();
        let before = self.peer.received();
        let mut client = self.gw.connect();
        client.try_write(bytes);
        let found = match client.try_response("POST") {
            Ok(found) => found,
            Err(broken) => panic!("{what}: {broken:?} for {shown}"),
        };
        assert!(codes.contains(&found.code), "{what}: {shown}\n{found}");
        assert_eq!(found.field("connection"), Some("close"), "{what}: {shown}\n{found}");
        let rest = client.rest();
        assert!(rest.is_empty(), "{what}: a second answer to {shown}: {}", escaped(&rest));
        self.canary();
        let seen = self.peer.take();
        let of_canaries: usize = seen.iter().map(|request| request.raw.len()).sum();
        assert!(
            seen.iter().all(|request| request.target.starts_with("/canary/"))
                && self.peer.received() - before == of_canaries,
            "{what}: the backend saw {} bytes, of requests {seen:?}, for {shown}",
            self.peer.received() - before
        );
        found
    }

    /// The bytes are one request, which reaches the backend written anew; returns both sides.
    #[track_caller]
    pub fn passes(&self, what: &str, bytes: impl AsRef<[u8]>) -> (Response, Recorded) {
        let bytes = bytes.as_ref();
        self.peer.take();
        let mut client = self.gw.connect();
        client.write(bytes);
        let found = client.response("POST");
        assert!(found.code == 200, "{what}: {}\n{found}", escaped(bytes));
        self.canary();
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{what}: the requests that the backend saw: {seen:?}");
        let request = seen.remove(0);
        canonical(what, &request);
        (found, request)
    }
}

/// One framing field at most, every line ended by CRLF, and no coding but whole chunks.
#[track_caller]
pub fn canonical(what: &str, request: &Recorded) {
    let shown = escaped(&request.raw);
    // The backend reads strictly: what it could not read has no method.
    assert!(!request.method.is_empty() && request.complete, "{what}: not a message: {shown}");
    let names = ["content-length", "transfer-encoding"];
    let n = request
        .fields
        .iter()
        .filter(|(name, _)| names.contains(&name.to_ascii_lowercase().as_str()));
    assert!(n.count() <= 1, "{what}: framing twice: {shown}");
    if request.field("transfer-encoding").is_some() {
        let head = crate::support::wire::position(&request.raw, b"\r\n\r\n").expect("a head") + 4;
        let mut written = Vec::new();
        let mut rest = &request.raw[head..];
        // Size lines of hex digits alone: nothing of the client's extensions or trailers.
        while let Some(at) = crate::support::wire::position(rest, b"\r\n") {
            let (line, after) = rest.split_at(at);
            assert!(
                !line.is_empty() && line.iter().all(u8::is_ascii_hexdigit),
                "{what}: not a size line: {shown}"
            );
            let size = usize::from_str_radix(std::str::from_utf8(line).expect("digits"), 16)
                .expect("a size");
            let data = &after[2..];
            written.extend_from_slice(&data[..size]);
            rest = &data[size + 2..];
            if size == 0 {
                break;
            }
        }
        assert!(rest.is_empty() && written == request.body, "{what}: the chunks: {shown}");
    }
}

/// `POST /f/1` with these lines and what follows them.
pub fn post(rest: &str) -> String {
    format!("POST /f/1 HTTP/1.1\r\nHost: gw\r\n{rest}")
}

/// `GET /f/1` with these lines; the blank line is added.
pub fn get(lines: &str) -> String {
    format!("GET /f/1 HTTP/1.1\r\nHost: gw\r\n{lines}\r\n")
}

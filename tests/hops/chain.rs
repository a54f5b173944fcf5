//! Client, gateway A, gateway B, backend; and what must be true after each input.

use crate::strict::{self, Message, Start, Why};
use crate::support::backend::Plan;
use crate::support::config::call_to;
use crate::support::{
    Backend, Connection, Gateway, GatewayBuilder, Recorded, Step, backend_with, escaped, gateway,
    json,
};

pub struct Chain {
    first: Gateway,
    second: Gateway,
    backend: Backend,
    /// Connections that stay open through the whole test: their answers must always be their own.
    canaries: Vec<Connection>,
    n_inputs: usize,
    n_forwarded: usize,
}

/// What one input may do at most, as the second reader sees it.
struct Reading {
    /// The requests in order: method, content.
    requests: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Chain {
    pub fn start() -> Chain {
        let backend = backend_with(|request| {
            let expects =
                request.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("expect"));
            let interim = Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
            let before_body = if expects { vec![interim] } else { Vec::new() };
            Plan { before_body, answer: Box::new(|request| vec![Step::Send(answer_to(request))]) }
        });
        let second = passing_on(&backend.host(), "20s").admin().start();
        let first = passing_on(&format!("http://{}", second.address), "20s").start();
        let canaries = (0..2).map(|_| first.connect()).collect();
        Chain { first, second, backend, canaries, n_inputs: 0, n_forwarded: 0 }
    }

    /// Sends one input on a connection of its own, ends it, and judges what came of it.
    pub fn send(&mut self, family: &str, input: &[u8]) {
        self.n_inputs += 1;
        let shown = || format!("{family}: b\"{}\"", input.escape_ascii());
        let mut connection = self.first.connect();
        connection.try_write(input);
        // The gateway may have answered and closed already.
        let _ = connection.stream().shutdown(std::net::Shutdown::Write);
        let answers = self.answers(&connection.rest(), input, &shown);
        let reading = Reading::of(input);

        // The canaries come last, so everything of the input is over at the backend before them.
        for at in 0..self.canaries.len() {
            let name = format!("{}-{at}", self.n_inputs);
            let request = format!("GET /canary/{name} HTTP/1.1\r\nHost: gw\r\n\r\n");
            let found = self.canaries[at].send(request);
            assert!(found.code == 200 && found.bytes == name.as_bytes(), "{}\n{found}", shown());
        }
        let seen = self.backend.take();
        let seen: Vec<_> = seen.iter().filter(|r| !r.target.starts_with("/canary/")).collect();
        let malformed = seen.iter().find(|request| request.method.is_empty());
        assert!(malformed.is_none(), "not canonical for the backend\n{}", shown());

        // No more than the requests that are there, in their order, with their content.
        let mut rest = reading.requests.iter();
        for request in seen.iter().filter(|request| request.complete) {
            let is_there = rest.any(|(method, content)| {
                *method == request.method.as_bytes() && *content == request.body
            });
            assert!(is_there, "an unsent request\n{}\n{}", shown(), escaped(&request.raw));
        }
        // An answer for each request that came through whole, its own, and none besides.
        let complete = seen.iter().filter(|request| request.complete);
        let expected: Vec<_> = complete.map(|request| echoed(request)).collect();
        let given = answers.iter().filter(|(status, _)| *status == 200);
        let given: Vec<_> = given.map(|(_, content)| content.clone()).collect();
        assert_eq!(given, expected, "answers and requests\n{}", shown());
        self.n_forwarded += expected.len();
        // One answer a request. What is no request gets one more at most, the last: a refusal, an
        // answer of our own to a good head with a bad content, or 500 where the client's FIN cut a
        // content short.
        let n_requests = reading.requests.len();
        let surplus = answers.get(n_requests..).unwrap_or_default();
        let refusal = |(status, _): &(u16, Vec<u8>)| *status != 200;
        assert!(
            surplus.len() <= 1 && surplus.iter().all(refusal),
            "surplus answers: {surplus:?}\n{}",
            shown()
        );
    }

    /// The final answers of a connection: status and content. Interim ones are passed over.
    fn answers(
        &self,
        bytes: &[u8],
        input: &[u8],
        shown: &dyn Fn() -> String,
    ) -> Vec<(u16, Vec<u8>)> {
        let methods = Reading::of(input).requests;
        let (mut rest, mut answers) = (bytes, Vec::new());
        while !rest.is_empty() {
            let asked = methods.get(answers.len()).map(|(method, _)| method.as_slice());
            let asked = String::from_utf8_lossy(asked.unwrap_or(b"GET")).into_owned();
            let read = strict::response(rest, &asked).and_then(|head| {
                let content = strict::body(head.framing, &rest[head.head_len..])?;
                Ok((head, content))
            });
            let (head, content) = match read {
                Ok(read) => read,
                // An answer that breaks off is an end that shows.
                Err(Why::More) => break,
                Err(why) => panic!("the answers: {why:?}\n{}\n{}", shown(), escaped(bytes)),
            };
            rest = &rest[head.head_len + content.len..];
            let Start::Response { status, .. } = head.start else { panic!("a response") };
            if status >= 200 {
                answers.push((status, content.bytes));
            }
        }
        answers
    }

    /// The end: the second gateway never met a request that it refuses, and something came through.
    pub fn settle(mut self) {
        self.canaries.clear();
        let metrics = self.second.metrics();
        for outcome in [
            "bad_request",
            "head_too_large",
            "bad_parameter",
            "too_many_parameters",
            "not_found",
            "method_not_allowed",
            "redirect",
            "panic",
        ] {
            let label = format!("outcome=\"{outcome}\"");
            let n = metrics.sum("ringway_requests_total", &[&label]);
            assert!(n < 0.5, "{n} requests of the first gateway are `{outcome}` to the second");
        }
        println!("{} inputs, {} requests came through", self.n_inputs, self.n_forwarded);
        assert!(self.n_inputs == 1 || self.n_forwarded > self.n_inputs / 10, "nearly all refused");
    }
}

impl Reading {
    fn of(input: &[u8]) -> Reading {
        let (mut rest, mut requests) = (input, Vec::new());
        loop {
            let read = strict::request(rest).and_then(|head| {
                let content = strict::body(head.framing, &rest[head.head_len..])?;
                Ok((head, content))
            });
            match read {
                Ok((head, content)) => {
                    rest = &rest[head.head_len + content.len..];
                    requests.push((method(&head), content.bytes));
                }
                Err(_) => return Reading { requests },
            }
        }
    }
}

/// Says what the request was: nobody else's answer looks like it.
fn echoed(request: &Recorded) -> Vec<u8> {
    match request.target.strip_prefix("/canary/") {
        Some(name) => name.as_bytes().to_vec(),
        None => [request.method.as_bytes(), b" ", request.target.as_bytes(), b" ", &request.body]
            .concat(),
    }
}

fn answer_to(request: &Recorded) -> Vec<u8> {
    let content = echoed(request);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
    [head.as_bytes(), &content].concat()
}

fn method(message: &Message) -> Vec<u8> {
    match &message.start {
        Start::Request { method, .. } => method.clone(),
        Start::Response { .. } => Vec::new(),
    }
}

/// A gateway that passes everything on to the same paths of one host, which it waits for so long.
pub fn passing_on(host: &str, patience: &str) -> GatewayBuilder {
    let mut builder = gateway()
        .one_worker()
        .ringway("stream_idle", patience)
        .ringway("http1", json!({ "half_close_grace": "inf" }));
    for (method, path) in [
        ("GET", "/a"),
        ("POST", "/a"),
        ("PUT", "/a"),
        ("GET", "/p/{id}"),
        ("POST", "/p/{id}"),
        ("GET", "/canary/{name}"),
    ] {
        let to = call_to(host, path);
        builder = builder
            .endpoint(path, [to.method(method).key("encoding", "no-op")])
            .method(method)
            .noop()
            .key("timeout", patience)
            .input_headers(&["*"])
            .input_query_strings(&["*"]);
    }
    builder
}

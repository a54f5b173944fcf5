//! A panic costs one request (docs/reference/hardening.md F7): in each stage, in each callback of a
//! policy, in what it waits for and in what comes after the wait. The request gets 500 and the end
//! of its connection, the panic a count and the request its line; every other connection goes on.

use crate::both_drivers;
use crate::invariants::{Profile, Site, answering, honest};
use crate::support::client::Connection;
use crate::support::metrics::{CHARGED_BYTES, REQUESTS};
use crate::support::{
    Answer, Embedded, GatewayBuilder, Step, answer, call, embed, escaped, gateway, json, until,
};
use ringway::{
    End, Level, Locals, Needs, Node, PlanCx, Policy, Registration, RequestCx, ResponseCx, Stage,
    Suspended, Verdict,
};
use std::sync::Arc;
use std::time::Duration;

both_drivers! {
    f7_a_panic_in_each_stage_costs_one_request,
    f7_a_panic_while_others_are_served,
    f7_a_panic_where_no_policy_reaches,
}

const STAGES: [&str; 6] =
    ["panic/service", "panic/engine", "panic/handler", "panic/pipe", "panic/backend", "panic/call"];

const EVERYWHERE: [Registration; 6] = [
    Registration::new(STAGES[0], Stage::Service, Level::SERVICE, compile),
    Registration::new(STAGES[1], Stage::Engine, Level::SERVICE, compile),
    Registration::new(STAGES[2], Stage::Handler, Level::SERVICE_OR_ENDPOINT, compile),
    Registration::new(STAGES[3], Stage::Pipe, Level::SERVICE_OR_ENDPOINT, compile),
    Registration::new(STAGES[4], Stage::Backend, Level::BACKEND, compile),
    Registration::new(STAGES[5], Stage::Executor, Level::BACKEND, compile),
];

/// Panics where its block says, for requests that ask for it.
struct Bomb {
    place: String,
    needs: Needs,
}

/// What a request has to carry for the bomb to go off.
const FUSE: &str = "X-Fuse";

const PLACES: [&str; 7] =
    ["on_request", "wait", "after a wait", "resume", "on_response", "on_end", "with the body"];

fn compile(node: &Node<'_>, cx: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    let place: String = node.field("place", cx.found).unwrap_or_default();
    let needs = match place.as_str() {
        "with the body" => Needs::RESPONSE_BODY,
        _ => Needs::HEAD,
    };
    Some(Arc::new(Bomb { place, needs }))
}

fn is_lit(cx: &RequestCx<'_>) -> bool {
    let head = String::from_utf8_lossy(cx.bytes);
    head.to_ascii_lowercase().contains(&format!("\r\n{}: lit\r\n", FUSE.to_ascii_lowercase()))
}

impl Bomb {
    fn goes_off(&self) -> ! {
        panic!("{}: as the test told it to", self.place)
    }
}

thread_local! {
    /// The callbacks after the request see nothing of its head: workers are threads, and the lit
    /// request is alone on its one while it is composed without a wait.
    static LIT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Policy for Bomb {
    fn needs(&self) -> Needs {
        self.needs
    }

    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        LIT.set(is_lit(cx));
        if !is_lit(cx) {
            return Verdict::Continue;
        }
        let pause = Duration::from_millis(10);
        match self.place.as_str() {
            "on_request" => self.goes_off(),
            "wait" => Verdict::Wait(Suspended(Box::pin(async {
                panic!("while it waits: as the test told it to")
            }))),
            "after a wait" => Verdict::Wait(Suspended(Box::pin(async move {
                ringway::sleep(pause).await;
                panic!("after a wait: as the test told it to")
            }))),
            "resume" => Verdict::Wait(Suspended(Box::pin(async move {
                ringway::sleep(pause).await;
                let resume: ringway::Resume =
                    Box::new(|_| panic!("resuming: as the test told it to"));
                resume
            }))),
            _ => Verdict::Continue,
        }
    }

    fn on_response(&self, _: &mut ResponseCx<'_>) -> Verdict {
        if LIT.get() && matches!(self.place.as_str(), "on_response" | "with the body") {
            self.goes_off();
        }
        Verdict::Continue
    }

    fn on_end(&self, _: &mut Locals, _: End) {
        if LIT.get() && self.place == "on_end" {
            self.goes_off();
        }
    }
}

/// Endpoint `/a` with a bomb in one stage; everything else has none.
fn mined(
    builder: GatewayBuilder,
    host: &crate::support::Backend,
    stage: &str,
    place: &str,
) -> GatewayBuilder {
    let block = json!({ "place": place });
    let mut entry = call(host, "/a");
    if STAGES[4..].contains(&stage) {
        entry = entry.extra(stage, block.clone());
    }
    let mut builder = builder.endpoint("/a", [entry]).input_query_strings(&["id"]);
    if STAGES[2..4].contains(&stage) {
        builder = builder.extra(stage, block.clone());
    }
    if STAGES[..2].contains(&stage) {
        builder = builder.service_extra(stage, block);
    }
    builder.endpoint("/other", [call(host, "/other")]).input_query_strings(&["id"])
}

#[track_caller]
fn fine(client: &mut Connection, path: &str, id: &str) {
    let request = format!("GET {path}?id={id} HTTP/1.1\r\nHost: gw\r\n\r\n");
    client.send(request).status(200).body(format!(r#"{{"id":"{id}"}}"#));
}

fn counts(gw: &Embedded) -> (f64, f64) {
    let metrics = gw.metrics();
    (
        metrics.sum("ringway_panics_total", &[]),
        metrics.sum(REQUESTS, &["outcome=\"panic\"", "status=\"5xx\""]),
    )
}

fn f7_a_panic_in_each_stage_costs_one_request() {
    let host = honest();
    for stage in STAGES {
        for place in PLACES {
            // The service and the engine see heads only.
            if place == "with the body" && STAGES[..2].contains(&stage) {
                continue;
            }
            let builder = mined(gateway().one_worker().admin(), &host, stage, place);
            let gw = embed(builder, &EVERYWHERE);
            let mut other = gw.connect();
            fine(&mut other, "/other", "before");
            fine(&mut other, "/a", "unlit");
            let charged = gw.metrics().sum(CHARGED_BYTES, &[]);
            let (panics, requests) = counts(&gw);
            let mut client = gw.connect();
            client.write(format!("GET /a?id=1 HTTP/1.1\r\nHost: gw\r\n{FUSE}: lit\r\n\r\n"));
            let end = client.rest();
            let text = escaped(&end);
            assert!(end.starts_with(b"HTTP/1.1 500 "), "{stage}, {place}: {text}");
            assert!(text.contains("Connection: close"), "{stage}, {place}: {text}");
            assert!(!text.contains("as the test told it to"), "{stage}, {place}: {text}");
            until("one panic, one request", || {
                let now = counts(&gw);
                now.0 >= panics + 1.0 && now.1 == requests + 1.0
            });
            // The connection that was open, a new one, and the mined path itself go on.
            for path in ["/other", "/a"] {
                fine(&mut other, path, "after");
                fine(&mut gw.connect(), path, "new");
            }
            until("its memory is back", || {
                let metrics = gw.metrics();
                metrics.sum(CHARGED_BYTES, &[]) <= charged + 65536.0
                    && metrics.sum("ringway_pool_connections", &["state=\"open\""])
                        == metrics.sum("ringway_pool_connections", &["state=\"idle\""])
            });
            gw.running.stop().expect("it ends in order");
        }
    }
}

/// Two workers, four clients without pause, and a bomb every time another one asks.
fn f7_a_panic_while_others_are_served() {
    const PANICS: usize = 60;
    let host = honest();
    let builder = mined(gateway().ringway("workers", 2).admin(), &host, STAGES[3], "on_request");
    let gw = embed(builder, &EVERYWHERE);
    let request = "GET /other?id=same HTTP/1.1\r\nHost: gw\r\n\r\n";
    let load = crate::support::load::Load::start(gw.address, 4, request, r#"{"id":"same"}"#);
    let before = counts(&gw);
    for _ in 0..PANICS {
        let mut client = gw.connect();
        client.write(format!("GET /a?id=1 HTTP/1.1\r\nHost: gw\r\n{FUSE}: lit\r\n\r\n"));
        assert!(client.rest().starts_with(b"HTTP/1.1 500 "));
    }
    assert!(load.done() > 0);
    let wrong = load.stop();
    assert!(wrong.is_empty(), "{} of others failed: {}", wrong.len(), wrong[0]);
    until("each panic and each request is counted", || {
        let now = counts(&gw);
        now.0 >= before.0 + PANICS as f64 && now.1 == before.1 + PANICS as f64
    });
    gw.running.stop().expect("it ends in order");
}

/// What the request sees in whose course a failpoint panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sees {
    /// 500 and the end.
    Failure,
    /// An answer that visibly breaks off.
    Cut,
    /// The end, without a word.
    End,
    /// Its whole answer, then the end.
    AnswerThenEnd,
    /// Nothing: the answer is as ever, and so is the connection.
    Nothing,
}

/// The real binary with a failpoint (`net/failpoint.rs`) at places inside of the gateway.
fn f7_a_panic_where_no_policy_reaches() {
    for (place, path, sees) in [
        ("decode", "/plain", Sees::Failure),
        ("gunzip", "/gzip", Sees::Failure),
        ("render", "/plain", Sees::Failure),
        ("release", "/plain", Sees::Failure),
        ("connect", "/closing", Sees::Failure),
        ("stream", "/streamed", Sees::Cut),
        ("sent", "/plain", Sees::AnswerThenEnd),
        ("head", "/plain", Sees::End),
        ("accept", "/plain", Sees::End),
        ("discard", "/refused", Sees::Nothing),
        ("housekeeping", "/plain", Sees::Nothing),
    ] {
        let closing =
            answering(|id| answer(200).body(format!(r#"{{"id":"{id}"}}"#)).close()).closes_after(1);
        let gzip = answering(|id| answer(200).body(format!(r#"{{"id":"{id}"}}"#)).gzip());
        let streamed = answering(|_| {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n".to_vec();
            let bytes = b"body".chunks(1).map(<[u8]>::to_vec).collect();
            Answer::steps_are([Step::Send(head), Step::Drip(bytes, Duration::from_millis(1))])
        });
        let refused = answering(|_| {
            let head = b"HTTP/1.1 404 X\r\nContent-Length: 4\r\n\r\n".to_vec();
            let rest = Step::Send(b"body".to_vec());
            Answer::steps_are([Step::Send(head), Step::Wait(Duration::from_millis(5)), rest])
        });
        let plain = honest();
        let mut builder =
            Profile::Krakend.gateway().env("RINGWAY_FAILPOINT", &format!("{place}:6"));
        for (path, backend) in
            [("/plain", &plain), ("/closing", &closing), ("/gzip", &gzip), ("/refused", &refused)]
        {
            builder = builder.endpoint(path, [call(backend, "/a")]).input_query_strings(&["id"]);
        }
        let mut site = Site::start(builder.endpoint("/streamed", [call(&streamed, "/a")]).noop());
        let panics = |site: &Site| site.gw.metrics().sum("ringway_panics_total", &[]);
        let mut seen = Vec::new();
        for n in 0..12 {
            let mut client = site.gw.connect();
            let id = format!("{place}{n}");
            client.try_write(format!("GET {path}?id={id} HTTP/1.1\r\nHost: gw\r\n\r\n"));
            let first = client.try_response("GET");
            let expected = match path {
                "/streamed" => "body".to_owned(),
                "/refused" => String::new(),
                _ => format!(r#"{{"id":"{id}"}}"#),
            };
            let what = match first {
                Err(_) => Sees::End,
                Ok(found) if found.code == 500 && path != "/refused" => {
                    found.header("Connection", "close").body("");
                    client.gone();
                    Sees::Failure
                }
                Ok(found) if found.end != crate::support::End::Complete => {
                    found.broken_off();
                    Sees::Cut
                }
                Ok(found) => {
                    found.body(&expected);
                    let again = format!("GET /plain?id={id} HTTP/1.1\r\nHost: gw\r\n\r\n");
                    client.try_write(again);
                    match client.try_response("GET") {
                        Ok(found) => {
                            site.counts(u64::from(found.code == 200));
                            Sees::Nothing
                        }
                        Err(_) => Sees::AnswerThenEnd,
                    }
                }
            };
            site.counts(u64::from(what != Sees::End));
            if what != Sees::Nothing {
                seen.push(what);
            }
        }
        let wanted = if sees == Sees::Nothing { vec![] } else { vec![sees] };
        assert_eq!(seen, wanted, "{place}: one request in twelve pays");
        until(&format!("{place}: the panic is counted once"), || panics(&site) == 1.0);
        site.settled();
        // And it stays one.
        assert!(panics(&site) == 1.0, "{place}");
    }
}

/// A release build has no failpoint: what reads the environment stands in the debug build alone.
#[test]
fn f7_failpoints_are_compiled_out_of_a_release() {
    let source = include_str!("../../src/net/failpoint.rs");
    let (before, armed) = source.split_once("#[cfg(debug_assertions)]\nmod armed").expect("it");
    assert!(!before.contains("std::env") && armed.contains("std::env::var"));
    assert!(before.contains("#[cfg(debug_assertions)]\n    armed::visit(place);"));
    assert!(include_str!("../../.ci/run").contains("grep -q RINGWAY_FAILPOINT"));
}

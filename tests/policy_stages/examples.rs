//! One small policy for each stage, as a program around the gateway would have it, and what each
//! does on the wire.

use crate::support::{answer, backend, call, embed, gateway, json};
use ringway::{
    Answer, HeaderId, Level, Needs, Node, PlanCx, Policy, Registration, RequestCx, ResponseCx,
    Slot, Stage, Verdict,
};
use std::sync::Arc;

/// `Service`: every request gets a number of its core, shown to the client.
struct Numbered(Slot);

fn numbered(_: &Node<'_>, cx: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    Some(Arc::new(Numbered(cx.slot("next"))))
}

impl Policy for Numbered {
    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        let next: &mut u64 = cx.local(self.0);
        *next += 1;
        let number = next.to_string();
        cx.set_response_header("X-Request-Number", number);
        Verdict::Continue
    }
}

#[test]
fn service_numbers_every_request() {
    let peer = backend().on("/p", r#"{"a":1}"#);
    let policy = Registration::new("acme/numbered", Stage::Service, Level::SERVICE, numbered);
    let builder = gateway().one_worker().service_extra("acme/numbered", json!({}));
    let gw = embed(builder.endpoint("/a", [&peer]), &[policy]);
    for (number, (target, status)) in
        [("/a", 200), ("/nope", 404), ("/__health", 200)].into_iter().enumerate()
    {
        gw.get(target).status(status).header("X-Request-Number", &(number + 1).to_string());
    }
}

/// `Engine`: nobody gets in during maintenance, save by health checks.
struct Maintenance;

fn maintenance(_: &Node<'_>, _: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    Some(Arc::new(Maintenance))
}

impl Policy for Maintenance {
    fn on_request(&self, _: &mut RequestCx<'_>) -> Verdict {
        let answer = Answer::text(503, "maintenance", "back soon");
        Verdict::Answer(answer.with_field("Retry-After", "60"))
    }
}

#[test]
fn engine_closes_everything_but_health() {
    let peer = backend().on("/p", "{}");
    let policy = Registration::new("acme/maintenance", Stage::Engine, Level::SERVICE, maintenance);
    let builder = gateway().service_extra("acme/maintenance", json!({})).endpoint("/a", [&peer]);
    let gw = embed(builder, &[policy]);
    for target in ["/a", "/nope"] {
        gw.get(target).status(503).header("Retry-After", "60").body("back soon");
    }
    gw.get("/__health").status(200);
}

/// `Handler`: who calls is told by a token, and the backend's URL is made from it.
struct Token;

fn token(_: &Node<'_>, _: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    Some(Arc::new(Token))
}

impl Policy for Token {
    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        match cx.header(HeaderId::Authorization).strip_prefix(b"Token ") {
            Some(user) => {
                cx.set_param("JWT.sub", user);
                Verdict::Continue
            }
            None => Verdict::Answer(Answer::empty(401, "no_token")),
        }
    }
}

#[test]
fn handler_knows_who_calls() {
    let peer = backend().on("/users/*", r#"{"a":1}"#);
    let policy = Registration::new("acme/token", Stage::Handler, Level::ENDPOINT, token);
    let builder =
        gateway().endpoint("/me", [call(&peer, "/users/{JWT.sub}")]).extra("acme/token", json!({}));
    let gw = embed(builder, &[policy]);
    gw.get("/me").status(401).body("");
    gw.send("GET /me HTTP/1.1\r\nHost: gw\r\nAuthorization: Token u7\r\n\r\n").status(200);
    assert_eq!(peer.request().target, "/users/u7");
}

/// `Pipe`: a merged answer that says itself that it is no good is not shown.
struct Sound;

fn sound(_: &Node<'_>, _: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    Some(Arc::new(Sound))
}

impl Policy for Sound {
    fn needs(&self) -> Needs {
        Needs::RESPONSE_TREE
    }

    fn on_request(&self, _: &mut RequestCx<'_>) -> Verdict {
        Verdict::Continue
    }

    fn on_response(&self, cx: &mut ResponseCx<'_>) -> Verdict {
        let ok = cx.tree.and_then(|tree| tree.get(b"ok")).map(|ok| ok.raw());
        match ok {
            Some(b"true") => Verdict::Continue,
            _ => Verdict::Answer(Answer::empty(502, "not_sound")),
        }
    }
}

#[test]
fn pipe_looks_at_the_merged_answer() {
    let peer = backend().on("/one", r#"{"a":1}"#).on("/good", r#"{"ok":true}"#);
    let policy = Registration::new("acme/sound", Stage::Pipe, Level::ENDPOINT, sound);
    let builder = gateway()
        .endpoint("/good", [call(&peer, "/one"), call(&peer, "/good")])
        .extra("acme/sound", json!({}))
        .endpoint("/bad", [call(&peer, "/one"), call(&peer, "/one")])
        .extra("acme/sound", json!({}));
    let gw = embed(builder, &[policy]);
    gw.get("/good").status(200).json(r#"{"a":1,"ok":true}"#);
    gw.get("/bad").status(502).body("");
}

/// `Backend`: after two failures in a row the backend is left alone.
struct Breaker(Slot);

fn breaker(_: &Node<'_>, cx: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    Some(Arc::new(Breaker(cx.slot("failures"))))
}

impl Policy for Breaker {
    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        let failures: &mut u32 = cx.local(self.0);
        if *failures >= 2 {
            return Verdict::Answer(Answer::empty(503, "left_alone"));
        }
        Verdict::Continue
    }

    fn on_response(&self, cx: &mut ResponseCx<'_>) -> Verdict {
        let failed = cx.status >= 500;
        let failures: &mut u32 = cx.local(self.0);
        *failures = if failed { *failures + 1 } else { 0 };
        Verdict::Continue
    }
}

#[test]
fn backend_is_left_alone_after_failures() {
    let broken = backend().on("/p", answer(500));
    let good = backend().on("/g", r#"{"a":1}"#);
    let policy = Registration::new("acme/breaker", Stage::Backend, Level::BACKEND, breaker);
    let builder = gateway()
        .one_worker()
        .endpoint("/a", [call(&broken, "/p").extra("acme/breaker", json!({})), call(&good, "/g")]);
    let gw = embed(builder, &[policy]);
    for _ in 0..5 {
        gw.get("/a").status(200).completed(false).json(r#"{"a":1}"#);
    }
    assert_eq!(broken.requests().len(), 2, "the third is not sent");
}

/// `Executor`: what goes out carries a signature of its content.
struct Signed;

fn signed(_: &Node<'_>, _: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    Some(Arc::new(Signed))
}

impl Policy for Signed {
    fn needs(&self) -> Needs {
        Needs::REQUEST_BODY
    }

    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        let sum: u32 = cx.body.unwrap_or_default().iter().map(|byte| u32::from(*byte)).sum();
        cx.set_header("X-Signature", sum.to_string());
        Verdict::Continue
    }
}

#[test]
fn executor_signs_what_goes_out() {
    let peer = backend().on("/p", r#"{"a":1}"#);
    let policy = Registration::new("acme/signed", Stage::Executor, Level::BACKEND, signed);
    let entry = call(&peer, "/p").method("POST").extra("acme/signed", json!({}));
    let gw = embed(gateway().endpoint("/a", [entry]).method("POST"), &[policy]);
    gw.post("/a", "abc").status(200);
    let request = peer.request();
    assert_eq!(request.field("X-Signature"), Some("294"));
    assert_eq!(request.body, b"abc");
}

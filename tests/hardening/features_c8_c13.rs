//! Rows whose feature is not built: C8, C9 for claims, C10, C13 of docs/reference/hardening.md. Until
//! it is, the key is refused by name, so that nobody believes in a protection that is not there.

use crate::both_drivers;
use crate::stage::{Stage, canonical, get};
use crate::support::config::GatewayBuilder;
use crate::support::{answer, backend, call, echo, embed, gateway, json};
use ringway::{Level, Node, PlanCx, Policy, Registration, RequestCx, Stage as Place, Verdict};
use std::sync::Arc;

both_drivers! {
    c8_cors_is_refused_by_name,
    c9_claims_and_templates_are_refused_by_name,
    c9_no_splitting_by_values,
    c9_fields_of_policies,
    c10_caches_are_refused_by_name,
    c10_nothing_is_cached,
    c13_the_proxy_protocol_is_not_spoken,
}

/// `check` and `run` refuse the file, and name the key.
#[track_caller]
fn refused(key: &str, make: impl Fn(GatewayBuilder) -> GatewayBuilder) {
    let peer = backend().get("/a", "{}");
    let builder = || make(gateway().endpoint("/a", [&peer]));
    let said = builder().check(&[]).to_string();
    assert!(said.contains(key), "check says nothing of {key}: {said}");
    let said = builder().refused().to_string();
    assert!(said.contains(key), "run says nothing of {key}: {said}");
}

fn c8_cors_is_refused_by_name() {
    let block = json!({"allow_origins": ["https://good.com"], "allow_credentials": true});
    refused("security/cors", |b| b.service_extra("security/cors", block.clone()));
    refused("security/cors", |b| b.extra("security/cors", block.clone()));
    // Without it no origin is allowed anything.
    let stage = Stage::new();
    for origin in ["null", "https://good.com.evil.com", "https://good.com", &"a".repeat(8000)] {
        let found = stage.gw.send(get(&format!("Origin: {origin}\r\n")));
        for name in ["access-control-allow-origin", "access-control-allow-credentials"] {
            found.status(200).no_header(name);
        }
        let found = stage.gw.send(format!(
            "OPTIONS /f/1 HTTP/1.1\r\nHost: gw\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\n\r\n"
        ));
        found.status(405).no_header("access-control-allow-origin");
        stage.canary();
    }
}

fn c9_claims_and_templates_are_refused_by_name() {
    let block = json!({"alg": "RS256", "jwk_url": "http://127.0.0.1:1/", "propagate_claims": [["sub", "x-user"]]});
    refused("auth/validator", |b| b.extra("auth/validator", block.clone()));
    for namespace in ["modifier/martian", "modifier/request-body-generator"] {
        let builder = |peer: &crate::support::Backend| {
            gateway().endpoint("/a", [call(peer, "/a").extra(namespace, json!({"a": 1}))])
        };
        let peer = backend().get("/a", "{}");
        let said = builder(&peer).refused().to_string();
        assert!(said.contains(namespace), "{said}");
    }
}

/// What exists today of generated heads: targets from values, redirects from queries, the host.
fn c9_no_splitting_by_values() {
    let stage = Stage::with(|builder, peer| {
        builder
            .endpoint("/dir/", [call(peer, "/f/dir")])
            .endpoint("/v/{a}/{b}", [call(peer, "/f/{a}-{b}")])
    });
    for value in [
        "a%0d%0aX-Admin:%201",
        "a%0aX-Admin:%201",
        "a%0dX-Admin:%201",
        "%e5%98%8d%e5%98%8aX-Admin:%201",
    ] {
        for target in [format!("/v/{value}/1"), format!("/dir?{value}"), format!("/dir?a={value}")]
        {
            let found = stage.gw.send(format!("GET {target} HTTP/1.1\r\nHost: gw\r\n\r\n"));
            assert!(matches!(found.code, 200 | 301), "{target}: {found}");
            found.no_header("x-admin");
            stage.canary();
            for request in stage.seen() {
                assert_eq!(request.field("x-admin"), None, "{target}");
            }
        }
    }
}

/// What claim propagation, scripts and templates will set: lines that are none, and fields that would
/// frame the message or route it a second time.
const HOSTILE: [(&str, &str); 9] = [
    ("X-Bad", "a\r\nX-Admin: 1"),
    ("X-Bad", "a\nX-Admin: 1"),
    ("X-Bad\r\nX-Admin", "1"),
    ("X-Nul", "a\0b"),
    ("", "x"),
    ("Content-Length", "99"),
    ("Transfer-Encoding", "chunked"),
    ("Connection", "X-Forwarded-For"),
    ("X-Good", "g"),
];

struct Hostile;

impl Policy for Hostile {
    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        cx.set_header("Host", "evil");
        for (name, value) in HOSTILE {
            cx.set_header(name, value);
            cx.set_response_header(name, value);
        }
        Verdict::Continue
    }
}

fn hostile(_: &Node<'_>, _: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    Some(Arc::new(Hostile))
}

/// Every generated field is checked where it is written, whoever made it; a bad one is left out.
fn c9_fields_of_policies() {
    const OWN: Registration =
        Registration::new("test/hostile", Place::Handler, Level::ENDPOINT, hostile);
    let peer = backend().on("/f/*", echo());
    let mut builder = gateway().one_worker();
    for path in ["/f/{id}", "/d/{id}"] {
        builder = builder
            .endpoint(path, [call(&peer, "/f/{id}")])
            .method("POST")
            .input_headers(&["*"])
            .extra("test/hostile", json!({}));
    }
    let gw = embed(builder.noop(), &[OWN]);
    for path in ["/f/1", "/d/1"] {
        for (framing, content) in [
            ("Content-Length: 5", "hello"),
            ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ] {
            let mut client = gw.connect();
            for _ in 0..2 {
                let head = format!("POST {path} HTTP/1.1\r\nHost: gw\r\n{framing}\r\n\r\n");
                let found = client.send(format!("{head}{content}"));
                found.status(200).ended().header("x-good", "g");
                for name in ["x-bad", "x-admin", "x-nul", "transfer-encoding", "connection"] {
                    found.no_header(name);
                }
                let request = peer.take().remove(0);
                canonical(path, &request);
                assert_eq!(request.body, b"hello");
                assert_eq!(request.field("host"), Some(&*peer.address.to_string()));
                assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
                assert_eq!(request.field("x-good"), Some("g"));
                for name in ["x-bad", "x-admin", "x-nul", "connection"] {
                    assert_eq!(request.field(name), None, "{path}");
                }
            }
        }
    }
}

fn c10_caches_are_refused_by_name() {
    let peer = backend().get("/a", "{}");
    let said = gateway()
        .endpoint("/a", [call(&peer, "/a").extra("qos/http-cache", json!({"shared": true}))])
        .refused()
        .to_string();
    assert!(said.contains("qos/http-cache"), "{said}");
}

/// Each request is answered by the backend, whatever the answer before it allowed.
fn c10_nothing_is_cached() {
    let stage = Stage::new();
    let fresh =
        |n: u32| answer(200).header("Cache-Control", "public, max-age=600").body(format!("{n}"));
    stage.peer.set("/f/1", (1..=6).map(fresh));
    for (n, lines) in [
        "",
        "Host-Copy: b\r\n",
        "X-Forwarded-Host: evil\r\n",
        "X-HTTP-Method-Override: DELETE\r\n",
        "If-None-Match: \"a\"\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        stage.gw.send(get(lines)).status(200).body(format!("{}", n + 1));
    }
    let seen = stage.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|request| request.method == "GET"));
    assert!(seen.iter().all(|request| request.field("x-forwarded-host") == Some("gw")));
    stage.canary();
}

/// Nobody's PROXY header is believed: there is no key that would switch it on.
fn c13_the_proxy_protocol_is_not_spoken() {
    let stage = Stage::new();
    let v2 = b"\r\n\r\n\0\r\nQUIT\n";
    for (what, start) in [
        ("version 1", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec()),
        ("version 1, unknown", b"PROXY UNKNOWN\r\n".to_vec()),
        ("version 1, cut", b"PROXY TCP4 1.2.3".to_vec()),
        (
            "version 2",
            [v2.as_slice(), b"\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02"].concat(),
        ),
        ("version 2, local", [v2.as_slice(), b"\x20\0\0\0"].concat()),
        ("version 2, oversize TLV", [v2.as_slice(), b"\x21\x11\xff\xff\x01\x02\x03\x04"].concat()),
        ("version 2, cut", v2.to_vec()),
    ] {
        let bytes = [start, get("").into_bytes()].concat();
        stage.rejects(what, bytes);
    }
    let peer = backend().get("/a", "{}");
    for key in ["proxy_protocol", "accept_proxy_protocol"] {
        let said = gateway().endpoint("/a", [&peer]).ringway(key, true).refused().to_string();
        assert!(said.contains(key), "{said}");
    }
}

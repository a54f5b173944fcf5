//! Which fields pass, and which end at the gateway.

use crate::both_drivers;
use crate::support::{answer, backend, call, echo, gateway};

const HOP: &str = "Connection: X-Nominated, Content-Length, Host, Authorization, X-Forwarded-For\r\n\
    Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: p\r\nProxy-Connection: close\r\n\
    X-Nominated: n\r\nX-Stays: s\r\nAuthorization: a\r\n";

both_drivers! {
    hop_by_hop_fields_of_the_request_end_here,
    hop_by_hop_fields_of_the_response_end_here,
    names_are_free_of_case_and_values_are_kept,
    the_request_to_the_backend_is_written_anew,
    what_every_answer_has,
    a_backends_list_of_query_strings,
}

fn hop_by_hop_fields_of_the_request_end_here() {
    let peer = backend().on("/e", echo());
    let gw = gateway()
        .endpoint("/a", [&peer])
        .method("POST")
        .input_headers(&["*"])
        .endpoint("/stream", [&peer])
        .method("POST")
        .input_headers(&["*"])
        .noop()
        .start();
    for path in ["/a", "/stream"] {
        gw.send(format!("POST {path} HTTP/1.1\r\nHost: gw\r\n{HOP}Content-Length: 4\r\n\r\nbody"))
            .status(200);
        let request = peer.take().remove(0);
        for name in ["keep-alive", "te", "proxy-authorization", "proxy-connection", "x-nominated"] {
            assert_eq!(request.field(name), None, "{name} at {path}");
        }
        // Framing, Host, credentials and forwarded fields cannot be nominated away.
        assert_eq!(request.body, b"body");
        assert_eq!(
            (request.field("x-stays"), request.field("authorization")),
            (Some("s"), Some("a"))
        );
        assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(request.field("host"), Some(peer.address.to_string().as_str()));
    }
}

fn hop_by_hop_fields_of_the_response_end_here() {
    let peer = backend().get(
        "/e",
        answer(200)
            .header("Connection", "X-Nominated")
            .header("X-Nominated", "n")
            .header("Keep-Alive", "timeout=5")
            .header("Proxy-Authenticate", "p")
            .header("Upgrade", "h2c")
            .header("Trailer", "X-T")
            .header("X-Stays", "s")
            .body("b"),
    );
    let gw = gateway().endpoint("/a", [&peer]).noop().start();
    let found = gw.get("/a");
    for name in ["Keep-Alive", "Proxy-Authenticate", "Upgrade", "X-Nominated", "Trailer"] {
        found.no_header(name);
    }
    found.status(200).header("X-Stays", "s").body("b");
}

fn names_are_free_of_case_and_values_are_kept() {
    let peer = backend().on("/e", echo());
    let gw = gateway().endpoint("/a", [&peer]).input_headers(&["x-one", "X-TWO"]).start();
    gw.send("GET /a HTTP/1.1\r\nhOST: gw\r\nX-ONE: 1\r\nx-one: 2\r\nX-Two:   spaced out \r\nX-Three: 3\r\n\r\n")
        .status(200);
    let request = peer.request();
    let values: Vec<_> =
        request.fields.iter().filter(|(n, _)| n == "X-One").map(|(_, v)| v.as_str()).collect();
    assert_eq!(values, ["1", "2"], "canonical name, every value");
    assert_eq!((request.field("x-two"), request.field("x-three")), (Some("spaced out"), None));
}

fn the_request_to_the_backend_is_written_anew() {
    let peer = backend().get("/e", "{}");
    let gw = gateway().endpoint("/a", [&peer]).start();
    gw.get("/a").status(200);
    let request = peer.request();
    assert!(request.raw.starts_with(b"GET /e HTTP/1.1\r\n"));
    let names: Vec<_> = request.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        ["accept-encoding", "host", "user-agent", "x-forwarded-for", "x-forwarded-host"]
    );
}

fn what_every_answer_has() {
    let peer = backend().get("/e", "{}");
    let gw = gateway().endpoint("/a", [&peer]).start();
    let found = gw.get("/a");
    found.header("Content-Type", "application/json; charset=utf-8");
    let date = found.field("Date").expect("a Date");
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    assert!(found.field("X-Krakend").expect("a banner").starts_with("Ringway "));
    let hidden = gateway().router("hide_version_header", true).endpoint("/a", [&peer]).start();
    hidden.get("/a").header("X-Krakend", "Version undefined");
}

fn a_backends_list_of_query_strings() {
    let peer = backend().on("/e", echo());
    let only = call(&peer, "/e").key("input_query_strings", crate::support::json!(["a"]));
    let gw = gateway().endpoint("/x", [only]).input_query_strings(&["*"]).start();
    gw.get("/x?a=1&b=2").status(200);
    assert_eq!(peer.request().target, "/e?a=1");
}

//! Which fields pass, and what the gateway adds. Those that end here: `tests/hardening`.

use crate::both_drivers;
use crate::support::{backend, call, echo, gateway};

both_drivers! {
    names_are_free_of_case_and_values_are_kept,
    the_request_to_the_backend_is_written_anew,
    what_every_answer_has,
    a_backends_list_of_query_strings,
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

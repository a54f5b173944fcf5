//! `ringway explain`: what it says is what the gateway does, and a wrong question is told.

use crate::support::process::run_in;
use crate::support::{backend, call, gateway, ringway};

#[test]
fn it_tells_what_is_then_served() {
    let peer = backend().on("/users/*", r#"{"id":7}"#);
    let gw = gateway().endpoint("/u/{id}", [call(&peer, "/users/{id}").allow(&["id"])]).start();
    let told = |method: &str, path: &str| {
        run_in(&gw.directory(), &["explain", "-c", "krakend.json", method, path], &[])
    };
    told("get", "/u/7")
        .code(0)
        .prints("endpoints[0]: GET /u/:id")
        .prints("GET /users/7")
        .prints("router/param-check")
        .prints(&peer.host());
    gw.get("/u/7").status(200);
    assert_eq!(peer.request().target, "/users/7");
    told("POST", "/u/7").code(0).prints("405, Allow: GET");
    gw.post("/u/7", "").status(405).header("Allow", "GET");
    told("GET", "/u/7/").code(0).prints("301, a redirect to /u/7");
    gw.get("/u/7/").status(301).header("Location", "/u/7");
    told("GET", "/nope").code(0).prints("404");
    gw.get("/nope").status(404);
}

#[test]
fn wrong_questions() {
    let peer = backend().on("/a", "{}");
    let gw = gateway().endpoint("/a", [&peer]).start();
    let directory = gw.directory();
    let asked = |arguments: &[&str]| {
        let mut all = vec!["explain", "-c", "krakend.json"];
        all.extend(arguments);
        run_in(&directory, &all, &[])
    };
    asked(&["G/T", "/a"]).code(1).says("\"G/T\" is no method; such as GET");
    asked(&["GET", "a"]).code(1).says("\"a\" is no path");
    asked(&["GET", "/a b"]).code(1).says("\"/a b\" is no path");
    asked(&["GET"]).code(255).says("<PATH>");
    ringway(&["explain", "-c", "no-such.json", "GET", "/a"]).code(1).says("no-such.json");
    let refused = gateway().text("krakend.json", "{\"version\": 2}");
    let place = tempfile::tempdir().expect("a directory");
    std::fs::write(place.path().join("krakend.json"), refused.config()).expect("a file");
    run_in(place.path(), &["explain", "-c", "krakend.json", "GET", "/a"], &[])
        .code(1)
        .says("version")
        .says("refused");
}

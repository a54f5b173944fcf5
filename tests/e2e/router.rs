//! The options of `extra_config.router`, health, debug and echo.

use crate::both_drivers;
use crate::support::{Backend, GatewayBuilder, backend, gateway, json};

fn base(peer: &Backend) -> GatewayBuilder {
    gateway()
        .endpoint("/one", [peer])
        .endpoint("/one", [peer])
        .method("POST")
        .endpoint("/Case", [peer])
}

both_drivers! {
    redirects_can_be_switched_off,
    method_not_allowed_can_be_404,
    extra_slashes_can_be_removed,
    options_can_be_automatic,
    error_bodies_can_be_json,
    health_answers_where_it_should,
    debug_and_echo,
    the_clients_address,
}

fn redirects_can_be_switched_off() {
    let peer = backend().on("/a", "{}");
    let gw = base(&peer)
        .router("disable_redirect_trailing_slash", true)
        .router("disable_redirect_fixed_path", true)
        .start();
    gw.get("/one/").status(404);
    gw.get("/case").status(404);
    let gw = base(&peer).router("disable_redirect_fixed_path", true).start();
    gw.get("/one/").status(301).header("Location", "/one");
    gw.get("/case").status(404);
}

fn method_not_allowed_can_be_404() {
    let peer = backend().on("/a", "{}");
    let gw = base(&peer).router("disable_handle_method_not_allowed", true).start();
    gw.send("DELETE /one HTTP/1.1\r\nHost: gw\r\n\r\n").status(404);
    gw.get("/one").status(200);
}

fn extra_slashes_can_be_removed() {
    let peer = backend().on("/a", "{}");
    base(&peer).router("remove_extra_slash", true).start().get("//one").status(200);
    base(&peer).start().get("//one").status(301).header("Location", "/one");
}

fn options_can_be_automatic() {
    let peer = backend().on("/a", "{}");
    let gw = base(&peer).router("auto_options", true).start();
    gw.send("OPTIONS /one HTTP/1.1\r\nHost: gw\r\n\r\n")
        .status(200)
        .header("Allow", "GET, POST")
        .body("");
    base(&peer).start().send("OPTIONS /one HTTP/1.1\r\nHost: gw\r\n\r\n").status(405);
}

fn error_bodies_can_be_json() {
    let peer = backend().on("/a", "{}");
    let gw = base(&peer)
        .router("error_body", json!({"404": {"msg": "nothing"}, "405": {"msg": "not so"}}))
        .start();
    gw.get("/none")
        .status(404)
        .header("Content-Type", "application/json; charset=utf-8")
        .json(r#"{"msg":"nothing"}"#);
    gw.send("DELETE /one HTTP/1.1\r\nHost: gw\r\n\r\n").status(405).json(r#"{"msg":"not so"}"#);
}

fn health_answers_where_it_should() {
    let peer = backend().on("/a", "{}");
    let gw = base(&peer).start();
    let found = gw.get("/__health");
    found
        .status(200)
        .header("Content-Type", "application/json; charset=utf-8")
        .no_header("X-Krakend");
    let health: serde_json::Value = serde_json::from_slice(&found.bytes).expect("JSON");
    assert_eq!((&health["status"], &health["agents"]), (&json!("ok"), &json!({})));
    assert!(health["now"].is_string());
    gw.send("HEAD /__health HTTP/1.1\r\nHost: gw\r\n\r\n").status(405);
    let gw = base(&peer).router("health_path", "/healthz").start();
    gw.get("/healthz").status(200);
    gw.get("/__health").status(404);
    base(&peer).router("disable_health", true).start().get("/__health").status(404);
}

fn debug_and_echo() {
    let peer = backend().on("/a", "{}");
    let gw = base(&peer).service("debug_endpoint", true).service("echo_endpoint", true).start();
    for method in ["GET", "POST", "DELETE"] {
        gw.send(format!(
            "{method} /__debug/x?y=1 HTTP/1.1\r\nHost: gw\r\nContent-Length: 1\r\n\r\nb"
        ))
        .status(200)
        .json(r#"{"message":"pong"}"#);
    }
    gw.get("/__debug").status(301).header("Location", "/__debug/");
    let found = gw
        .send("POST /__echo/p?y=1 HTTP/1.1\r\nHost: gw\r\nX-A: 1\r\nContent-Length: 4\r\n\r\nbody");
    found.status(200).json(
        r#"{"req_uri":"/__echo/p?y=1","req_uri_details":{"fragment":"","host":"gw","path":"/__echo/p",
            "query":"y=1","user":""},"req_method":"POST","req_querystring":{"y":["1"]},
            "req_body":"body","req_headers":{"Content-Length":["4"],"X-A":["1"]}}"#,
    );
    let closed = base(&peer).start();
    closed.get("/__debug/").status(404);
    closed.get("/__echo/").status(404);
}

fn the_clients_address() {
    let peer = backend().on("/a", "{}");
    let forwarded =
        "GET /one HTTP/1.1\r\nHost: gw\r\nX-Forwarded-For: 1.2.3.4\r\nX-Real: 9.9.9.9\r\n\r\n";
    for (options, expected) in [
        (vec![], "1.2.3.4"),
        (vec![("forwarded_by_client_ip", json!(false))], "127.0.0.1"),
        (vec![("trusted_proxies", json!(["10.0.0.0/8"]))], "127.0.0.1"),
        (vec![("trusted_proxies", json!(["127.0.0.1"]))], "1.2.3.4"),
        (vec![("remote_ip_headers", json!(["X-Real"]))], "9.9.9.9"),
    ] {
        let mut builder = base(&peer);
        for (name, value) in &options {
            builder = builder.router(name, value.clone());
        }
        builder.start().send(forwarded).status(200);
        let seen = peer.take().remove(0);
        assert_eq!(seen.field("x-forwarded-for"), Some(expected), "{options:?}");
    }
}

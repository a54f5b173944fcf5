//! What a client is told when a backend fails.

use crate::both_drivers;
use crate::support::{answer, backend, call, gateway, json};

both_drivers! {
    return_error_code,
    return_error_details,
    return_error_msg,
    statuses_that_tell_the_case_apart,
    statuses_of_one_endpoint,
    string_encoding,
}

fn return_error_code() {
    let peer = backend()
        .get(
            "/400",
            answer(400)
                .header("Content-Type", "application/problem+json")
                .header("X-Err", "1")
                .body(r#"{"why":"<b>"}"#),
        )
        .get("/500", answer(500))
        .get("/200", r#"{"ok":1}"#);
    let code = json!({"return_error_code": true});
    let with = |path: &str| call(&peer, path).extra("backend/http", code.clone());
    let gw = gateway()
        .error_texts()
        .endpoint("/400", [with("/400")])
        .endpoint("/500", [with("/500")])
        .endpoint("/200", [with("/200")])
        .endpoint("/two", [with("/400"), with("/500")])
        .endpoint("/part", [with("/400"), with("/200")])
        .start();
    gw.get("/400")
        .status(400)
        .header("Content-Type", "application/problem+json")
        .no_header("X-Err")
        .completed(false)
        .body(r#"{"why":"<b>"}"#);
    gw.get("/500").status(500).body("");
    gw.get("/200").status(200).completed(true);
    // Several backends that all fail are one failure: no status of any of them.
    gw.get("/two").status(500);
    gw.get("/part").status(200).completed(false).json(r#"{"ok":1}"#);
}

fn return_error_details() {
    let peer =
        backend().get("/599", answer(599).header("Content-Type", "text/x").body("odd & <b>"));
    let details = json!({"return_error_details": "b", "return_error_code": true});
    let gw = gateway().endpoint("/x", [call(&peer, "/599").extra("backend/http", details)]).start();
    gw.get("/x").status(200).completed(false).json(
        r#"{"error_b":{"http_status_code":599,"http_body":"odd & <b>","http_body_encoding":"text/x"}}"#,
    );
}

fn return_error_msg() {
    let peer = backend()
        .get("/503", answer(503))
        .get("/empty", answer(200).body(""))
        .get("/list", "[1]")
        .get("/cut", answer(200).body(r#"{"a":1}"#).cut_body(3));
    let host = peer.host();
    let gw = gateway()
        .error_texts()
        .endpoint("/503", [call(&peer, "/503")])
        .endpoint("/empty", [call(&peer, "/empty")])
        .endpoint("/list", [call(&peer, "/list")])
        .endpoint("/cut", [call(&peer, "/cut")])
        .endpoint("/two", [call(&peer, "/503"), call(&peer, "/503")])
        .start();
    let text = format!("invalid status code 503 [GET /503]: {host}/503");
    gw.get("/503")
        .status(500)
        .header("Content-Type", "text/plain; charset=utf-8")
        .completed(false)
        .body(&text);
    gw.get("/two").status(500).body(format!("{text}\n{text}"));
    gw.get("/empty").status(500).body("EOF");
    gw.get("/cut").status(500).body("unexpected EOF");
    gw.get("/list").status(500);
}

fn statuses_that_tell_the_case_apart() {
    let slow = backend().get("/slow", "{}").after(crate::support::ms(5000));
    let cut = backend().get("/cut", answer(200).body("{}").cut_body(1));
    let gw = gateway()
        .ringway("statuses", "rfc")
        .service("timeout", "300ms")
        .endpoint("/slow", [&slow])
        .endpoint("/cut", [&cut])
        .start();
    gw.get("/slow").status(504);
    gw.get("/cut").status(502);
    let safe = gateway()
        .ringway("profile", "safe")
        .service("timeout", "300ms")
        .endpoint("/slow", [&slow])
        .start();
    safe.get("/slow").status(504);
}

fn statuses_of_one_endpoint() {
    let peer = backend().on("/bad", answer(500));
    let gw = gateway()
        .endpoint("/krakend", [&peer])
        .endpoint("/rfc", [&peer])
        .extra("ringway", json!({"statuses": "rfc"}))
        .start();
    gw.get("/krakend").status(500);
    gw.get("/rfc").status(502);
}

fn string_encoding() {
    let peer = backend()
        .get("/t", answer(200).header("Content-Type", "text/plain").body("a \"text\" é\n"));
    let text = |encoding: &str| call(&peer, "/t").key("encoding", encoding);
    let gw = gateway()
        .endpoint("/json", [text("string")])
        .endpoint("/string", [text("string")])
        .key("output_encoding", "string")
        .start();
    gw.get("/json").status(200).json(r#"{"content":"a \"text\" é\n"}"#);
    gw.get("/string")
        .status(200)
        .header("Content-Type", "text/plain; charset=utf-8")
        .body("a \"text\" é\n");
}

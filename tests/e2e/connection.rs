//! The client's side of a connection: keep-alive, pipelining, Expect, leaving early.

use crate::both_drivers;
use crate::support::{backend, call, echo, gateway, json, ms};

both_drivers! {
    many_requests_on_one_connection,
    connection_close_and_http10,
    pipelined_requests_are_answered_in_order,
    ten_thousand_pipelined_requests,
    a_request_in_any_pieces,
    expect_100_continue,
    the_grace_of_a_half_close_is_a_setting,
    the_next_request_waits_for_the_answer,
}

fn many_requests_on_one_connection() {
    let peer = backend().on("/e", echo());
    let gw = gateway().one_worker().endpoint("/e", [&peer]).start();
    let mut connection = gw.connect();
    for _ in 0..100 {
        connection.send("GET /e HTTP/1.1\r\nHost: gw\r\n\r\n").status(200).ended();
    }
    assert_eq!(peer.connections(), 1, "one connection to the backend is enough, too");
}

fn connection_close_and_http10() {
    let peer = backend().on("/e", "{}");
    let gw = gateway().endpoint("/e", [&peer]).start();
    let mut connection = gw.connect();
    connection
        .send("GET /e HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n")
        .header("Connection", "close")
        .body("{}");
    connection.closed();
    let mut connection = gw.connect();
    connection.send("GET /e HTTP/1.0\r\n\r\n").status(200).body("{}");
    connection.closed();
    let mut connection = gw.connect();
    let kept = "GET /e HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    connection.send(kept).header("Connection", "keep-alive").body("{}");
    connection.send(kept).status(200);
}

fn pipelined_requests_are_answered_in_order() {
    let slow = backend().get("/slow", r#"{"slow":1}"#).after(ms(150));
    let fast = backend().on("/p/*", echo());
    let gw =
        gateway().endpoint("/slow", [&slow]).endpoint("/p/{n}", [call(&fast, "/p/{n}")]).start();
    let mut connection = gw.connect();
    let mut all = "GET /slow HTTP/1.1\r\nHost: gw\r\n\r\n".to_owned();
    for n in 0..30 {
        all.push_str(&format!("GET /p/{n} HTTP/1.1\r\nHost: gw\r\n\r\n"));
    }
    connection.write(all);
    connection.response("GET").status(200).json(r#"{"slow":1}"#);
    for n in 0..30 {
        let found = connection.response("GET");
        found.status(200).ended();
        let report: serde_json::Value = serde_json::from_slice(&found.bytes).expect("JSON");
        assert_eq!(report["target"], json!(format!("/p/{n}")));
    }
}

fn ten_thousand_pipelined_requests() {
    let peer = backend().get("/a", "{}");
    let gw = gateway().endpoint("/a", [&peer]).start();
    let mut connection = gw.connect();
    let mut writer = connection.stream().try_clone().expect("a second handle");
    let all = "GET /a HTTP/1.1\r\nHost: gw\r\n\r\n".repeat(10_000);
    let writing =
        std::thread::spawn(move || std::io::Write::write_all(&mut writer, all.as_bytes()));
    for _ in 0..10_000 {
        connection.response("GET").status(200);
    }
    writing.join().expect("the writer ends").expect("all is written");
}

fn a_request_in_any_pieces() {
    let peer = backend().on("/e", echo());
    let gw = gateway().endpoint("/e", [&peer]).method("POST").start();
    let request =
        "POST /e HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for at in 1..request.len() {
        let mut connection = gw.connect();
        connection.write(&request[..at]).write(&request[at..]);
        connection.response("POST").status(200).ended();
    }
    let mut connection = gw.connect();
    for byte in request.as_bytes() {
        connection.write([*byte]);
    }
    connection.response("POST").status(200);
    assert!(peer.requests().iter().all(|request| request.body == b"abc"));
}

fn expect_100_continue() {
    let peer = backend().on("/e", echo());
    let gw = gateway()
        .endpoint("/collected", [&peer])
        .method("POST")
        .endpoint("/stream", [&peer])
        .method("POST")
        .noop()
        .start();
    for path in ["/collected", "/stream"] {
        let mut connection = gw.connect();
        connection.write(format!(
            "POST {path} HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        ));
        assert!(connection.raw_head().starts_with("HTTP/1.1 100 Continue\r\n"), "{path}");
        connection.write("body");
        connection.response("POST").status(200).ended();
        assert_eq!(peer.take().remove(0).body, b"body");
    }
    let mut connection = gw.connect();
    let odd = "POST /stream HTTP/1.1\r\nHost: gw\r\nExpect: the best\r\nContent-Length: 4\r\n\r\n";
    connection.send(odd).status(417);
    connection.gone();
    // Nobody wants the body: no 100 before the refusal.
    let mut connection = gw.connect();
    let refused =
        "POST /none HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let found = connection.send(refused);
    found.status(404);
    assert!(found.interim.is_empty());
}

fn the_grace_of_a_half_close_is_a_setting() {
    let slow = backend().get("/slow", "{}").after(ms(700));
    let patient = gateway()
        .ringway("http1", json!({"half_close_grace": "inf"}))
        .endpoint("/slow", [&slow])
        .start();
    let mut connection = patient.connect();
    connection.write("GET /slow HTTP/1.1\r\nHost: gw\r\n\r\n").finish();
    connection.response("GET").status(200).body("{}");
    slow.take();
    let strict = gateway()
        .ringway("http1", json!({"half_close_grace": "0s"}))
        .endpoint("/slow", [&slow])
        .start();
    let mut connection = strict.connect();
    connection.write("GET /slow HTTP/1.1\r\nHost: gw\r\n\r\n");
    // Only a call that the backend saw can be abandoned.
    slow.wait_for_heads(1);
    connection.finish();
    slow.wait_abandoned(1);
}

fn the_next_request_waits_for_the_answer() {
    let slow = backend().get("/a", r#"{"a":1}"#).after(ms(100));
    let gw = gateway().one_worker().endpoint("/a", [&slow]).endpoint("/b", [&slow]).start();
    let mut connection = gw.connect();
    connection.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
    slow.wait_for(1);
    connection.write("GET /b HTTP/1.1\r\nHost: gw\r\n\r\n");
    connection.response("GET").status(200);
    connection.response("GET").status(200);
    assert_eq!(slow.requests().len(), 2);
}

//! Each key of `ringway.limits`, and KrakenD's timeouts of the server, does what it says.

use crate::both_drivers;
use crate::support::{
    Answer, GatewayBuilder, PATIENCE, Step, answer, backend, call, gateway, json, ms, until,
};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

both_drivers! {
    what_a_request_may_be,
    what_a_response_may_be,
    how_long_a_connection_lives,
    how_many_connections,
    how_slow_a_body_may_be,
    how_slow_a_reader_may_be,
}

fn limited(limits: Value) -> GatewayBuilder {
    gateway().one_worker().ringway("limits", limits)
}

fn what_a_request_may_be() {
    let peer = backend().on("/a", "{}");
    let long = "x".repeat(600);
    let fields = "X-A: b\r\n".repeat(20);
    for (limits, request, status) in [
        (json!({"query_params": 2}), "GET /a?x=1&y=2&z=3 HTTP/1.1\r\nHost: gw\r\n\r\n".into(), 400),
        (json!({"target_bytes": 256}), format!("GET /{long} HTTP/1.1\r\nHost: gw\r\n\r\n"), 414),
        (
            json!({"line_bytes": 256}),
            format!("GET /a HTTP/1.1\r\nHost: gw\r\nX-Long: {long}\r\n\r\n"),
            431,
        ),
        (
            json!({"head_bytes": 256}),
            format!("GET /a HTTP/1.1\r\nHost: gw\r\nX-Long: {long}\r\n\r\n"),
            431,
        ),
        (json!({"head_fields": 10}), format!("GET /a HTTP/1.1\r\nHost: gw\r\n{fields}\r\n"), 431),
        (
            json!({"body_bytes": "1KiB"}),
            format!("POST /held HTTP/1.1\r\nHost: gw\r\nContent-Length: 1025\r\n\r\n{long}"),
            413,
        ),
    ] {
        let gw = limited(limits.clone())
            .endpoint("/a", [&peer])
            .endpoint("/held", [&peer, &peer])
            .method("POST")
            .start();
        let response = gw.send(&request);
        assert_eq!(response.code, status, "{limits}");
        gw.get("/a?x=1").status(200);
    }
}

fn what_a_response_may_be() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2000));
    // Some four bytes of it become one.
    let numbers = format!("{{\"a\":{:?}}}", (0..400_000).collect::<Vec<u32>>());
    let mut many = answer(200).body("{}");
    for n in 0..20 {
        many = many.header(&format!("X-{n}"), "1");
    }
    let peer = backend()
        .on("/good", r#"{"a":1}"#)
        .on("/long", &*long)
        .on("/many", many)
        .on("/head", answer(200).header("X-Long", &"x".repeat(600)).body("{}"))
        .on("/zip", answer(200).body(numbers).gzip());
    for (limits, path) in [
        (json!({"backend_body_bytes": "1KiB"}), "/long"),
        (json!({"backend_head_fields": 10}), "/many"),
        (json!({"backend_head_bytes": 512}), "/head"),
        (json!({"inflate_ratio": 2}), "/zip"),
    ] {
        let builder = limited(limits.clone());
        let gw = builder.endpoint("/x", [call(&peer, path)]).endpoint("/y", [&peer]).start();
        assert_eq!(gw.get("/x").code, 500, "{limits}");
        gw.get("/y").status(200);
        let gw = gateway().endpoint("/x", [call(&peer, path)]).start();
        assert_eq!(gw.get("/x").code, 200, "{path} without the limit");
    }
}

fn how_long_a_connection_lives() {
    const GET: &str = "GET /a HTTP/1.1\r\nHost: gw\r\n\r\n";
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = limited(json!({"connection_requests": 3})).endpoint("/a", [&peer]).start();
    let mut client = gw.connect();
    client.send(GET).no_header("Connection");
    client.send(GET).no_header("Connection");
    client.send(GET).status(200).header("Connection", "close");
    client.closed();
    let gw = limited(json!({"connection_age": "200ms"})).endpoint("/a", [&peer]).start();
    let mut client = gw.connect();
    client.send(GET).no_header("Connection");
    std::thread::sleep(ms(250));
    client.send(GET).status(200).header("Connection", "close");
    client.closed();
    for builder in [
        limited(json!({"keep_alive": "200ms"})),
        gateway().service("idle_timeout", "200ms"),
        gateway().service("read_timeout", "200ms"),
    ] {
        let gw = builder.endpoint("/a", [&peer]).start();
        let mut client = gw.connect();
        client.send(GET).status(200);
        client.closed();
    }
    for builder in [
        limited(json!({"head_timeout": "200ms"})),
        gateway().service("read_header_timeout", "200ms"),
        gateway().service("read_timeout", "200ms"),
    ] {
        let gw = builder.endpoint("/a", [&peer]).start();
        let mut client = gw.connect();
        client.write("GET /a HTT");
        client.gone();
    }
}

fn how_many_connections() {
    const GET: &str = "GET /a HTTP/1.1\r\nHost: gw\r\n\r\n";
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = limited(json!({"connections_per_ip": 1})).endpoint("/a", [&peer]).start();
    // A reset may come as early as in the connect.
    let is_served = || -> std::io::Result<TcpStream> {
        let mut client = TcpStream::connect(gw.address)?;
        client.set_read_timeout(Some(PATIENCE))?;
        client.write_all(GET.as_bytes())?;
        client.read_exact(&mut [0; 12])?;
        Ok(client)
    };
    // The harness's own look at the port may still be counted.
    let mut first = None;
    until("the first one is in", || {
        first = is_served().ok();
        first.is_some()
    });
    assert!(is_served().is_err(), "one connection of an address is all");
    drop(first);
    until("there is room again", || is_served().is_ok());
    let gw = limited(json!({"connections": 1})).endpoint("/a", [&peer]).start();
    let mut first = gw.connect();
    first.send(GET).status(200);
    let mut second = gw.connect();
    second.write(GET);
    second.quiet_for(ms(200));
    drop(first);
    second.response("GET").status(200);
}

fn how_slow_a_body_may_be() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let head = "POST /held HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000\r\n\r\n";
    for (builder, drips) in [
        (limited(json!({"body_idle": "200ms"})), false),
        (gateway().service("read_timeout", "400ms"), true),
    ] {
        let gw = builder.endpoint("/held", [&peer, &peer]).method("POST").start();
        let mut client = gw.connect();
        client.write(head);
        if drips {
            for _ in 0..20 {
                if !client.try_write("x") {
                    break;
                }
                std::thread::sleep(ms(50));
            }
        }
        client.response("POST").status(408);
        client.gone();
        assert!(peer.requests().is_empty());
    }
}

fn how_slow_a_reader_may_be() {
    const MIB: u64 = 1 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 * MIB);
    let steps = [Step::Send(head.into_bytes()), Step::SendTimes(vec![b'x'; MIB as usize], 64)];
    for builder in
        [limited(json!({"write_idle": "300ms"})), gateway().service("write_timeout", "500ms")]
    {
        let peer = backend().on("/a", Answer::steps_are(steps.clone()));
        let gw = builder.admin().endpoint("/a", [&peer]).noop().start();
        let mut client = gw.connect();
        client.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
        peer.wait_abandoned(1);
        let closed = "ringway_connections_closed_total";
        until("it is counted", || gw.metrics().sum(closed, &["reason=\"write_timeout\""]) >= 1.0);
        drop(client);
    }
}

//! Deadlines: of an endpoint, of a merge, of a stream.

use crate::both_drivers;
use crate::support::{Answer, End, Step, answer, backend, call, gateway, json, ms, silence};

both_drivers! {
    a_backend_that_is_late_is_a_failure,
    the_late_part_is_missing_in_a_merge,
    all_late_says_so_for_each,
    the_deadline_counts_for_the_whole_of_a_collected_body,
    a_stream_may_last_longer_than_the_endpoint,
    a_stream_that_falls_silent_breaks_off,
    a_stream_without_a_head_is_a_timeout,
    the_services_timeout_is_inherited,
}

fn a_backend_that_is_late_is_a_failure() {
    let slow = backend().get("/slow", "{}").after(ms(5000));
    let gw = gateway().error_texts().endpoint("/x", [&slow]).timeout(ms(150)).start();
    gw.get("/x").status(500).completed(false).body("context deadline exceeded");
    // Nobody waits for it any more: the call is cancelled.
    slow.wait_abandoned(1);
}

fn the_late_part_is_missing_in_a_merge() {
    let fast = backend().get("/a", r#"{"a":1}"#);
    let slow = backend().get("/b", r#"{"b":1}"#).after(ms(5000));
    let gw = gateway().endpoint("/x", [&fast, &slow]).timeout(ms(300)).start();
    gw.get("/x").status(200).completed(false).json(r#"{"a":1}"#);
    slow.wait_abandoned(1);
}

fn all_late_says_so_for_each() {
    let slow = backend().get("/b", r#"{"b":1}"#).after(ms(5000));
    let gw = gateway().error_texts().endpoint("/x", [&slow, &slow]).timeout(ms(200)).start();
    gw.get("/x").status(500).body("context deadline exceeded\ncontext deadline exceeded");
}

fn the_deadline_counts_for_the_whole_of_a_collected_body() {
    let body = vec![b' '; 400];
    let dripping = backend().get("/d", answer(200).body(body).drip(1, ms(20)));
    let gw = gateway().endpoint("/x", [&dripping]).timeout(ms(300)).start();
    gw.get("/x").status(500).completed(false);
    dripping.wait_abandoned(1);
}

fn a_stream_may_last_longer_than_the_endpoint() {
    // The deadline ends with the response's head; then only silence counts.
    let body = r#"{"long":"stream"}"#;
    let dripping = backend().get("/d", answer(200).body(body).drip(1, ms(2)));
    let gw = gateway().endpoint("/x", [call(&dripping, "/d")]).timeout(ms(1200)).noop().start();
    gw.get("/x").status(200).body(body);
    let slow = backend().get(
        "/d",
        Answer::steps_are([
            Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n".to_vec()),
            Step::Wait(ms(900)),
            Step::Send(b"body".to_vec()),
        ]),
    );
    let gw = gateway().endpoint("/x", [call(&slow, "/d")]).timeout(ms(300)).noop().start();
    gw.get("/x").status(200).body("body");
}

fn a_stream_that_falls_silent_breaks_off() {
    let stalls = backend().get(
        "/s",
        Answer::steps_are([
            Step::Send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".to_vec(),
            ),
            Step::Hang,
        ]),
    );
    let own = call(&stalls, "/s").extra("ringway", json!({"stream_idle": "300ms"}));
    let service = || gateway().ringway("stream_idle", "300ms").endpoint("/x", [&stalls]);
    for (n, builder) in [service(), gateway().endpoint("/x", [own])].into_iter().enumerate() {
        let gw = builder.timeout(ms(1000)).noop().start();
        let found = gw.get("/x");
        found.status(200).broken_off();
        assert_eq!(found.bytes, b"abc");
        stalls.wait_abandoned(n + 1);
    }
}

fn a_stream_without_a_head_is_a_timeout() {
    let mute = backend().get("/s", silence());
    let gw = gateway().error_texts().endpoint("/x", [&mute]).timeout(ms(200)).noop().start();
    let found = gw.get("/x");
    found.status(500).completed(false).body("context deadline exceeded");
    assert_eq!(found.end, End::Complete);
    mute.wait_abandoned(1);
}

fn the_services_timeout_is_inherited() {
    let slow = backend().get("/s", "{}").after(ms(600));
    let gw = gateway()
        .service("timeout", "200ms")
        .endpoint("/inherits", [&slow])
        .endpoint("/own", [&slow])
        .timeout(ms(8000))
        .start();
    gw.get("/inherits").status(500);
    gw.get("/own").status(200);
}

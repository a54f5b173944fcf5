//! The process stops for longer than its deadlines and goes on: what arrived meanwhile counts, and
//! deadlines that passed meanwhile do not cut off peers that did their part.

use crate::both_drivers;
use crate::invariants::subject;
use crate::support::client::Connection;
use crate::support::{Gateway, answer, backend, gateway, json, ms, until};
use std::time::Duration;

both_drivers! {
    connections_survive_a_stop,
    calls_survive_a_stop,
    uploads_and_downloads_survive_a_stop,
}

const STOP: Duration = ms(3500);

/// Stops the process for longer than every deadline of these tests, while `meanwhile` happens.
fn stopped(gw: &Gateway, meanwhile: impl FnOnce()) {
    gw.signal(libc::SIGSTOP);
    // A thread that still runs could begin a request now, whose time would be up after the stop.
    until("every thread stands still", || threads_are_stopped(gw.pid()));
    meanwhile();
    std::thread::sleep(STOP);
    gw.signal(libc::SIGCONT);
}

fn threads_are_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    })
}

/// Idle connections whose next request came during the stop, and heads that were half there.
fn connections_survive_a_stop() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let limits = json!({"keep_alive": "3s", "head_timeout": "3s"});
    let mut subject = subject(gateway().ringway("limits", limits).endpoint("/a", [&peer]));
    let request = "GET /a HTTP/1.1\r\nHost: gw\r\n\r\n";
    for _ in 0..2 {
        let mut idle: Vec<Connection> = (0..20).map(|_| subject.gw.connect()).collect();
        for client in &mut idle {
            client.send(request).status(200);
        }
        let mut half: Vec<Connection> = (0..20).map(|_| subject.gw.connect()).collect();
        for client in &mut half {
            client.write(&request[..20]);
        }
        stopped(&subject.gw, || {
            idle.iter_mut().for_each(|client| _ = client.write(request));
            half.iter_mut().for_each(|client| _ = client.write(&request[20..]));
        });
        for client in idle.iter_mut().chain(&mut half) {
            client.response("GET").status(200).json(r#"{"a":1}"#);
        }
    }
    subject.recovers();
}

/// Backends that answered during the stop, well within the timeout by their own clock.
fn calls_survive_a_stop() {
    let slow = backend().on("/slow", answer(200).after(ms(300)).body(r#"{"slow":1}"#));
    let builder = gateway().endpoint("/slow", [&slow]).timeout(ms(3000));
    let mut subject = subject(builder.endpoint("/two", [&slow, &slow]).timeout(ms(3000)));
    for path in ["/slow", "/two"] {
        let before = slow.requests().len();
        let mut clients: Vec<Connection> = (0..10).map(|_| subject.gw.connect()).collect();
        for client in &mut clients {
            client.write(format!("GET {path} HTTP/1.1\r\nHost: gw\r\n\r\n"));
        }
        let calls = if path == "/two" { 20 } else { 10 };
        slow.wait_for_heads(before + calls);
        stopped(&subject.gw, || {});
        for mut client in clients {
            client.response("GET").status(200).completed(true).json(r#"{"slow":1}"#);
        }
    }
    subject.recovers();
}

/// A body that came during the stop, and an answer that is under way to a reader.
fn uploads_and_downloads_survive_a_stop() {
    let long = "x".repeat(16 << 20);
    let peer = backend().on("/long", &*long).post("/up", r#"{"up":1}"#);
    let limits = json!({"body_idle": "3s", "write_idle": "3s"});
    let mut subject = subject(
        gateway()
            .ringway("limits", limits)
            .ringway("stream_idle", "3s")
            .endpoint("/long", [crate::support::call(&peer, "/long")])
            .noop()
            .endpoint(
                "/up",
                [crate::support::call(&peer, "/up"), crate::support::call(&peer, "/up")],
            )
            .method("POST")
            .timeout(ms(60_000)),
    );
    let mut up = subject.gw.connect();
    up.write("POST /up HTTP/1.1\r\nHost: gw\r\nContent-Length: 100000\r\n\r\nsome");
    let mut down = subject.gw.connect();
    down.write("GET /long HTTP/1.1\r\nHost: gw\r\n\r\n");
    until("it is under way", || peer.requests().iter().any(|request| request.target == "/long"));
    stopped(&subject.gw, || _ = up.write(vec![b'u'; 100_000 - 4]));
    up.response("POST").status(200).json(r#"{"up":1}"#);
    let mut length = 0;
    down.response_into("GET", &mut |piece| length += piece.len()).status(200).ended();
    assert_eq!(length, long.len());
    drop((up, down));
    subject.recovers();
}

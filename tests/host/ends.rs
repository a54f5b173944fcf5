//! The end of the process: asked for under load, or without a warning.

use crate::both_drivers;
use crate::invariants::subject;
use crate::support::client::Connection;
use crate::support::{answer, backend, call, echo, gateway, ms, until};
use std::sync::atomic::{AtomicUsize, Ordering};

both_drivers! {
    sigterm_under_load_cuts_nothing,
    sigterm_serves_those_who_wait_in_the_queue,
    sigkill_and_a_new_start,
}

/// Clients in every state when the end begins: every request that the gateway has seen is answered,
/// with its own answer, and the process ends with 0.
fn sigterm_under_load_cuts_nothing() {
    let slow = backend().on("/slow/*", echo()).after(ms(400));
    let long = "x".repeat(8 << 20);
    let big = backend().on("/big", &*long);
    let subject = subject(
        gateway()
            .endpoint("/slow/{id}", [call(&slow, "/slow/{id}")])
            .timeout(ms(20_000))
            .endpoint(
                "/merged/{id}",
                [call(&slow, "/slow/{id}"), call(&slow, "/slow/{id}").group("b")],
            )
            .timeout(ms(20_000))
            .endpoint("/big", [&big])
            .noop(),
    );
    let mut gw = subject.gw;
    let mut idle: Vec<Connection> = (0..5).map(|_| gw.connect()).collect();
    for client in &mut idle {
        client.send("GET /canary/1 HTTP/1.1\r\nHost: gw\r\n\r\n").status(200);
    }
    let mut readers: Vec<Connection> = (0..3).map(|_| gw.connect()).collect();
    for client in &mut readers {
        client.write("GET /big HTTP/1.1\r\nHost: gw\r\n\r\n");
    }
    let mut busy: Vec<(String, Connection)> = (0..40)
        .map(|n| {
            let path = format!("/{}/id-{n}", if n % 2 == 0 { "slow" } else { "merged" });
            let mut client = gw.connect();
            client.write(format!("GET {path} HTTP/1.1\r\nHost: gw\r\n\r\n"));
            (format!("/slow/id-{n}"), client)
        })
        .collect();
    slow.wait_for_heads(60);
    big.wait_for_heads(3);
    gw.signal(libc::SIGTERM);
    for (path, client) in &mut busy {
        let response = client.response("GET");
        response.status(200).completed(true).header("Connection", "close");
        let text = String::from_utf8_lossy(&response.bytes).into_owned();
        assert!(text.contains(&format!("{path}\"")), "not the answer to {path}: {text}");
        client.closed();
    }
    for client in &mut readers {
        let mut length = 0;
        client.response_into("GET", &mut |piece| length += piece.len()).status(200).ended();
        assert_eq!(length, long.len());
    }
    idle.iter_mut().for_each(Connection::closed);
    assert_eq!(gw.wait_exit().code(), Some(0), "{}", gw.log());
}

/// New clients come all the time while it ends: each is refused or answered, none is cut off with a
/// request that the gateway took.
fn sigterm_serves_those_who_wait_in_the_queue() {
    let peer = backend().on("/a", answer(200).body(r#"{"a":1}"#));
    let mut gw = subject(gateway().endpoint("/a", [&peer])).gw;
    let (answered, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let address = gw.address;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while refused.load(Ordering::Relaxed) < 20 {
                    let Ok(stream) = std::net::TcpStream::connect(address) else {
                        refused.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    drop(stream);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("clients come", || answered.load(Ordering::Relaxed) > 50);
        gw.signal(libc::SIGTERM);
        assert_eq!(gw.wait_exit().code(), Some(0), "{}", gw.log());
    });
}

fn sigkill_and_a_new_start() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let mut subject = subject(gateway().endpoint("/a", [&peer]));
    for _ in 0..3 {
        let mut open: Vec<Connection> = (0..20).map(|_| subject.gw.connect()).collect();
        for client in &mut open {
            client.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
        }
        subject.gw.kill_and_restart();
        for mut client in open {
            // Answered or cut off, as it was when the end came; nothing in between.
            let _ = client.try_response("GET").map(|response| response.status(200).code);
        }
        subject.answers();
    }
    subject.measure();
    subject.recovers();
    subject.gw.stop();
}

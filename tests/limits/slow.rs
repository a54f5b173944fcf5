//! Slow peers in both directions: what they make the gateway hold is bounded, those who make
//! progress are waited for, those who make none are let go.

use crate::both_drivers;
use crate::support::backend::Plan;
use crate::support::client::Connection;
use crate::support::metrics::CHARGED_BYTES;
use crate::support::{
    Answer, Backend, Gateway, GatewayBuilder, PATIENCE, Step, backend, backend_with, gateway, json,
    ms, until,
};
use std::io::Read;
use std::time::Instant;

both_drivers! {
    a_reader_that_takes_nothing,
    a_reader_that_takes_a_byte_now_and_then,
    a_reader_that_takes_enough,
    a_held_answer_that_nobody_takes,
    a_download_holds_little,
    an_upload_holds_little,
    a_slow_backend_is_not_the_clients_fault,
}

const MIB: usize = 1 << 20;

fn download(mib: u64) -> Backend {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", mib * MIB as u64);
    let steps = [Step::Send(head.into_bytes()), Step::SendTimes(vec![b'x'; MIB], mib)];
    backend().on("/a", Answer::steps_are(steps))
}

fn start(builder: GatewayBuilder, peer: &Backend) -> Gateway {
    builder.one_worker().admin().endpoint("/a", [peer]).noop().start()
}

fn write_timeouts(gw: &Gateway) -> f64 {
    gw.metrics().sum("ringway_connections_closed_total", &["reason=\"write_timeout\""])
}

/// A client whose kernel takes little for it: what it does not read is not sent.
fn small_reader(gw: &Gateway) -> Connection {
    let client = gw.connect();
    socket2::SockRef::from(client.stream()).set_recv_buffer_size(4096).expect("SO_RCVBUF");
    client
}

fn a_reader_that_takes_nothing() {
    for builder in [
        gateway().ringway("limits", json!({"write_idle": "300ms"})),
        gateway().service("write_timeout", "500ms"),
    ] {
        let peer = download(64);
        let gw = start(builder, &peer);
        let mut client = gw.connect();
        client.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
        peer.wait_abandoned(1);
        until("it is counted", || write_timeouts(&gw) >= 1.0);
        drop(client);
    }
}

/// Some progress within each `write_idle`, but never 64 KiB of it: that would hold an answer for ever.
fn a_reader_that_takes_a_byte_now_and_then() {
    let peer = download(64);
    let gw = start(gateway().ringway("limits", json!({"write_idle": "600ms"})), &peer);
    let mut client = small_reader(&gw);
    client.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
    let mut taken = 0;
    let end = Instant::now() + PATIENCE;
    let mut stream = client.stream();
    while write_timeouts(&gw) < 1.0 {
        assert!(Instant::now() < end, "it was let go on with {taken} bytes");
        let mut some = [0; 512];
        taken += stream.read(&mut some).unwrap_or(0);
        std::thread::sleep(ms(50));
    }
    peer.wait_abandoned(1);
}

/// 64 KiB within each `write_idle` are enough, however many of them the whole takes.
fn a_reader_that_takes_enough() {
    let held = format!("{{\"a\":\"{}\"}}", "x".repeat(12 * MIB));
    let streamed = download(12);
    let decoded = backend().on("/a", &*held);
    let gateway = || gateway().one_worker().admin().ringway("limits", json!({"write_idle": "2s"}));
    for (gw, length) in [
        (gateway().endpoint("/a", [&streamed]).noop().start(), 12 * MIB),
        (gateway().endpoint("/a", [&decoded]).start(), held.len()),
    ] {
        let mut client = gw.connect();
        socket2::SockRef::from(client.stream()).set_recv_buffer_size(128 << 10).expect("SO_RCVBUF");
        client.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
        let (mut taken, mut paused) = (0, 0);
        let response = client.response_into("GET", &mut |piece| {
            taken += piece.len();
            while paused < taken / (64 << 10) {
                paused += 1;
                std::thread::sleep(ms(30));
            }
        });
        response.status(200).ended();
        assert_eq!(taken, length);
        assert!(write_timeouts(&gw) < 0.5);
    }
}

/// The same for an answer that is held: its memory comes back.
fn a_held_answer_that_nobody_takes() {
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(12 * MIB));
    let peer = backend().on("/a", &*body);
    let gw = gateway()
        .one_worker()
        .admin()
        .ringway("limits", json!({"write_idle": "300ms"}))
        .endpoint("/a", [&peer])
        .start();
    let charged = || gw.metrics().sum(CHARGED_BYTES, &[]);
    let before = charged();
    let mut client = small_reader(&gw);
    client.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
    until("it is let go", || write_timeouts(&gw) >= 1.0);
    until("its memory is back", || charged() < before + MIB as f64);
    gw.get("/__health").status(200);
}

/// The most that is charged while `busy` says so.
fn most_charged(gw: &Gateway, mut busy: impl FnMut() -> bool) -> usize {
    let mut most: f64 = 0.0;
    while busy() {
        most = most.max(gw.metrics().sum(CHARGED_BYTES, &[]));
    }
    most as usize
}

/// Readers that stand still while backends send 64 MiB each: 64 KiB in each direction of a stream,
/// what was read ahead of it, and what the idle connections of this test hold.
fn a_download_holds_little() {
    let peer = download(64);
    let gw = start(gateway(), &peer);
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let mut reader = small_reader(&gw);
            reader.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
            reader
        })
        .collect();
    peer.wait_for_heads(8);
    let mut looks = 0;
    let most = most_charged(&gw, || {
        looks += 1;
        std::thread::sleep(ms(5));
        looks < 100
    });
    assert!(most < 8 * 192 * 1024 + 256 * 1024, "{most} bytes for 8 readers");
    drop(readers);
    peer.wait_abandoned(8);
}

/// Clients that send all they can to a backend that reads nothing.
fn an_upload_holds_little() {
    let peer = backend_with(|_| Plan {
        before_body: vec![Step::Wait(ms(2500))],
        answer: Box::new(|_| {
            vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec())]
        }),
    });
    let gw = gateway()
        .one_worker()
        .admin()
        .endpoint("/up", [&peer])
        .method("POST")
        .noop()
        .timeout(ms(60_000))
        .start();
    let length = 24 * MIB;
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = gw.connect();
            client.stream().set_write_timeout(Some(3 * PATIENCE)).expect("a deadline");
            client.patience(3 * PATIENCE);
            std::thread::spawn(move || {
                let head =
                    format!("POST /up HTTP/1.1\r\nHost: gw\r\nContent-Length: {length}\r\n\r\n");
                client.write(head);
                for _ in 0..length / MIB {
                    client.write(vec![b'u'; MIB]);
                }
                client.response("POST").code
            })
        })
        .collect();
    peer.wait_for_heads(8);
    let most = most_charged(&gw, || clients.iter().any(|client| !client.is_finished()));
    for client in clients {
        assert_eq!(client.join().expect("a client"), 200);
    }
    let whole = peer.requests().iter().filter(|request| request.body.len() == length).count();
    assert_eq!(whole, 8);
    // A piece on its way, and two reads ahead of it.
    assert!(most < 8 * 384 * 1024 + 256 * 1024, "{most} bytes for 8 uploads");
}

/// `body_idle` is the client's time: while the backend takes nothing, the client is not waited for.
fn a_slow_backend_is_not_the_clients_fault() {
    let peer = backend_with(|_| Plan {
        before_body: vec![Step::Wait(ms(1500))],
        answer: Box::new(|_| {
            vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec())]
        }),
    });
    let gw = gateway()
        .one_worker()
        .ringway("limits", json!({"body_idle": "400ms"}))
        .endpoint("/up", [&peer])
        .method("POST")
        .noop()
        .timeout(ms(60_000))
        .start();
    let length = 32 * MIB;
    let mut client = gw.connect();
    client.write(format!("POST /up HTTP/1.1\r\nHost: gw\r\nContent-Length: {length}\r\n\r\n"));
    for _ in 0..length / MIB {
        client.write(vec![b'u'; MIB]);
    }
    client.response("POST").status(200);
}

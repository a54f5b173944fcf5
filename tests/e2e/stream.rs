//! `no-op`: bytes through, both ways, of any size and framing.

use crate::both_drivers;
use crate::support::metrics::CHARGED_BYTES;
use crate::support::{
    Answer, Connection, End, Step, answer, backend, echo, gateway, ms, process, until,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const MIB: u64 = 1 << 20;

/// A body of so many MiB passes while the memory of the process stays where it was.
fn huge(mib: u64) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", mib * MIB);
    let chunk: Vec<u8> = (0..MIB).map(|n| (n % 251) as u8).collect();
    let peer = backend().get(
        "/huge",
        Answer::steps_are([Step::Send(head.into_bytes()), Step::SendTimes(chunk.clone(), mib)]),
    );
    let gw = gateway().admin().endpoint("/huge", [&peer]).noop().start();
    gw.get("/missing").status(404);
    let before = gw.rss_kib();
    let ended = Arc::new(AtomicBool::new(false));
    let watch = {
        let (ended, pid) = (Arc::clone(&ended), gw.pid());
        std::thread::spawn(move || {
            let mut most = 0;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(process::memory_kib(pid, "VmRSS"));
                std::thread::sleep(ms(10));
            }
            most
        })
    };
    let mut connection = gw.connect();
    connection.write("GET /huge HTTP/1.1\r\nHost: gw\r\n\r\n");
    let (mut at, mut wrong, mut charged_most) = (0_u64, 0_u64, 0.0_f64);
    let mut next_sample = 0;
    let found = connection.response_into("GET", &mut |piece| {
        let mut rest = piece;
        while !rest.is_empty() {
            let from = (at % MIB) as usize;
            let n = rest.len().min(chunk.len() - from);
            wrong += u64::from(rest[..n] != chunk[from..from + n]);
            at += n as u64;
            rest = &rest[n..];
        }
        if at >= next_sample {
            next_sample = at + 64 * MIB;
            charged_most = charged_most.max(gw.metrics().sum(CHARGED_BYTES, &[]));
        }
    });
    ended.store(true, Ordering::Relaxed);
    let most = watch.join().expect("the watch ends");
    found.status(200).header("Content-Length", &(mib * MIB).to_string()).ended();
    assert_eq!((at, wrong), (mib * MIB, 0));
    assert!(most < before + 8 * 1024, "RSS grew from {before} KiB to {most} KiB");
    assert!(charged_most < 256.0 * 1024.0, "{charged_most} bytes charged to the budget");
    until("the budget is free again", || gw.metrics().sum(CHARGED_BYTES, &[]) < MIB as f64);
}

/// 1 GiB where the machine has the time for it (`RINGWAY_TEST_HUGE_MIB`).
fn huge_mib() -> u64 {
    std::env::var("RINGWAY_TEST_HUGE_MIB").ok().and_then(|n| n.parse().ok()).unwrap_or(1024)
}

both_drivers! {
    a_gibibyte_passes_in_flat_memory,
    a_large_upload_passes_in_flat_memory,
    every_framing_comes_out_whole,
    request_bodies_in_each_framing,
    head_requests_and_head_backends,
    trailers_are_not_promoted,
    interim_responses_are_skipped,
    a_truncated_stream_never_seems_whole,
    a_slow_reader_holds_little,
}

fn a_gibibyte_passes_in_flat_memory() {
    huge(huge_mib());
}

fn a_large_upload_passes_in_flat_memory() {
    let peer = backend().post("/up", "{}");
    let builder = gateway().admin().endpoint("/up", [&peer]).method("POST").noop();
    let gw = builder.timeout(ms(600_000)).start();
    // The code's own pages come in with the first request, not with the size of a body.
    gw.post("/up", "u").status(200);
    peer.take();
    let before = gw.rss_kib();
    let mut connection = gw.connect();
    let size = huge_mib() * MIB;
    connection.write(format!("POST /up HTTP/1.1\r\nHost: gw\r\nContent-Length: {size}\r\n\r\n"));
    let chunk = vec![b'u'; MIB as usize];
    let (mut most, mut charged_most) = (before, 0.0_f64);
    for _ in 0..huge_mib() {
        connection.write(&chunk);
        most = most.max(gw.rss_kib());
        charged_most = charged_most.max(gw.metrics().sum(CHARGED_BYTES, &[]));
    }
    assert!(charged_most < 256.0 * 1024.0, "{charged_most} bytes charged to the budget");
    connection.response("POST").status(200).body("{}");
    let request = peer.wait_for(1).remove(0);
    assert!(request.body.len() as u64 == size && request.body.iter().all(|b| *b == b'u'));
    assert!(most < before + 8 * 1024, "RSS grew from {before} KiB to {most} KiB");
}

fn every_framing_comes_out_whole() {
    let body = "0123456789".repeat(5000);
    let plain = answer(200).header("Content-Type", "text/x").body(body.clone());
    let peer = backend()
        .get("/length", plain.clone())
        .get("/chunked", plain.clone().chunks_of(1000))
        .get("/close", plain.clone().until_close())
        .get("/old", plain.clone().http10())
        .get("/empty", answer(200).header("Content-Type", "text/x"))
        .get("/drip", answer(200).body("drop").drip(1, ms(1)));
    let mut builder = gateway();
    let paths = ["/length", "/chunked", "/close", "/old", "/empty", "/drip"];
    for path in paths {
        builder = builder.endpoint(path, [crate::support::call(&peer, path)]).noop();
    }
    let gw = builder.start();
    let mut connection = gw.connect();
    for path in paths {
        let found = connection.send(format!("GET {path} HTTP/1.1\r\nHost: gw\r\n\r\n"));
        let expected = match path {
            "/empty" => "",
            "/drip" => "drop",
            _ => &body,
        };
        found.status(200).body(expected);
        assert_eq!(found.end, End::Complete, "{path}: every body is framed for the client");
    }
    // A client of HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
    let found = gw.send("GET /chunked HTTP/1.0\r\nHost: gw\r\n\r\n");
    found.status(200).no_header("Transfer-Encoding").body(&body);
}

fn request_bodies_in_each_framing() {
    let peer = backend().on("/e", echo());
    let gw = gateway()
        .endpoint("/e", [&peer])
        .method("POST")
        .noop()
        .endpoint("/collected", [&peer])
        .method("POST")
        .start();
    let chunks = "Transfer-Encoding: chunked\r\n\r\n4;ext=\"1\"\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n";
    for path in ["/e", "/collected"] {
        gw.send(format!("POST {path} HTTP/1.1\r\nHost: gw\r\n{chunks}")).status(200);
        gw.post(path, "Wikipedia").status(200);
        for request in peer.take() {
            assert_eq!(request.body, b"Wikipedia", "{path}");
            assert!(!String::from_utf8_lossy(&request.raw).contains("ext="), "{path}");
        }
        gw.post(path, "").status(200);
        let request = peer.take().remove(0);
        assert_eq!(request.field("content-length"), Some("0"));
    }
}

fn head_requests_and_head_backends() {
    let peer = backend().on("/h", answer(200).header("X-Len", "y").body("12345"));
    let gw = gateway()
        .ringway("auto_head", true)
        .endpoint("/h", [&peer])
        .noop()
        .endpoint("/via-head", [crate::support::call(&peer, "/h").method("HEAD")])
        .noop()
        .start();
    let head = gw.send("HEAD /h HTTP/1.1\r\nHost: gw\r\n\r\n");
    head.status(200).header("X-Len", "y").body("");
    gw.get("/via-head").status(200).header("X-Len", "y").body("");
    let plain = gateway().endpoint("/h", [&peer]).noop().start();
    plain.send("HEAD /h HTTP/1.1\r\nHost: gw\r\n\r\n").status(405).header("Allow", "GET");
}

fn trailers_are_not_promoted() {
    let peer = backend().get(
        "/t",
        answer(200)
            .body("body")
            .chunked()
            .trailer("Set-Cookie", "evil=1")
            .trailer("Content-Length", "9"),
    );
    let gw = gateway().endpoint("/t", [&peer]).noop().start();
    let found = gw.get("/t");
    found.status(200).no_header("Set-Cookie").body("body");
    assert!(found.trailers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("content-length")));
}

fn interim_responses_are_skipped() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(3);
    let peer = backend().get("/i", answer(200).body("{}").before(hints));
    let gw = gateway().endpoint("/json", [&peer]).endpoint("/stream", [&peer]).noop().start();
    for path in ["/json", "/stream"] {
        gw.get(path).status(200).body("{}");
    }
}

fn a_truncated_stream_never_seems_whole() {
    let body = "0123456789";
    for peer in [
        answer(200).body(body).cut_body(5),
        answer(200).body(body).reset_body(5),
        answer(200).body(body).chunks_of(5).cut_body(10),
    ] {
        let peer = backend().get("/t", peer);
        let gw = gateway().endpoint("/t", [&peer]).noop().start();
        for version in ["1.1", "1.0"] {
            let mut connection = gw.connect();
            connection.write(format!("GET /t HTTP/{version}\r\nHost: gw\r\n\r\n"));
            // Before the head is out it may still become a failure.
            if let Ok(found) = connection.try_response("GET") {
                if found.code == 500 {
                    found.ended();
                } else {
                    found.broken_off();
                }
            }
        }
    }
}

fn a_slow_reader_holds_little() {
    let peer = backend().get(
        "/big",
        Answer::steps_are([
            Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n".to_vec()),
            Step::SendTimes(vec![b's'; 1 << 20], 64),
        ]),
    );
    let gw = gateway().admin().endpoint("/big", [&peer]).noop().start();
    let before = gw.rss_kib();
    let readers: Vec<Connection> = (0..8)
        .map(|_| {
            let mut reader = gw.connect();
            reader.write("GET /big HTTP/1.1\r\nHost: gw\r\n\r\n");
            reader
        })
        .collect();
    peer.wait_for_heads(8);
    for _ in 0..50 {
        std::thread::sleep(ms(10));
        let now = gw.rss_kib();
        assert!(now < before + 24 * 1024, "RSS grew from {before} KiB to {now} KiB");
    }
    for mut reader in readers {
        let mut length = 0;
        reader.response_into("GET", &mut |piece| length += piece.len()).status(200).ended();
        assert_eq!(length, 64 << 20);
    }
}

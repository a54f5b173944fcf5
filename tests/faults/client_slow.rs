//! Clients that take their time (docs/reference/hardening.md 4.2): heads, bodies and reads that
//! hardly move are cut by their deadlines, and others are served meanwhile. The deadlines are short
//! here; their defaults are tested where they are read.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest};
use crate::support::client::Connection;
use crate::support::metrics::CHARGED_BYTES;
use crate::support::{Answer, Step, backend, call, json, ms, until};

both_drivers! {
    client_slowloris_heads,
    client_slow_body,
    client_slow_read,
}

const CLOSED: &str = "ringway_connections_closed_total";

fn client_slowloris_heads() {
    const SLOW: usize = 200;
    let other = honest();
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .ringway("limits", json!({"head_timeout": "1s"}))
            .endpoint("/a", [call(&other, "/a")])
            .input_query_strings(&["id"]),
    );
    let mut clients: Vec<Connection> = (0..SLOW).map(|_| site.gw.connect()).collect();
    for client in &mut clients {
        client.write("GET /a?id=1 HTTP/1.1\r\nHost: gw\r\n");
    }
    // A field now and then does not extend the deadline: it is one for the whole head.
    let mut round = 0;
    let cut = || site.gw.metrics().sum(CLOSED, &["reason=\"head_timeout\""]) as usize;
    until("every one of them is cut", || {
        round += 1;
        for client in clients.iter_mut().skip(round % 10).step_by(10) {
            client.try_write("X-Slow: 1\r\n");
        }
        site.honest("/a");
        cut() >= SLOW
    });
    assert_eq!(cut(), SLOW);
    for client in &mut clients {
        assert!(client.rest().is_empty(), "no answer to half a head");
    }
    drop(clients);
    assert!(other.requests().iter().all(|request| request.complete));
    site.settled();
}

fn client_slow_body() {
    const SLOW: usize = 40;
    let peer = backend().on("/up", "{}");
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .service("timeout", "60s")
            .ringway("limits", json!({"body_idle": "400ms"}))
            .endpoint("/held", [call(&peer, "/up"), call(&peer, "/up")])
            .method("POST")
            .endpoint("/streamed", [call(&peer, "/up")])
            .method("POST")
            .noop(),
    );
    for path in ["/held", "/streamed"] {
        let mut clients: Vec<Connection> = (0..SLOW).map(|_| site.gw.connect()).collect();
        for client in &mut clients {
            client.write(format!(
                "POST {path} HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000000\r\n\r\nx"
            ));
        }
        site.counts(SLOW as u64);
        let held = site.gw.metrics().sum(CHARGED_BYTES, &[]);
        let most = (SLOW * 2 * 64 * 1024) as f64;
        assert!(held < most, "{held} bytes are held for {SLOW} clients");
        site.canary();
        for client in &mut clients {
            client.response("POST").status(408);
            client.gone();
        }
        site.counted(path, "request_timeout", SLOW as u64);
        assert!(peer.take().iter().all(|request| !request.complete));
    }
    site.settled();
}

fn client_slow_read() {
    const SLOW: usize = 8;
    const MIB: usize = 1 << 20;
    let length = 64 * MIB;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let steps = [Step::Send(head.into_bytes()), Step::SendTimes(vec![b'x'; MIB], 64)];
    let peer = backend().get("/big", Answer::steps_are(steps));
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .ringway("limits", json!({"write_idle": "500ms"}))
            .endpoint("/big", [call(&peer, "/big")])
            .noop(),
    );
    let mut clients: Vec<Connection> = (0..SLOW).map(|_| site.gw.connect()).collect();
    for client in &mut clients {
        client.write("GET /big HTTP/1.1\r\nHost: gw\r\n\r\n");
    }
    site.counts(SLOW as u64);
    peer.wait_for_heads(SLOW);
    let mut most: f64 = 0.0;
    // Nobody reads: the backend has to wait, the gateway holds little, and lets go in the end.
    until("every reader is given up", || {
        most = most.max(site.gw.metrics().sum(CHARGED_BYTES, &[]));
        site.gw.metrics().sum(CLOSED, &["reason=\"write_timeout\""]) as usize == SLOW
    });
    let bound = (SLOW * 3 * 64 * 1024) as f64;
    assert!(most <= bound, "{most} bytes were held for {SLOW} readers");
    peer.wait_abandoned(SLOW);
    site.counted("/big", "client_left", SLOW as u64);
    drop(clients);
    site.settled();
}

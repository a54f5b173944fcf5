//! Backends that take their time (docs/reference/hardening.md 4.1): just in time, just too late, a
//! drop now and then; who waits how long, and that a call which is given up is seen to be.

use crate::both_drivers;
use crate::invariants::{Profile, Site, answering};
use crate::support::{Answer, Step, answer, backend, call, ms, until};

both_drivers! {
    backend_first_byte_in_time_or_too_late,
    backend_head_timeout_has_its_own_label,
    backend_drip_falls_to_the_deadline_or_streams_on,
}

fn backend_first_byte_in_time_or_too_late() {
    // The id says after how many milliseconds; the limits are far enough for a loaded machine.
    let peer = answering(|id| {
        let after = id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0);
        answer(200).body(format!(r#"{{"id":"{id}"}}"#)).after(ms(after))
    });
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .service("timeout", "1500ms")
                .endpoint("/decoded", [call(&peer, "/a")])
                .input_query_strings(&["id"])
                .endpoint("/streamed", [call(&peer, "/a")])
                .input_query_strings(&["id"])
                .noop(),
        );
        for route in ["/decoded", "/streamed"] {
            let before = peer.requests().len();
            site.get(&format!("{route}?id=300-early")).status(200).body(r#"{"id":"300-early"}"#);
            // The late answer never comes after all, not to this request and not to the next.
            let mut client = site.gw.connect();
            let late = format!("GET {route}?id=1900-late HTTP/1.1\r\nHost: gw\r\n\r\n");
            site.counts(2);
            client.send(late).status(profile.status(504)).completed(false).body("");
            let next = format!("GET {route}?id=0-next HTTP/1.1\r\nHost: gw\r\n\r\n");
            client.send(next).status(200).body(r#"{"id":"0-next"}"#);
            site.counted(route, "backend_timeout", 1);
            site.counted(route, "ok", 2);
            let seen = peer.wait_for_heads(before + 3);
            let late = seen[before + 1].connection;
            assert!(seen[before + 2].connection != late, "the connection was used again");
            until("the backend sees that it is given up", || peer.requests()[before + 1].abandoned);
        }
        site.settled();
    }
}

fn backend_head_timeout_has_its_own_label() {
    let peer = backend().get("/slow", "{}").after(ms(20_000));
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .service("timeout", "15s")
                .service("response_header_timeout", "200ms")
                .endpoint("/a", [call(&peer, "/slow")])
                .endpoint("/s", [call(&peer, "/slow")])
                .noop(),
        );
        for route in ["/a", "/s"] {
            site.get(route).status(profile.status(504)).completed(false).body("");
            site.counted(route, "backend_head_timeout", 1);
        }
        until("its connections are closed", || peer.open_connections() == 0);
        site.settled();
    }
}

fn backend_drip_falls_to_the_deadline_or_streams_on() {
    let body = r#"{"drop":"by drop, longer than the endpoint's timeout"}"#;
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let drops = body.as_bytes().chunks(4).map(<[u8]>::to_vec).collect();
    let peer = backend().get(
        "/drip",
        Answer::steps_are([Step::Send(head.into_bytes()), Step::Drip(drops, ms(60))]),
    );
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .service("timeout", "300ms")
                .ringway("stream_idle", "10s")
                .endpoint("/decoded", [call(&peer, "/drip")])
                .endpoint("/streamed", [call(&peer, "/drip")])
                .noop(),
        );
        site.get("/decoded").status(profile.status(504)).completed(false).body("");
        site.counted("/decoded", "backend_timeout", 1);
        site.get("/streamed").status(200).body(body);
        site.counted("/streamed", "ok", 1);
        site.settled();
    }
}

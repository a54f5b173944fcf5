//! No connection to a backend (docs/reference/hardening.md 4.1): refused, a black hole, a name that
//! nobody knows, and what other requests notice of it: nothing.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest};
use crate::support::config::call_to;
use crate::support::{call, json, ms, ports, until};
use std::net::{Ipv4Addr, SocketAddr};

both_drivers! {
    backend_refused_connection_and_the_next_host,
    backend_syn_black_hole_ends_with_dialer_timeout,
    backend_name_that_nobody_knows,
    backend_one_of_three_is_slow_refused_or_cut,
}

fn backend_refused_connection_and_the_next_host() {
    let dead = ports::dead_port();
    let nobody = format!("http://127.0.0.1:{}", dead.number);
    let other = honest();
    for profile in Profile::BOTH {
        let refused = || call_to(&nobody, "/a");
        let mut site = Site::start(
            profile
                .gateway()
                .endpoint("/refused", [refused()])
                .endpoint("/streamed", [refused()])
                .noop()
                .endpoint("/merge", [refused().group("x"), call(&other, "/a")])
                .input_query_strings(&["id"])
                .endpoint("/next", [refused().hosts(&[&nobody, &other.host()])])
                .input_query_strings(&["id"]),
        );
        for n in 1..=5 {
            for route in ["/refused", "/streamed"] {
                site.get(route).status(profile.status(502)).completed(false).body("");
                site.counted(route, "backend_connect_refused", n);
            }
            let id = site.next_id();
            site.get(&format!("/merge?id={id}"))
                .status(200)
                .completed(false)
                .body(format!(r#"{{"id":"{id}"}}"#));
            site.counted("/merge", "partial", n);
            site.honest("/next");
        }
        site.counted("/next", "ok", 5);
        site.settled();
    }
}

/// A listener whose queue is full and that never accepts: further SYNs get no answer.
struct BlackHole {
    address: SocketAddr,
    _listener: socket2::Socket,
    _queued: Vec<socket2::Socket>,
}

fn black_hole() -> BlackHole {
    let socket = || {
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
            .expect("a socket can be opened")
    };
    let listener = socket();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    listener.bind(&any.into()).expect("a free port");
    listener.listen(0).expect("it listens");
    let address = listener.local_addr().expect("it is bound");
    let address = address.as_socket().expect("IPv4");
    let mut queued = Vec::new();
    // The queue takes one or two; then connecting stays without an answer.
    for _ in 0..8 {
        let one = socket();
        let connected = one.connect_timeout(&address.into(), ms(150));
        let is_full = connected.is_err();
        queued.push(one);
        if is_full {
            return BlackHole { address, _listener: listener, _queued: queued };
        }
    }
    panic!("the queue of a listener that never accepts does not fill up");
}

fn backend_syn_black_hole_ends_with_dialer_timeout() {
    let hole = black_hole();
    let host = format!("http://{}", hole.address);
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .service("dialer_timeout", "300ms")
                .service("timeout", "20s")
                .endpoint("/hole", [call_to(&host, "/a")])
                .endpoint("/streamed", [call_to(&host, "/a")])
                .noop()
                .endpoint("/sooner", [call_to(&host, "/a")])
                .timeout(ms(100)),
        );
        for route in ["/hole", "/streamed"] {
            let mut client = site.gw.connect();
            client.write(format!("GET {route} HTTP/1.1\r\nHost: gw\r\n\r\n"));
            // Others do not wait with it.
            site.canary();
            site.counts(1);
            client.response("GET").status(profile.status(504)).completed(false).body("");
            site.counted(route, "backend_connect_timeout", 1);
        }
        site.get("/sooner").status(profile.status(504));
        site.counted("/sooner", "backend_timeout", 1);
        site.settled();
    }
}

fn backend_name_that_nobody_knows() {
    for profile in Profile::BOTH {
        let host = "http://no-such-name.invalid";
        let mut site = Site::start(
            profile
                .gateway()
                .service("timeout", "15s")
                .endpoint("/unknown", [call_to(host, "/a")])
                .endpoint("/streamed", [call_to(host, "/a")])
                .noop(),
        );
        for route in ["/unknown", "/streamed"] {
            site.get(route).status(profile.status(502)).completed(false).body("");
            site.counted(route, "backend_name_not_found", 1);
        }
        site.settled();
    }
}

fn backend_one_of_three_is_slow_refused_or_cut() {
    let dead = ports::dead_port();
    let nobody = format!("http://127.0.0.1:{}", dead.number);
    let good = honest();
    let slow = crate::support::backend().get("/slow", "{}").after(ms(20_000));
    let cut = crate::support::backend()
        .get("/cut", crate::support::answer(200).body(r#"{"cut":1}"#).cut_body(4));
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .service("timeout", "400ms")
                .endpoint(
                    "/slow",
                    [
                        call(&good, "/a"),
                        call(&slow, "/slow").group("s"),
                        call(&good, "/b").group("b"),
                    ],
                )
                .input_query_strings(&["id"])
                .endpoint(
                    "/mixed",
                    [
                        call_to(&nobody, "/a").group("n"),
                        call(&good, "/a"),
                        call(&cut, "/cut").group("c"),
                    ],
                )
                .input_query_strings(&["id"])
                .endpoint("/all", [call_to(&nobody, "/a"), call(&cut, "/cut")])
                .extra("ringway", json!({})),
        );
        slow.take();
        let id = site.next_id();
        site.get(&format!("/slow?id={id}"))
            .status(200)
            .completed(false)
            .body(format!(r#"{{"id":"{id}","b":{{"id":"{id}"}}}}"#));
        site.counted("/slow", "partial", 1);
        slow.wait_abandoned(1);
        let id = site.next_id();
        site.get(&format!("/mixed?id={id}"))
            .status(200)
            .completed(false)
            .body(format!(r#"{{"id":"{id}"}}"#));
        site.counted("/mixed", "partial", 1);
        site.get("/all").status(profile.status(502)).completed(false).body("");
        site.counted("/all", "backends_failed", 1);
        until("the slow backend's connection is closed", || slow.open_connections() == 0);
        site.settled();
    }
}

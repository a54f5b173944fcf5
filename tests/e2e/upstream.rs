//! The backend's side: pooled connections, replays, other hosts, names, TLS, redirects.

use crate::both_drivers;
use crate::support::config::call_to;
use crate::support::{answer, backend, call, echo, gateway, json, ms, ports, tls, until};

both_drivers! {
    connections_are_kept_and_reused,
    a_connection_that_the_backend_closed_is_not_used,
    a_get_is_replayed_and_a_post_is_not,
    a_fresh_connection_that_dies_is_no_reason_to_replay,
    a_backend_restart_fails_no_get,
    the_next_host_when_one_does_not_listen,
    nobody_listens,
    a_name_is_resolved,
    https_with_an_authority_of_the_file,
    https_as_far_as_the_file_says,
    redirects_are_followed_ten_times,
    concurrent_calls_take_the_first_good_answer,
    every_method_and_an_own_one_for_the_backend,
}

fn connections_are_kept_and_reused() {
    let peer = backend().on("/p/*", "{}");
    let gw = gateway()
        .one_worker()
        .endpoint("/a", [call(&peer, "/p/a")])
        .endpoint("/b", [call(&peer, "/p/b")])
        .start();
    for _ in 0..10 {
        gw.get("/a").status(200);
        gw.get("/b").status(200);
    }
    assert_eq!(peer.connections(), 1, "one host, one pool");
}

fn a_connection_that_the_backend_closed_is_not_used() {
    let peer = backend().on("/a", "{}").closes_after(1);
    let gw = gateway()
        .one_worker()
        .endpoint("/a", [&peer])
        .endpoint("/a", [&peer])
        .method("POST")
        .start();
    for _ in 0..10 {
        gw.get("/a").status(200);
        until("the backend closed it", || peer.open_connections() == 0);
        gw.post("/a", "x").status(200);
        until("the backend closed it", || peer.open_connections() == 0);
    }
    assert_eq!(peer.requests().len(), 20);
}

fn a_get_is_replayed_and_a_post_is_not() {
    let peer = backend().on("/a", "{}").dies_after(1);
    let gw = gateway()
        .one_worker()
        .endpoint("/a", [&peer])
        .endpoint("/a", [&peer])
        .method("POST")
        .start();
    gw.get("/a").status(200);
    gw.get("/a").status(200);
    assert_eq!(peer.requests().len(), 2, "the backend counts what it answered");
    // The POST is written, then the connection dies: nobody knows what the backend did.
    let failed = gw.post("/a", "x");
    failed.status(500);
    gw.post("/a", "x").status(200);
    let posts = peer.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 1);
}

fn a_fresh_connection_that_dies_is_no_reason_to_replay() {
    let peer = backend().on("/a", answer(200).cut(0));
    let gw = gateway().one_worker().error_texts().endpoint("/a", [&peer]).start();
    let host = peer.host();
    gw.get("/a").status(500).body(format!("Get \"{host}/a\": EOF"));
    assert_eq!(peer.requests().len(), 1);
}

fn a_backend_restart_fails_no_get() {
    let peer = backend().on("/a", "{}");
    let gw = gateway().one_worker().endpoint("/a", [&peer]).start();
    for _ in 0..5 {
        gw.get("/a").status(200);
        peer.close_all();
        until("the backend saw the end", || peer.open_connections() == 0);
        gw.get("/a").status(200);
    }
}

fn the_next_host_when_one_does_not_listen() {
    let (one, two) = (backend().on("/a", "{}"), backend().on("/a", "{}"));
    let dead = ports::dead_port();
    let nobody = format!("http://127.0.0.1:{}", dead.number);
    let hosts = [nobody.as_str(), &one.host(), &two.host()];
    let gw = gateway().endpoint("/a", [call(&one, "/a").hosts(&hosts)]).start();
    for _ in 0..60 {
        gw.get("/a").status(200);
    }
    assert!(!one.requests().is_empty() && !two.requests().is_empty(), "both are used");
    let strict = gateway()
        .ringway("next_host", false)
        .endpoint("/a", [call(&one, "/a").hosts(&[&nobody, &one.host()])])
        .start();
    let codes: Vec<u16> = (0..40).map(|_| strict.get("/a").code).collect();
    assert!(codes.contains(&500) && codes.contains(&200), "{codes:?}");
}

fn nobody_listens() {
    let dead = ports::dead_port();
    let host = format!("http://127.0.0.1:{}", dead.number);
    let gw = gateway().error_texts().endpoint("/a", [call_to(&host, "/x")]).start();
    let port = dead.number;
    gw.get("/a")
        .status(500)
        .completed(false)
        .body(format!("Get \"{host}/x\": dial tcp 127.0.0.1:{port}: connect: connection refused"));
}

fn a_name_is_resolved() {
    let peer = backend().on("/a", "{}");
    let host = format!("http://localhost:{}", peer.address.port());
    let gw = gateway()
        .service("timeout", "10s")
        .endpoint("/a", [call_to(&host, "/a")])
        .endpoint("/unknown", [call_to("http://no-such-name.invalid:80", "/a")])
        .timeout(ms(2000))
        .start();
    for _ in 0..5 {
        gw.get("/a").status(200);
    }
    assert_eq!(peer.requests()[0].field("host"), Some(&host["http://".len()..]));
    gw.get("/unknown").status(500);
}

fn https_with_an_authority_of_the_file() {
    let identity = tls::identity(&["localhost", "127.0.0.1"]);
    let peer = backend().on("/a", echo()).tls(&identity);
    let client_tls = json!({"ca_certs": ["ca.pem"], "disable_system_ca_pool": true});
    let gw = gateway()
        .one_worker()
        .file("ca.pem", identity.authority_pem.clone())
        .service("client_tls", client_tls)
        .endpoint("/a", [&peer])
        .endpoint("/stream", [&peer])
        .method("POST")
        .noop()
        .start();
    for _ in 0..3 {
        gw.get("/a").status(200).completed(true);
    }
    gw.post("/stream", &"x".repeat(100_000)).status(200).ended();
    assert_eq!(peer.connections(), 1, "a session is kept like any connection");
    assert_eq!(peer.wait_for(4)[3].body.len(), 100_000);
}

fn https_as_far_as_the_file_says() {
    let identity = tls::identity(&["localhost"]);
    let unknown = backend().on("/a", "{}").tls(&identity);
    let old = backend().on("/a", "{}").tls(&tls::identity(&["localhost"]).tls12_only());
    let lax = gateway()
        .service("client_tls", json!({"allow_insecure_connections": true}))
        .endpoint("/unknown", [&unknown])
        .start();
    lax.get("/unknown").status(200);
    // A bare block means TLS 1.3 only, as KrakenD has it.
    let bare = gateway()
        .service("client_tls", json!({"allow_insecure_connections": true}))
        .endpoint("/old", [&old])
        .start();
    bare.get("/old").status(500);
}

fn redirects_are_followed_ten_times() {
    let peer = backend()
        .get("/301", answer(301).header("Location", "/end"))
        .on("/307", answer(307).header("Location", "/end"))
        .get("/loop", answer(302).header("Location", "/loop"))
        .get("/nowhere", answer(302))
        .on("/end", echo());
    let elsewhere = backend().get(
        "/there",
        answer(302).header("Location", &format!("http://localhost:{}/end", peer.address.port())),
    );
    let gw = gateway()
        .error_texts()
        .endpoint("/301", [call(&peer, "/301")])
        .endpoint("/307", [call(&peer, "/307")])
        .endpoint("/307", [call(&peer, "/307")])
        .method("POST")
        .noop()
        .endpoint("/loop", [call(&peer, "/loop")])
        .endpoint("/nowhere", [call(&peer, "/nowhere")])
        .noop()
        .endpoint("/away", [call(&elsewhere, "/there")])
        .input_headers(&["Authorization", "X-Keep"])
        .start();
    gw.get("/301").status(200).completed(true);
    let followed = peer.take();
    assert_eq!(followed[1].field("referer"), Some(format!("{}/301", peer.host()).as_str()));
    gw.get("/307").status(200);
    // With a body that cannot be sent twice, the redirect is the answer.
    gw.post("/307", "body").status(307).header("Location", "/end");
    gw.post("/307", "").status(200);
    gw.get("/nowhere").status(302);
    peer.take();
    gw.get("/loop").status(500).body("Get \"/loop\": stopped after 10 redirects");
    assert_eq!(peer.take().len(), 10);
    // Another host does not get what was meant for the first one.
    gw.send("GET /away HTTP/1.1\r\nHost: gw\r\nAuthorization: secret\r\nX-Keep: 1\r\n\r\n")
        .status(200);
    let there = peer.request();
    assert_eq!((there.field("authorization"), there.field("x-keep")), (None, Some("1")));
}

fn concurrent_calls_take_the_first_good_answer() {
    let peer = backend().in_turn(
        "/a",
        [
            answer(500),
            answer(200).body(r#"{"n":"second"}"#).after(ms(50)),
            answer(200).body(r#"{"n":"third"}"#).after(ms(10_000)),
        ],
    );
    let gw = gateway()
        .service("timeout", "30s")
        .endpoint("/a", [&peer])
        .key("concurrent_calls", 3)
        .start();
    gw.get("/a").status(200).completed(true).json(r#"{"n":"second"}"#);
    peer.wait_for_heads(3);
    peer.wait_abandoned(1);
}

fn every_method_and_an_own_one_for_the_backend() {
    let peer = backend().on("/e", echo());
    let mut builder = gateway();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        builder = builder.endpoint("/m", [&peer]).method(method);
    }
    let gw = builder.endpoint("/other", [call(&peer, "/e").method("delete")]).start();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        gw.send(format!("{method} /m HTTP/1.1\r\nHost: gw\r\nContent-Length: 1\r\n\r\nx"))
            .status(200);
        let request = peer.take().remove(0);
        assert_eq!((request.method.as_str(), request.body.as_slice()), (method, b"x".as_slice()));
    }
    gw.get("/other").status(200);
    assert_eq!(peer.request().method, "DELETE");
}

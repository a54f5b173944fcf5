//! Several backends behind one endpoint: order, groups, failures, sizes.

use crate::both_drivers;
use crate::support::{Backend, Call, answer, backend, call, echo, gateway, json, ms};

both_drivers! {
    parts_come_in_configuration_order,
    arrival_order_where_the_file_says_so,
    selection_groups_and_names,
    a_partial_answer_keeps_what_came,
    fifty_backends,
    large_parts_are_merged_whole,
    others_are_served_while_a_long_answer_is_decoded,
    a_body_goes_to_each_backend,
    doubled_keys_and_bytes_after_the_value,
}

fn parts_come_in_configuration_order() {
    let slow = backend().get("/slow", r#"{"k":1,"s":1}"#).after(ms(120));
    let fast = backend().get("/fast", r#"{"k":2,"f":1}"#);
    let gw = gateway().endpoint("/x", [&slow, &fast]).endpoint("/y", [&fast, &slow]).start();
    gw.get("/x").status(200).completed(true).json(r#"{"k":2,"s":1,"f":1}"#);
    gw.get("/y").status(200).completed(true).json(r#"{"k":1,"s":1,"f":1}"#);
    let bodies: Vec<_> = (0..5).map(|_| gw.get("/x").bytes).collect();
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "the same bytes each time");
}

fn arrival_order_where_the_file_says_so() {
    let slow = backend().get("/slow", r#"{"k":"slow"}"#).after(ms(150));
    let fast = backend().get("/fast", r#"{"k":"fast"}"#);
    let gw = gateway()
        .ringway("merge_order", "arrival")
        .endpoint("/x", [&slow, &fast])
        .endpoint("/own", [&slow, &fast])
        .extra("ringway", json!({"merge_order": "configuration"}))
        .start();
    gw.get("/x").status(200).json(r#"{"k":"slow"}"#);
    gw.get("/own").status(200).json(r#"{"k":"fast"}"#);
}

fn selection_groups_and_names() {
    let user =
        backend().get("/u", r#"{"id":1,"name":"Ada","mail":"a@x","geo":{"lat":1.50,"lon":2}}"#);
    let posts = backend().get("/p", r#"{"data":{"list":[1,2]},"n":2}"#);
    let gw = gateway()
        .endpoint(
            "/x",
            [
                call(&user, "/u").allow(&["id", "geo.lat"]).group("user"),
                call(&posts, "/p").key("target", "data").key("mapping", json!({"list": "posts"})),
                call(&user, "/u").deny(&["mail", "geo.lat"]),
            ],
        )
        .start();
    gw.get("/x").status(200).completed(true).json(
        r#"{"user":{"id":1,"geo":{"lat":1.50}},"posts":[1,2],"id":1,"name":"Ada","geo":{"lon":2}}"#,
    );
}

fn a_partial_answer_keeps_what_came() {
    let fine = backend().get("/a", r#"{"a":1}"#);
    let fails = backend()
        .get("/503", answer(503))
        .get("/cut", answer(200).body(r#"{"b":1}"#).cut_body(3))
        .get("/text", answer(200).body("no json"));
    let dead = crate::support::ports::dead_port();
    let nobody = crate::support::config::call_to(&format!("http://127.0.0.1:{}", dead.number), "/");
    let gw = gateway()
        .service("cache_ttl", "1h")
        .endpoint(
            "/x",
            [
                call(&fails, "/503"),
                call(&fails, "/cut"),
                call(&fine, "/a"),
                call(&fails, "/text"),
                nobody,
            ],
        )
        .start();
    for _ in 0..3 {
        gw.get("/x").status(200).completed(false).no_header("Cache-Control").json(r#"{"a":1}"#);
    }
}

fn fifty_backends() {
    let peers: Vec<Backend> = (0..50)
        .map(|n| backend().get(&format!("/{n}"), format!("{{\"k{n}\":{n}}}").as_str()))
        .collect();
    let gw = gateway().service("timeout", "10s").endpoint("/x", &peers).start();
    let members: Vec<_> = (0..50).map(|n| format!("\"k{n}\":{n}")).collect();
    for _ in 0..3 {
        gw.get("/x").status(200).completed(true).json(&format!("{{{}}}", members.join(",")));
    }
    assert!(peers.iter().all(|peer| peer.requests().len() == 3));
}

fn large_parts_are_merged_whole() {
    let part = |name: &str| format!("{{\"{name}\":\"{}\"}}", name.repeat(600_000));
    let (a, b) = (part("a"), part("b"));
    let first = backend().get("/a", answer(200).body(a.clone()));
    let second = backend().get("/b", answer(200).body(b.clone()).chunks_of(5000));
    let gw = gateway().service("timeout", "10s").endpoint("/x", [&first, &second]).start();
    let expected = format!("{},{}", &a[..a.len() - 1], &b[1..]);
    gw.get("/x").status(200).completed(true).body(expected);
}

/// Two answers of 8 MiB, of many small members, on a gateway with one worker.
fn others_are_served_while_a_long_answer_is_decoded() {
    let long = |key: char| {
        let entry = r#"{"id":1234,"name":"a name","tags":["x","y"],"price":12.5},"#;
        format!("{{\"{key}\":[{}0]}}", entry.repeat(8 * 1024 * 1024 / entry.len()))
    };
    let (a, b) = (long('a'), long('b'));
    let peer = backend()
        .get("/a", answer(200).body(a.clone()))
        .get("/b", answer(200).body(b.clone()))
        .get("/canary", "{}");
    let gw = gateway()
        .ringway("workers", 1)
        .endpoint("/long", [call(&peer, "/a"), call(&peer, "/b")])
        .timeout(ms(60_000))
        .endpoint("/canary", [call(&peer, "/canary")])
        .start();
    let mut big = gw.connect();
    let mut canary = gw.connect();
    big.write("GET /long HTTP/1.1\r\nHost: gw\r\n\r\n");
    let answer =
        std::thread::spawn(move || big.response("GET").status(200).completed(true).bytes.clone());
    let mut served = 0;
    while !answer.is_finished() {
        canary.send("GET /canary HTTP/1.1\r\nHost: gw\r\n\r\n").status(200);
        served += 1;
    }
    let found = answer.join().expect("the long answer came");
    let expected = format!("{},{}", &a[..a.len() - 1], &b[1..]);
    assert!(found == expected.as_bytes(), "the merge of both, byte for byte");
    assert!(served > 1, "{served} others were served meanwhile");
}

fn a_body_goes_to_each_backend() {
    let peers = [backend().on("/e", echo()), backend().on("/e", echo())];
    let calls: [Call; 2] =
        [call(&peers[0], "/e").group("x"), call(&peers[1], "/e").group("y").method("PUT")];
    let gw = gateway().endpoint("/x", calls).method("POST").start();
    gw.post("/x", "shared").status(200).completed(true);
    for (peer, method) in peers.iter().zip(["POST", "PUT"]) {
        let request = peer.request();
        assert_eq!(
            (request.method.as_str(), request.body.as_slice()),
            (method, b"shared".as_slice())
        );
    }
}

fn doubled_keys_and_bytes_after_the_value() {
    let peer = backend()
        .get("/dup", r#"{"a":1,"b":{"x":1,"x":2},"a":3}"#)
        .get("/trail", r#"{"t":1} and more"#)
        .get("/other", r#"{"o":1}"#);
    let gw = gateway()
        .endpoint("/dup", [call(&peer, "/dup")])
        .endpoint("/trail", [call(&peer, "/trail")])
        .endpoint("/both", [call(&peer, "/dup"), call(&peer, "/other")])
        .start();
    // The last wins at the top; untouched subtrees are copied as they are.
    gw.get("/dup").status(200).json(r#"{"a":3,"b":{"x":1,"x":2}}"#);
    gw.get("/both").status(200).json(r#"{"a":3,"b":{"x":1,"x":2},"o":1}"#);
    gw.get("/trail").status(200).json(r#"{"t":1}"#);
}

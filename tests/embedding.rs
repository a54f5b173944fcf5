//! The embedding API as programs use it: the example's policy on the wire, and a gateway's life.

#[path = "../examples/add_policy.rs"]
#[allow(dead_code, reason = "its `main` is for `cargo run --example`")]
mod add_policy;
mod support;

use ringway::{BuildError, Gateway};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use support::client::Connection;
use support::{Backend, answer, backend, gateway, json, until};

fn file(directory: &tempfile::TempDir, peer: &Backend, block: serde_json::Value) -> PathBuf {
    let path = directory.path().join("gateway.json");
    let builder = gateway().service_extra("acme/tenant", block).endpoint("/a", [peer]);
    std::fs::write(&path, builder.config()).expect("the file is writable");
    path
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[test]
fn the_example_works() {
    let directory = tempfile::tempdir().expect("a directory");
    let peer = backend().on("/p", r#"{"a":1}"#);
    let path = file(&directory, &peer, json!({"allowed": ["red", "blue"]}));
    let built = add_policy::gateway(&path).expect("it is built");
    assert_eq!(built.warnings(), <[String; 0]>::default());
    let running = built.start().expect("it starts");
    let ask = |fields: &str| {
        Connection::open(local(running.port()))
            .send(format!("GET /a HTTP/1.1\r\nHost: gw\r\n{fields}\r\n"))
    };
    ask("").status(401).body("Whose request is this?");
    ask("X-Tenant: green\r\n").status(401);
    assert!(peer.requests().is_empty());
    ask("X-Tenant: blue\r\n").status(200).json(r#"{"a":1}"#);
    assert_eq!(peer.request().field("X-Checked-Tenant"), Some("blue"));
    running.stop().expect("it ends");
}

#[test]
fn what_is_wrong_with_the_block_refuses_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let peer = backend().on("/p", "{}");
    for (block, said) in [
        (json!({}), "lets nobody in"),
        (json!({"allowed": [1]}), "is not text"),
        (json!({"allowed": ["red"], "alowed": []}), "alowed"),
    ] {
        let path = file(&directory, &peer, block);
        let Err(BuildError::Refused(problems)) = add_policy::gateway(&path) else {
            panic!("it should be refused")
        };
        let all = problems.join("\n");
        assert!(all.contains(said) && all.contains("gateway.json:"), "{said}: {all}");
    }
}

#[test]
fn two_at_once_on_ports_of_the_kernel() {
    let peer = backend().on("/p", r#"{"a":1}"#);
    let text = gateway().endpoint("/a", [&peer]).config();
    let start = || {
        let builder = Gateway::builder().config_text("text.json", text.clone()).port(0);
        builder.build().expect("it is built").start().expect("it starts")
    };
    let (one, other) = (start(), start());
    assert_ne!(one.port(), other.port());
    let ask = |port: u16| {
        Connection::open(local(port)).send("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n").status(200);
    };
    ask(one.port());
    ask(other.port());
    let gone = one.port();
    one.stop().expect("it ends");
    // The kernel takes a ring apart, and with it what hangs on the port, in its own time.
    let refused = |port| until("nobody listens", || TcpStream::connect(local(port)).is_err());
    refused(gone);
    ask(other.port());
    // Dropping it ends it as well.
    let gone = other.port();
    drop(other);
    refused(gone);
}

#[test]
fn a_stop_lets_exchanges_finish() {
    let slow = answer(200).body(r#"{"a":1}"#).after(support::ms(300));
    let peer = backend().on("/p", slow);
    let text = gateway().endpoint("/a", [&peer]).config();
    let builder = Gateway::builder().config_text("text.json", text).port(0);
    let running = builder.build().expect("it is built").start().expect("it starts");
    let mut client = Connection::open(local(running.port()));
    client.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
    peer.wait_for(1);
    let stopping = std::thread::spawn(move || running.stop());
    client.response("GET").status(200).json(r#"{"a":1}"#);
    until("it has ended", || stopping.is_finished());
    stopping.join().expect("no panic").expect("it ends in order");
}

#[test]
fn a_busy_port_is_an_error_of_start() {
    let text = gateway().config();
    let start = |port| {
        let builder = Gateway::builder().config_text("text.json", text.clone()).port(port);
        builder.build().expect("it is built").start()
    };
    let first = start(0).expect("it starts");
    let Err(error) = start(first.port()) else { panic!("the port is taken") };
    assert!(error.to_string().contains(&first.port().to_string()), "{error}");
}

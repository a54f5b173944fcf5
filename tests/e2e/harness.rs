//! The harness against itself: scripted backend and raw client without a gateway between them.
//! What a test could not see here, it could not see in the gateway either.

use crate::support::wire::Broken;
use crate::support::{
    Backend, Connection, End, Step, answer, backend, echo, escaped, json, ms, silence, tls, until,
};
use rustls::pki_types::pem::PemObject;
use std::io::Write;
use std::time::Instant;

fn client(backend: &Backend) -> Connection {
    Connection::open(backend.address)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: b\r\n\r\n")
}

#[test]
fn a_plain_answer_and_its_record() {
    let peer = backend().get("/a", r#"{"a":1}"#);
    let found = client(&peer).send(get("/a?x=1"));
    found.status(200).header("content-type", "application/json").body(r#"{"a":1}"#);
    found.json(r#"{ "a": 1 }"#).no_header("connection");
    let request = peer.request();
    assert_eq!(request.raw, get("/a?x=1").as_bytes());
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/a?x=1"));
    assert!(request.complete && !request.abandoned && request.field("host") == Some("b"));
}

#[test]
fn unknown_paths_prefixes_methods_and_sequences() {
    let peer = backend()
        .on("/p/*", "1")
        .on("/p/long/*", "2")
        .post("/m", "3")
        .in_turn("/s", [answer(500), answer(200).body("4")]);
    let mut connection = client(&peer);
    for (path, status) in
        [("/none", 404), ("/p/x", 200), ("/p/long/x", 200), ("/m", 404), ("/s", 500), ("/s", 200)]
    {
        connection.send(get(path)).status(status);
    }
    assert_eq!(connection.send(get("/p/long/x")).bytes, b"2");
    assert_eq!(connection.send(get("/s")).bytes, b"4");
    connection.send("POST /m HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi").status(200);
    let last = peer.requests().pop().expect("a request");
    assert_eq!((last.body.as_slice(), last.connection), (b"hi".as_slice(), 0));
    assert!(last.raw.ends_with(b"\r\n\r\nhi"));
    assert_eq!(peer.connections(), 1);
}

#[test]
fn chunks_both_ways_with_trailers() {
    let peer = backend().post("/c", answer(200).body("hello world").chunked().trailer("X-T", "1"));
    let found = client(&peer).send(
        "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-R: 2\r\n\r\n",
    );
    found.status(200).body("hello world");
    assert_eq!(found.trailers, [("X-T".to_owned(), "1".to_owned())]);
    let request = peer.request();
    assert_eq!(request.body, b"abc");
    assert_eq!(request.trailers, [("X-R".to_owned(), "2".to_owned())]);
    assert!(request.raw.ends_with(b"\r\n3\r\nabc\r\n0\r\nX-R: 2\r\n\r\n"));
}

#[test]
fn gzip_head_and_close_delimited() {
    let peer = backend()
        .get("/z", answer(200).body("{}").gzip())
        .on("HEAD /h", answer(200).body("12345"))
        .get("/u", answer(200).body("until the end").until_close());
    let packed = client(&peer).send(get("/z"));
    packed.header("content-encoding", "gzip").ended();
    assert_eq!(packed.bytes[..2], [0x1f, 0x8b]);
    let head = client(&peer).send("HEAD /h HTTP/1.1\r\n\r\n");
    head.header("content-length", "5").body("");
    let mut connection = client(&peer);
    let open_end = connection.send(get("/u"));
    open_end.body("until the end");
    assert_eq!(open_end.end, End::Closed);
    connection.closed();
}

#[test]
fn truncation_is_seen_at_every_byte() {
    let whole = answer(200).body("0123456789");
    let length = whole.head_len("GET") + 10;
    for at in 0..length {
        let peer = backend().get("/x", whole.clone().cut(at));
        let mut connection = client(&peer);
        connection.write(get("/x"));
        match connection.try_response("GET") {
            Ok(response) => {
                assert!(at >= length - 10, "{at}");
                response.broken_off();
                assert_eq!(response.end, End::Cut);
            }
            Err(Broken::Closed) => assert_eq!(at, 0),
            Err(Broken::Cut) => assert!(at > 0 && at < length - 10, "{at}"),
            Err(other) => panic!("{other:?} at {at}"),
        }
    }
}

#[test]
fn a_reset_is_not_a_close() {
    let peer = backend().get("/x", answer(200).body("0123456789").reset_body(4));
    let found = client(&peer).send(get("/x"));
    assert_eq!(found.end, End::Reset, "{found}");
    found.broken_off();
}

#[test]
fn lies_about_the_length() {
    let peer = backend()
        .get("/long", answer(200).body("abc").length(9).close())
        .get("/short", answer(200).body("abcdef").length(2))
        .get("/two", answer(200).header("Content-Length", "1").body("abc"));
    client(&peer).send(get("/long")).broken_off();
    let mut connection = client(&peer);
    connection.send(get("/short")).body("ab");
    connection.write(get("/short"));
    let broken = connection.try_response("GET").expect_err("what is left is no head");
    assert!(matches!(broken, Broken::Malformed(_)), "{broken:?}");
    let mut connection = client(&peer);
    connection.write(get("/two"));
    let broken = connection.try_response("GET").expect_err("two lengths");
    assert!(matches!(broken, Broken::Malformed(_)), "{broken:?}");
}

#[test]
fn interim_responses_and_extra_bytes() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let peer = backend().get("/x", answer(200).body("abc").before(interim).extra("surplus"));
    let mut connection = client(&peer);
    let found = connection.send(get("/x"));
    found.status(200).body("abc");
    assert_eq!(found.interim, [103, 100]);
    assert_eq!(connection.within(ms(100)), b"surplus");
}

#[test]
fn expect_and_early_answers() {
    let peer = backend()
        .post("/e", answer(200).body("ok"))
        .post("/early", answer(413).early().close())
        .post("/mute", answer(417).no_continue().early());
    let expecting = "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let mut connection = client(&peer);
    connection.write(format!("POST /e HTTP/1.1\r\n{expecting}"));
    assert!(connection.raw_head().starts_with("HTTP/1.1 100 "));
    connection.write("abc");
    connection.response("POST").status(200).body("ok");
    let mut connection = client(&peer);
    connection.write("POST /early HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
    connection.response("POST").status(413);
    connection.closed();
    client(&peer).send(format!("POST /mute HTTP/1.1\r\n{expecting}")).status(417);
    assert!(!peer.requests().pop().expect("a request").complete);
}

#[test]
fn silence_delay_and_drip() {
    let peer = backend()
        .get("/never", silence())
        .get("/late", answer(200).body("x").after(ms(60)))
        .get("/drip", answer(200).body("abcdefgh").drip(8, ms(1)));
    let mut connection = client(&peer);
    connection.write(get("/never"));
    connection.quiet_for(ms(50));
    drop(connection);
    peer.wait_abandoned(1);
    let start = Instant::now();
    client(&peer).send(get("/late")).body("x");
    assert!(start.elapsed() >= ms(60));
    client(&peer).send(get("/drip")).body("abcdefgh");
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let peer = backend().get("/slow", answer(200).body("x").after(ms(20_000)));
    let mut gone = client(&peer);
    gone.write(get("/slow"));
    peer.wait_for(1);
    gone.reset();
    peer.wait_abandoned(1);
    until("the connection is off the list", || peer.open_connections() == 0);
}

#[test]
fn pipelined_requests_are_all_recorded() {
    let peer = backend().on("/p/*", echo());
    let mut connection = client(&peer);
    let all: String = (0..20).map(|n| get(&format!("/p/{n}"))).collect();
    connection.write(all);
    for n in 0..20 {
        let found = connection.response("GET");
        let expected = json!({"method": "GET", "target": format!("/p/{n}"),
            "headers": [["host", "b"]], "body": ""});
        found.json(&expected.to_string());
    }
    connection.finish().closed();
    assert_eq!(peer.requests().len(), 20);
}

#[test]
fn connections_that_die_when_used_again() {
    let peer = backend().get("/a", "1").dies_after(1);
    let mut connection = client(&peer);
    connection.send(get("/a")).status(200);
    connection.write(get("/a"));
    connection.closed();
    let peer = backend().get("/a", "1").closes_after(2);
    let mut connection = client(&peer);
    connection.send(get("/a")).status(200);
    connection.send(get("/a")).status(200);
    connection.closed();
}

#[test]
fn raw_moves() {
    let peer = backend().get(
        "/x",
        crate::support::Answer::steps_are([
            Step::SendTimes(b"HTTP/1.1 102 x\r\n\r\n".to_vec(), 3),
            Step::Send(b"HTTP/1.1 200 OK\r\n\r\nbody".to_vec()),
            Step::HalfClose,
            Step::Hang,
        ]),
    );
    let mut connection = client(&peer);
    let found = connection.send(get("/x"));
    found.body("body");
    assert_eq!(found.interim, [102, 102, 102]);
}

#[test]
fn tls_with_an_authority_of_its_own() {
    let identity = tls::identity(&["localhost"]);
    let peer = backend().get("/t", "secret").tls(&identity);
    let mut roots = rustls::RootCertStore::empty();
    let mut pem = identity.authority_pem.as_bytes();
    let der = rustls::pki_types::CertificateDer::from_pem_reader(&mut pem).expect("a certificate");
    roots.add(der).expect("a root");
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = rustls::ClientConnection::new(
        std::sync::Arc::new(config),
        "localhost".try_into().expect("a name"),
    )
    .expect("a session");
    let socket = std::net::TcpStream::connect(peer.address).expect("a connection");
    let mut stream = rustls::StreamOwned::new(session, socket);
    stream.write_all(get("/t").as_bytes()).expect("written");
    let mut incoming = crate::support::wire::Incoming::new(stream);
    let found = crate::support::Response::read(&mut incoming, "GET").expect("a response");
    found.status(200).body("secret");
}

#[test]
fn escaped_bytes_are_readable() {
    assert_eq!(escaped(b"a\r\n\t\\\x00\xff"), "a\\r\\n\n\\t\\\\\\x00\\xff");
}

/// Not a test of its own: what the child of the next one does.
#[test]
fn io_uring_probe() {
    if std::env::var_os("RINGWAY_TEST_PROBE").is_none() {
        return;
    }
    // SAFETY: with a null pointer the call fails before it touches any memory.
    let result = unsafe { libc::syscall(425, 1, std::ptr::null_mut::<u8>()) };
    let errno = std::io::Error::last_os_error().raw_os_error();
    assert_eq!(result, -1);
    println!("errno of io_uring_setup: {errno:?}");
}

#[test]
fn io_uring_can_be_forbidden_to_a_child() {
    for errno in [libc::ENOSYS, libc::EPERM] {
        let mut probe = std::process::Command::new(std::env::current_exe().expect("a path"));
        probe.args(["harness::io_uring_probe", "--exact", "--nocapture"]);
        probe.env("RINGWAY_TEST_PROBE", "1");
        crate::support::seccomp::forbid_io_uring(&mut probe, errno);
        let output = probe.output().expect("the probe runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("errno of io_uring_setup: Some({errno})")), "{text}");
    }
}

//! Backends whose TLS is not what it should be (docs/reference/hardening.md 4.1): each case has a
//! label of its own, and nothing is ever sent in the clear instead.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest};
use crate::support::config::call_to;
use crate::support::{Backend, backend, call, json, ms, tls, until};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};

both_drivers! {
    backend_tls_each_fault_has_its_label,
    backend_tls_next_host_after_a_bad_certificate,
    backend_tls_stalled_handshake_ends_with_the_endpoint,
}

/// A listener that answers a ClientHello with these bytes, then closes or stays silent.
struct Raw {
    port: u16,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    left: Arc<Mutex<usize>>,
}

fn raw(reply: &'static [u8], stays: bool) -> Raw {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let (seen, left) = (Arc::default(), Arc::default());
    let raw = Raw { port, seen: Arc::clone(&seen), left: Arc::clone(&left) };
    // Ends with the process: nobody joins a thread that waits for connections.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (seen, left) = (Arc::clone(&seen), Arc::clone(&left));
            std::thread::spawn(move || {
                let mut bytes = vec![0; 16 * 1024];
                let n = stream.read(&mut bytes).unwrap_or(0);
                bytes.truncate(n);
                seen.lock().expect("no panic holds it").push(bytes);
                let _ = stream.write_all(reply);
                if stays {
                    let mut rest = Vec::new();
                    let _ = stream.read_to_end(&mut rest);
                    *left.lock().expect("no panic holds it") += 1;
                }
            });
        }
    });
    raw
}

impl Raw {
    fn host(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Every connection began with a TLS record, and none carried a request in the clear.
    #[track_caller]
    fn saw_tls_alone(&self) {
        let seen = self.seen.lock().expect("no panic holds it");
        assert!(!seen.is_empty());
        for bytes in seen.iter() {
            assert_eq!(bytes.first(), Some(&0x16), "{}", crate::support::escaped(bytes));
        }
    }
}

fn backend_tls_each_fault_has_its_label() {
    let names = &["localhost", "127.0.0.1"];
    let trusted = tls::identity(names);
    let expired = tls::identity_until(names, 2020);
    let misnamed = tls::identity(&["elsewhere.example"]);
    let unknown = tls::identity(names);
    let old = tls::identity(names).tls12_only();
    let listen = |identity: &tls::Identity| backend().on("/a", r#"{"a":1}"#).tls(identity);
    let peers: [Backend; 5] = [&trusted, &expired, &misnamed, &unknown, &old].map(listen);
    let [good, out_of_time, other_name, no_issuer, too_old] = &peers;
    let plain = raw(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", false);
    let closes = raw(b"", false);
    let noise = raw(&[0xab; 512], false);
    // Fatal alerts: protocol_version, handshake_failure, internal_error.
    let version = raw(b"\x15\x03\x01\x00\x02\x02\x46", false);
    let no_suite = raw(b"\x15\x03\x03\x00\x02\x02\x28", false);
    let internal = raw(b"\x15\x03\x03\x00\x02\x02\x50", false);
    let cases = [
        ("/good", good.host(), "ok"),
        ("/expired", out_of_time.host(), "backend_tls_expired"),
        ("/misnamed", other_name.host(), "backend_tls_wrong_name"),
        ("/unknown", no_issuer.host(), "backend_tls_untrusted"),
        ("/old", too_old.host(), "backend_tls_version"),
        ("/version-alert", version.host(), "backend_tls_version"),
        ("/no-suite", no_suite.host(), "backend_tls_version"),
        ("/internal", internal.host(), "backend_tls_failed"),
        ("/plain", plain.host(), "backend_tls_failed"),
        ("/closes", closes.host(), "backend_tls_failed"),
        ("/noise", noise.host(), "backend_tls_failed"),
    ];
    let roots = json!(["trusted.pem", "expired.pem", "misnamed.pem", "old.pem"]);
    for profile in Profile::BOTH {
        let mut builder = profile
            .gateway()
            .file("trusted.pem", trusted.authority_pem.clone())
            .file("expired.pem", expired.authority_pem.clone())
            .file("misnamed.pem", misnamed.authority_pem.clone())
            .file("old.pem", old.authority_pem.clone())
            .service("client_tls", json!({"ca_certs": roots, "disable_system_ca_pool": true}))
            .service("timeout", "10s");
        for (path, host, _) in &cases {
            builder = builder.endpoint(path, [call_to(host, "/a")]);
            builder = builder.endpoint(&format!("/s{path}"), [call_to(host, "/a")]).noop();
        }
        let mut site = Site::start(builder);
        for (path, _, label) in &cases {
            for route in [(*path).to_owned(), format!("/s{path}")] {
                let found = site.get(&route);
                if *label == "ok" {
                    found.status(200).body(r#"{"a":1}"#);
                } else {
                    assert!(found.code == profile.status(502), "{route}: {found}");
                    found.completed(false).body("");
                }
                site.counted(&route, label, 1);
            }
        }
        site.settled();
    }
    for peer in &peers[1..] {
        assert!(peer.requests().is_empty(), "not a byte without trust");
    }
    for peer in [&plain, &closes, &noise, &version, &no_suite, &internal] {
        peer.saw_tls_alone();
    }
}

fn backend_tls_next_host_after_a_bad_certificate() {
    let names = &["localhost", "127.0.0.1"];
    let (good, bad) = (tls::identity(names), tls::identity_until(names, 2020));
    let one = backend().on("/a", r#"{"a":1}"#).tls(&good);
    let two = backend().on("/a", r#"{"a":2}"#).tls(&bad);
    let roots = json!({"ca_certs": ["good.pem", "bad.pem"], "disable_system_ca_pool": true});
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .file("good.pem", good.authority_pem.clone())
            .file("bad.pem", bad.authority_pem.clone())
            .service("client_tls", roots)
            .service("timeout", "10s")
            .endpoint("/a", [call(&one, "/a").hosts(&[&two.host(), &one.host()])]),
    );
    for _ in 0..20 {
        site.get("/a").status(200).body(r#"{"a":1}"#);
    }
    assert!(two.requests().is_empty());
    site.settled();
}

fn backend_tls_stalled_handshake_ends_with_the_endpoint() {
    // Silent at once, or after the first bytes of a record.
    for reply in [&b""[..], b"\x16\x03\x03\x40"] {
        let peer = raw(reply, true);
        let slow = honest();
        for (n, profile) in Profile::BOTH.into_iter().enumerate() {
            let mut site = Site::start(
                profile
                    .gateway()
                    .endpoint("/a", [call_to(&peer.host(), "/a")])
                    .timeout(ms(300))
                    .endpoint("/other", [call(&slow, "/a")])
                    .input_query_strings(&["id"]),
            );
            site.get("/a").status(profile.status(504)).completed(false).body("");
            site.counted("/a", "backend_timeout", 1);
            site.honest("/other");
            // The half handshake is given up, and the backend sees it.
            until("its end is seen", || *peer.left.lock().expect("no panic holds it") > n);
            site.settled();
        }
        peer.saw_tls_alone();
    }
}

/// The handshake's own deadline is 10 s and no key moves it: one driver, both profiles at once.
#[test]
fn backend_tls_stalled_handshake_has_its_own_deadline() {
    let peer = raw(b"", true);
    std::thread::scope(|scope| {
        for profile in Profile::BOTH {
            let peer = &peer;
            scope.spawn(move || {
                let builder = profile.gateway().service("timeout", "60s");
                let mut site = Site::start(builder.endpoint("/a", [call_to(&peer.host(), "/a")]));
                site.get("/a").status(profile.status(504)).completed(false).body("");
                site.counted("/a", "backend_tls_timeout", 1);
                site.settled();
            });
        }
    });
}

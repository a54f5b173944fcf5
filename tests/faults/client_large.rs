//! Requests without measure (docs/reference/hardening.md 4.2): refused at the cap, holding no more
//! than the cap, and no backend hears of them.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest};
use crate::support::metrics::CHARGED_BYTES;
use crate::support::{backend, call, json};

both_drivers! {
    client_huge_heads,
    client_huge_body_where_it_is_held,
    client_body_without_end,
    client_pipelines_ten_thousand,
}

fn client_huge_heads() {
    let peer = honest();
    let mut site = Site::start(
        Profile::Safe.gateway().endpoint("/a", [call(&peer, "/a")]).input_query_strings(&["id"]),
    );
    let get = "GET /a HTTP/1.1\r\nHost: gw\r\n";
    for (what, request, status) in [
        ("a target of 1 MiB", format!("GET /{} HTTP/1.1\r\n\r\n", "u".repeat(1 << 20)), 414),
        ("a query of 1 MiB", format!("GET /a?{} HTTP/1.1\r\n\r\n", "q".repeat(1 << 20)), 414),
        ("10,000 fields", format!("{get}{}\r\n", "X: 1\r\n".repeat(10_000)), 431),
        ("a field of 1 MiB", format!("{get}X: {}\r\n\r\n", "v".repeat(1 << 20)), 431),
        ("a name of 1 MiB", format!("{get}{}: 1\r\n\r\n", "N".repeat(1 << 20)), 431),
        ("a head without end", format!("{get}{}", "X-Long: 0123456789\r\n".repeat(50_000)), 431),
        ("a method of 1 MiB", format!("{} /a HTTP/1.1\r\n\r\n", "M".repeat(1 << 20)), 400),
    ] {
        let mut client = site.gw.connect();
        // The gateway reads a little past the cap and ends: most of it is never taken.
        client.try_write(&request);
        site.counts(1);
        match client.try_response("GET") {
            Ok(found) => {
                let fits = found.code == status || found.code == 400;
                assert!(fits, "{what}: {found}");
                assert!(client.rest().is_empty(), "{what}: something after the refusal");
            }
            // The reset of what nobody read may overtake the answer.
            Err(broken) => {
                assert!(broken == crate::support::wire::Broken::Reset, "{what}: {broken:?}")
            }
        }
        let named =
            site.outcomes("unrouted", "head_too_large") + site.outcomes("unrouted", "bad_request");
        assert!(named >= 1, "{what}");
        site.canary();
    }
    assert!(peer.requests().is_empty());
    site.settled();
}

fn client_huge_body_where_it_is_held() {
    let peer = backend().on("/up", "{}");
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .ringway("limits", json!({"body_bytes": "1MiB"}))
                .endpoint("/held", [call(&peer, "/up"), call(&peer, "/up")])
                .method("POST"),
        );
        // Announced as too long: refused before any of it is read.
        let mut client = site.gw.connect();
        client.write("POST /held HTTP/1.1\r\nHost: gw\r\nContent-Length: 1048577\r\n\r\n");
        site.counts(1);
        client.response("POST").status(413);
        // At the limit: taken.
        let body = "b".repeat(1 << 20);
        let length = body.len();
        let whole =
            format!("POST /held HTTP/1.1\r\nHost: gw\r\nContent-Length: {length}\r\n\r\n{body}");
        site.send(whole).status(200);
        drop(client);
        assert_eq!(peer.take().len(), 2);
        site.counted("/held", "body_too_large", 1);
        site.settled();
    }
}

fn client_body_without_end() {
    let peer = backend().on("/up", "{}");
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .ringway("limits", json!({"body_bytes": "1MiB"}))
            .endpoint("/held", [call(&peer, "/up"), call(&peer, "/up")])
            .method("POST"),
    );
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 65536], b"\r\n"].concat();
    let before = site.gw.rss_kib();
    let mut client = site.gw.connect();
    client.write("POST /held HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut most: f64 = 0.0;
    let mut taken = 0;
    while taken < 2000 && client.try_write(&chunk) {
        taken += 1;
        if taken % 16 == 0 {
            most = most.max(site.gw.metrics().sum(CHARGED_BYTES, &[]));
        }
    }
    assert!(taken < 2000, "125 MiB were taken");
    assert!(most <= (4 << 20) as f64, "{most} bytes were held of a body of at most 1 MiB");
    site.counts(1);
    if let Ok(found) = client.try_response("POST") {
        found.status(413);
    }
    drop(client);
    site.counted("/held", "body_too_large", 1);
    let grown = site.gw.rss_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "RSS grew by {grown} KiB");
    assert!(peer.requests().is_empty());
    site.settled();
}

fn client_pipelines_ten_thousand() {
    const REQUESTS: usize = 10_000;
    let peer = honest();
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .ringway("limits", json!({"connection_requests": 20_000}))
            .router("disable_access_log", false)
            .endpoint("/a", [call(&peer, "/a")])
            .input_query_strings(&["id"]),
    );
    let mut client = site.gw.connect();
    let mut writer = client.stream().try_clone().expect("a second handle");
    let all: String =
        (0..REQUESTS).map(|n| format!("GET /a?id=p{n} HTTP/1.1\r\nHost: gw\r\n\r\n")).collect();
    let writing =
        std::thread::spawn(move || std::io::Write::write_all(&mut writer, all.as_bytes()));
    let mut most: f64 = 0.0;
    for n in 0..REQUESTS {
        if n % 1000 == 0 {
            most = most.max(site.gw.metrics().sum(CHARGED_BYTES, &[]));
        }
        client.response("GET").status(200).body(format!(r#"{{"id":"p{n}"}}"#));
    }
    site.counts(REQUESTS as u64);
    writing.join().expect("the writer ends").expect("all is written");
    // What is not answered yet waits in the kernel, not here.
    assert!(most <= (1 << 20) as f64, "{most} bytes were held");
    drop(client);
    site.settled();
}

//! Queries and redirects: rows C11 and C12 of docs/reference/hardening.md.

use crate::both_drivers;
use crate::stage::Stage;
use crate::support::call;

both_drivers! {
    c11_many_parameters,
    c11_one_way_to_read_a_query,
    c12_redirects_stay_here,
}

fn queries() -> Stage {
    Stage::with(|builder, peer| {
        builder
            .endpoint("/all", [call(peer, "/f/all")])
            .input_query_strings(&["*"])
            .endpoint("/some", [call(peer, "/f/some")])
            .input_query_strings(&["a", "a b"])
            .endpoint("/fixed", [call(peer, "/f/fixed?own=1")])
            .input_query_strings(&["*"])
            .endpoint("/dir/", [call(peer, "/f/dir")])
    })
}

fn c11_many_parameters() {
    let stage = queries();
    let query = |n: usize| vec!["a=1"; n].join("&");
    stage.gw.get(&format!("/all?{}", query(256))).status(200);
    assert_eq!(stage.seen()[0].target, format!("/f/all?{}", query(256)));
    for (what, target) in [
        ("257", format!("/all?{}", query(257))),
        ("2,000", format!("/all?{}", query(2000))),
        ("separators alone", format!("/all?{}", "&".repeat(300))),
        ("where the query is not read", format!("/f/1?{}", query(257))),
        ("of no route", format!("/none?{}", query(257))),
    ] {
        stage.rejects_with(what, format!("GET {target} HTTP/1.1\r\nHost: gw\r\n\r\n"), &[400]);
    }
    let bytes = format!("GET /all?{} HTTP/1.1\r\nHost: gw\r\n\r\n", query(10_000));
    // Too long before it is too much.
    stage.rejects_with("10,000", bytes, &[414]);
    let stage = Stage::with(|builder, peer| {
        builder.endpoint("/all", [call(peer, "/f/all")]).input_query_strings(&["*"]).ringway(
            "limits",
            crate::support::json!({"target_bytes": "60KiB", "line_bytes": "62KiB"}),
        )
    });
    let bytes = format!("GET /all?{} HTTP/1.1\r\nHost: gw\r\n\r\n", query(10_000));
    stage.rejects_with("10,000 that fit", bytes, &[400]);
}

/// What passes is what was counted and what a filter saw: parsed once, written anew, sorted by name,
/// values in their order.
fn c11_one_way_to_read_a_query() {
    let stage = queries();
    for (sent, all, some) in [
        ("a=1&a=2", "?a=1&a=2", "?a=1&a=2"),
        ("b=1&a=2&b=3", "?a=2&b=1&b=3", "?a=2"),
        // `;` separates nothing: Go drops such a pair, and so do we.
        ("a=1;b=2", "", ""),
        ("a=1;b=2&c=3", "?c=3", ""),
        ("a=1%3Bb=2", "?a=1%3Bb%3D2", "?a=1%3Bb%3D2"),
        ("a=1%26b=2", "?a=1%26b%3D2", "?a=1%26b%3D2"),
        ("a=%zz&c=3", "?c=3", ""),
        ("a=%&c=3", "?c=3", ""),
        ("%61=1", "?a=1", "?a=1"),
        ("%2561=1", "?%2561=1", ""),
        ("a%00=1", "?a%00=1", ""),
        ("a+b=1", "?a+b=1", "?a+b=1"),
        ("a%20b=1", "?a+b=1", "?a+b=1"),
        ("A=1", "?A=1", ""),
        ("a=1&&&", "?a=1", "?a=1"),
        ("a", "?a=", "?a="),
        ("a=%0d%0aX:%20y", "?a=%0D%0AX%3A+y", "?a=%0D%0AX%3A+y"),
        ("a[]=1", "?a%5B%5D=1", ""),
        ("", "", ""),
    ] {
        stage.gw.get(&format!("/all?{sent}")).status(200);
        stage.gw.get(&format!("/some?{sent}")).status(200);
        stage.gw.get(&format!("/f/1?{sent}")).status(200);
        let seen = stage.seen();
        let targets: Vec<_> = seen.iter().map(|request| request.target.as_str()).collect();
        let expected = [format!("/f/all{all}"), format!("/f/some{some}"), "/f/1".to_owned()];
        assert_eq!(targets, expected, "{sent}");
        stage.canary();
        stage.peer.take();
    }
    // A client's parameter stands behind the operator's and does not replace it.
    stage.gw.get("/fixed?own=2&b=1").status(200);
    assert_eq!(stage.seen()[0].target, "/f/fixed?own=1&b=1&own=2");
}

/// A path that another site's URL could be made of: the location is a path of ours, with one slash.
fn c12_redirects_stay_here() {
    let stage = queries();
    let prefixes =
        ["", "//evil.com", "/\\evil.com", "https://evil.com", "evil.com/..//", "%2f%2fevil"];
    let mut n_redirects = 0;
    for path in [
        "//evil.com/%2e%2e",
        "//evil.com/..",
        "//evil.com/../dir",
        "//evil.com/%2e%2e/dir",
        "//dir",
        "///dir",
        "//dir/",
        "/%2fdir",
        "/%2f%2fdir/",
        "/\\evil.com/../dir",
        "/%5cevil.com/../dir",
        "/%5c/../dir",
        "/dir",
        "/DIR/",
        "/dir//",
        "/all/",
        "/all//",
        "//all",
        "/evil.com/../..//all/",
        "/%09/../dir",
        "/%0d%0aLocation:%20x/../dir",
        "/dir?//evil.com",
        "/dir?%0d%0aX:y",
    ] {
        for prefix in prefixes {
            for host in ["gw", "evil.com"] {
                let field = format!("X-Forwarded-Prefix: {prefix}\r\n");
                let field = if prefix.is_empty() { "" } else { &field };
                let found =
                    stage.gw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{field}\r\n"));
                if let Some(location) = found.field("location") {
                    n_redirects += 1;
                    assert!(found.code == 301, "{path}: {found}");
                    let mut bytes = location.bytes();
                    assert!(
                        bytes.next() == Some(b'/')
                            && !matches!(bytes.next(), Some(b'/' | b'\\'))
                            && location.bytes().all(|byte| byte.is_ascii_graphic())
                            && !location.split('?').next().unwrap_or_default().contains("//"),
                        "{path} with {prefix:?} leads to {location}"
                    );
                } else {
                    assert!(matches!(found.code, 200 | 400 | 404), "{path}: {found}");
                }
                found.no_header("x");
            }
        }
        stage.canary();
        stage.peer.take();
    }
    assert!(n_redirects > 100, "{n_redirects} redirects: the test tests nothing");
}

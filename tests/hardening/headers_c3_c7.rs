//! Fields that a client must not say: rows C3 to C7 of docs/reference/hardening.md, in the profiles
//! `krakend` and `safe`.

use crate::both_drivers;
use crate::stage::{PROFILES, Stage, get};
use crate::support::config::GatewayBuilder;
use crate::support::{Recorded, backend, call, echo, embed, gateway, json};
use ringway::{Level, Node, PlanCx, Policy, Registration, RequestCx, Stage as Place, Verdict};
use std::sync::Arc;

both_drivers! {
    c3_underscores_that_alias_our_fields,
    c3_underscores_that_alias_a_policys_field,
    c4_nominations_do_not_delete_our_fields,
    c5_whose_address_counts,
    c5_odd_lists_of_addresses,
    c5_what_else_says_where_it_comes_from,
    c5_prefixes_of_redirects,
    c6_internal_fields_of_clients,
    c6_internal_fields_of_backends,
    c7_several_values,
}

fn profiled(profile: &str) -> Stage {
    Stage::with(|builder, _| in_profile(builder, profile))
}

fn in_profile(builder: GatewayBuilder, profile: &str) -> GatewayBuilder {
    if profile == "safe" { builder.ringway("profile", "safe") } else { builder }
}

/// What the backend saw of `GET /f/1` with these lines.
#[track_caller]
fn seen(stage: &Stage, lines: &str) -> Recorded {
    stage.passes(lines, get(lines)).1
}

fn names(request: &Recorded) -> Vec<String> {
    request.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
}

/// Names with `_` are dropped where a backend that reads `_` as `-` would take them for a field that
/// we set, that ends here, or that says where a request came from. Others pass: KrakenD passes them,
/// and files rely on it.
fn c3_underscores_that_alias_our_fields() {
    for profile in PROFILES {
        let stage = profiled(profile);
        for name in [
            "X_Forwarded_For",
            "x_forwarded_for",
            "X-Forwarded_For",
            "X_Forwarded-For",
            "X_Forwarded_Host",
            "X_Forwarded_Via",
            "X_Forwarded_Proto",
            "X_Forwarded_Port",
            "X_Forwarded_Prefix",
            "X_Real_Ip",
            "User_Agent",
            "Accept_Encoding",
            "Content_Length",
            "Transfer_Encoding",
            "Keep_Alive",
            "Proxy_Authorization",
            "Proxy_Connection",
            "Http2_Settings",
        ] {
            let request = seen(&stage, &format!("{name}: 127.0.0.1\r\nX-Stays: s\r\n"));
            let aliases = names(&request).iter().any(|name| name.contains('_'));
            assert!(!aliases, "{name}, {profile}: {:?}", names(&request));
            assert_eq!(request.field("x-stays"), Some("s"));
            assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"), "{name}, {profile}");
        }
        let request = seen(&stage, "X_Own: 1\r\nmy_field: 2\r\n_: 3\r\nX__Forwarded__For: 4\r\n");
        for (name, value) in [("x_own", "1"), ("my_field", "2"), ("_", "3")] {
            assert_eq!(request.field(name), Some(value), "{profile}");
        }
        // The alias is no help against the real one either.
        let request = seen(&stage, "Content_Length: 5\r\nTransfer_Encoding: chunked\r\n");
        assert!(request.body.is_empty());
    }
}

/// Sets the field that claim propagation will set, and removes another.
struct SetsUser;

impl Policy for SetsUser {
    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        cx.set_header("X-User-Id", "7");
        cx.set_header("X-Internal-Role", "");
        Verdict::Continue
    }
}

fn sets_user(_: &Node<'_>, _: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    Some(Arc::new(SetsUser))
}

fn c3_underscores_that_alias_a_policys_field() {
    const OWN: Registration =
        Registration::new("test/user", Place::Handler, Level::ENDPOINT, sets_user);
    for profile in PROFILES {
        let peer = backend().on("/f/*", echo());
        let builder = in_profile(gateway().one_worker(), profile)
            .endpoint("/f/{id}", [call(&peer, "/f/{id}")])
            .input_headers(&["*"])
            .extra("test/user", json!({}));
        let gw = embed(builder, &[OWN]);
        for name in ["X-User-Id", "x_user_id", "X_User-Id", "X-User_Id"] {
            gw.send(get(&format!("{name}: admin\r\nX_Internal_Role: root\r\nX_Other: o\r\n")))
                .status(200);
            let request = peer.take().remove(0);
            let users: Vec<_> = request
                .fields
                .iter()
                .filter(|(name, _)| name.replace('_', "-").eq_ignore_ascii_case("x-user-id"))
                .collect();
            assert_eq!(users.len(), 1, "{name}, {profile}: {users:?}");
            assert_eq!(request.field("x-user-id"), Some("7"), "{name}, {profile}");
            assert_eq!(request.field("x_internal_role"), None, "{name}, {profile}");
            assert_eq!(request.field("x_other"), Some("o"), "{name}, {profile}");
        }
    }
}

fn c4_nominations_do_not_delete_our_fields() {
    for profile in PROFILES {
        let stage = profiled(profile);
        let lines = "Connection: close, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Via, X-Real-IP, \
                     Authorization, X-User, User-Agent, Accept-Encoding, Host, Content-Type\r\n\
                     Authorization: a\r\nX-User: u\r\nContent-Type: text/x\r\nUser-Agent: mine\r\n";
        let request = seen(&stage, lines);
        for (name, value) in [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "gw"),
            ("authorization", "a"),
            ("content-type", "text/x"),
            ("host", &*stage.peer.address.to_string()),
        ] {
            assert_eq!(request.field(name), Some(value), "{name}, {profile}");
        }
        // The client's own fields are its own to remove; ours take their place.
        assert_eq!(request.field("x-user"), None);
        assert!(request.field("user-agent").is_some_and(|agent| agent != ""), "{profile}");
        // And a policy's field stands behind the nomination of the client's.
        let request = seen(&stage, "Connection: X-Forwarded-For\r\nX-Forwarded-For: 9.9.9.9\r\n");
        let expected = if profile == "safe" { "127.0.0.1" } else { "9.9.9.9" };
        assert_eq!(request.field("x-forwarded-for"), Some(expected), "{profile}");
    }
}

/// The address that the backend is told, which is the one that limits count by: rightmost that no
/// proxy of ours is; from a peer that is none of ours, the peer.
fn c5_whose_address_counts() {
    let spoofed = "127.0.0.1, 8.8.8.8";
    for (what, profile, trusted, sent, expected) in [
        ("krakend trusts everybody", "krakend", None, spoofed, "127.0.0.1"),
        ("safe trusts nobody", "safe", None, spoofed, "127.0.0.1"),
        ("krakend, the leftmost", "krakend", None, "1.1.1.1, 8.8.8.8", "1.1.1.1"),
        ("safe, the peer", "safe", None, "1.1.1.1, 8.8.8.8", "127.0.0.1"),
        ("from an untrusted peer", "krakend", Some("10.0.0.0/8"), "1.1.1.1", "127.0.0.1"),
        ("from an untrusted peer", "safe", Some("10.0.0.0/8"), "1.1.1.1", "127.0.0.1"),
        ("from a trusted peer", "krakend", Some("127.0.0.0/8"), "1.1.1.1, 8.8.8.8", "8.8.8.8"),
        ("from a trusted peer", "safe", Some("127.0.0.1"), "1.1.1.1, 8.8.8.8", "8.8.8.8"),
        ("behind a proxy of ours", "safe", Some("127.0.0.0/8"), "1.1.1.1, 127.0.0.9", "1.1.1.1"),
        ("only proxies of ours", "safe", Some("127.0.0.0/8"), "127.0.0.8, 127.0.0.9", "127.0.0.8"),
    ] {
        let stage = Stage::with(|builder, _| {
            let builder = in_profile(builder, profile);
            match trusted {
                Some(block) => builder.router("trusted_proxies", json!([block])),
                None => builder,
            }
        });
        let request = seen(&stage, &format!("X-Forwarded-For: {sent}\r\n"));
        assert_eq!(request.field("x-forwarded-for"), Some(expected), "{what}, {profile}: {sent}");
        // Several lines are one list.
        let lines: String =
            sent.split(", ").map(|one| format!("X-Forwarded-For: {one}\r\n")).collect();
        let request = seen(&stage, &lines);
        assert_eq!(request.field("x-forwarded-for"), Some(expected), "{what}, {profile}: lines");
    }
}

fn c5_odd_lists_of_addresses() {
    let long = |last: &str| {
        let mut list: Vec<String> =
            (0..199).map(|n| format!("9.9.{}.{}", n / 100, n % 100)).collect();
        list.push(last.to_owned());
        list.join(", ")
    };
    let trusting = |profile: &str| {
        Stage::with(|builder, _| {
            in_profile(builder, profile).router("trusted_proxies", json!(["127.0.0.0/8", "::1"]))
        })
    };
    for profile in PROFILES {
        let stage = trusting(profile);
        for (sent, expected) in [
            (long("8.8.8.8"), "8.8.8.8"),
            (long("127.0.0.2"), "9.9.1.98"),
            ("2001:db8::1".to_owned(), "2001:db8::1"),
            ("8.8.8.8, 2001:db8::1, ::1".to_owned(), "2001:db8::1"),
            // With a port, in brackets, or junk: the list is worth nothing, as in gin.
            ("8.8.8.8:80".to_owned(), "127.0.0.1"),
            ("[2001:db8::1]".to_owned(), "127.0.0.1"),
            ("[2001:db8::1]:80".to_owned(), "127.0.0.1"),
            ("unknown".to_owned(), "127.0.0.1"),
            ("_hidden".to_owned(), "127.0.0.1"),
            ("1.1.1.1, junk".to_owned(), "127.0.0.1"),
            ("1.1.1.1,".to_owned(), "127.0.0.1"),
            (",".to_owned(), "127.0.0.1"),
            ("010.1.1.1".to_owned(), "127.0.0.1"),
            ("0x7f.1".to_owned(), "127.0.0.1"),
            ("1.1.1".to_owned(), "127.0.0.1"),
            ("1.1.1.1 2.2.2.2".to_owned(), "127.0.0.1"),
            ("<script>".to_owned(), "127.0.0.1"),
            // What stands left of the answer is not looked at.
            ("junk, 8.8.8.8".to_owned(), "8.8.8.8"),
        ] {
            let request = seen(&stage, &format!("X-Forwarded-For: {sent}\r\n"));
            assert_eq!(request.field("x-forwarded-for"), Some(expected), "{sent}, {profile}");
        }
    }
    // From a peer that nobody trusts nothing of it counts.
    let stage = profiled("safe");
    for sent in [long("8.8.8.8"), "junk".to_owned(), "2001:db8::1".to_owned()] {
        let request = seen(&stage, &format!("X-Forwarded-For: {sent}\r\nX-Real-IP: {sent}\r\n"));
        assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"), "{sent}");
    }
}

/// Every other field of that kind. In KrakenD's profile they pass where a file lets them, as KrakenD
/// passes them; in `safe` the word of a peer that is not trusted ends here.
fn c5_what_else_says_where_it_comes_from() {
    let fields = [
        ("Forwarded", "for=1.1.1.1;host=evil;proto=https"),
        ("X-Real-Ip", "1.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Uri", "/public"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-User", "admin"),
        ("X-Forwarded-Server", "evil"),
    ];
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines =
        format!("{lines}X-Forwarded-Host: evil\r\nX-Forwarded-Via: evil\r\nUser-Agent: a\r\n");
    for (profile, trusted, passes) in [
        ("krakend", None, true),
        ("safe", None, false),
        ("safe", Some("10.0.0.0/8"), false),
        ("safe", Some("127.0.0.1"), true),
    ] {
        let stage = Stage::with(|builder, _| {
            let builder = in_profile(builder, profile);
            match trusted {
                Some(block) => builder.router("trusted_proxies", json!([block])),
                None => builder,
            }
        });
        let request = seen(&stage, &lines);
        for (name, value) in fields {
            let expected = passes.then_some(value);
            assert_eq!(request.field(name), expected, "{name}, {profile}, {trusted:?}");
        }
        // Ours, once, whatever the client said.
        assert_eq!(request.field("x-forwarded-host"), Some("gw"), "{profile}, {trusted:?}");
        let via = request.field("x-forwarded-via").expect("ours");
        assert!(via.starts_with("Ringway "), "{via}, {profile}, {trusted:?}");
    }
}

/// `X-Forwarded-Prefix` changes the location of a redirect: for trusted peers alone.
fn c5_prefixes_of_redirects() {
    for (profile, trusted, location) in [
        ("krakend", None, "/evil/dir/"),
        ("krakend", Some("10.0.0.0/8"), "/dir/"),
        ("safe", None, "/dir/"),
        ("safe", Some("127.0.0.1"), "/evil/dir/"),
    ] {
        let stage = Stage::with(|builder, peer| {
            let builder = in_profile(builder, profile).endpoint("/dir/", [call(peer, "/f/dir")]);
            match trusted {
                Some(block) => builder.router("trusted_proxies", json!([block])),
                None => builder,
            }
        });
        let found =
            stage.gw.send("GET /dir HTTP/1.1\r\nHost: gw\r\nX-Forwarded-Prefix: /evil\r\n\r\n");
        found.status(301).header("location", location);
    }
}

/// Every field by which a request could steer the gateway rather than its backend: a client's copy
/// does nothing. The names are those that the gateway reads, sets or was told to set.
fn c6_internal_fields_of_clients() {
    for profile in PROFILES {
        let stage = profiled(profile);
        let plain = stage.passes("plain", get(""));
        for (name, value) in [
            ("X-Krakend", "Version 1"),
            ("X-Krakend-Completed", "true"),
            ("X-Appengine-Remote-Addr", "9.9.9.9"),
            ("X-Forwarded-Via", "KrakenD"),
            ("X-Forwarded-Host", "evil"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-Method-Override", "DELETE"),
            ("X-Original-Url", "/admin"),
            ("X-Rewrite-Url", "/admin"),
            ("X-Envoy-Original-Path", "/admin"),
            ("X-Middleware-Subrequest", "middleware"),
            ("X-Accel-Redirect", "/admin"),
            ("X-Sendfile", "/etc/passwd"),
            ("X-Ringway", "1"),
            ("X-Ringway-Profile", "safe"),
            ("X-Ringway-Timeout", "1ms"),
            ("Grpc-Timeout", "1n"),
            ("Keep-Alive", "timeout=0"),
            ("Proxy-Connection", "close"),
            ("Te", "trailers"),
            ("Trailer", "Content-Length"),
            ("Http2-Settings", "AA"),
            ("Sec-Websocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("Location", "/admin"),
            ("Server", "evil"),
            ("Date", "Mon, 01 Jan 1990 00:00:00 GMT"),
            ("Content-Encoding", "gzip"),
            ("Retry-After", "1"),
        ] {
            let (found, request) = stage.passes(name, get(&format!("{name}: {value}\r\n")));
            assert_eq!(
                (&*request.method, &*request.target),
                ("GET", "/f/1"),
                "{name} changed the request, {profile}"
            );
            assert_eq!(found.code, plain.0.code, "{name}, {profile}");
            for ours in ["x-krakend", "x-krakend-completed", "server", "content-type", "location"] {
                assert_eq!(found.values(ours), plain.0.values(ours), "{name}, {ours}, {profile}");
            }
            for ours in ["x-forwarded-for", "x-forwarded-host", "host"] {
                assert_eq!(request.field(ours), plain.1.field(ours), "{name}, {ours}, {profile}");
            }
            assert_ne!(found.field("date"), Some("Mon, 01 Jan 1990 00:00:00 GMT"));
        }
    }
    // The fields that a file makes the gateway believe, it believes from those alone that the file
    // trusts: `app_engine` says that the platform sets its field.
    let stage = Stage::with(|builder, _| builder.router("app_engine", true));
    let request = seen(&stage, "X-Appengine-Remote-Addr: 9.9.9.9\r\n");
    assert_eq!(request.field("x-forwarded-for"), Some("9.9.9.9"));
    let stage = Stage::with(|builder, _| builder.router("remote_ip_headers", json!(["X-Custom"])));
    let request = seen(&stage, "X-Real-Ip: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\n");
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
}

/// The same from the other side: a backend cannot speak in the gateway's name.
fn c6_internal_fields_of_backends() {
    for profile in PROFILES {
        let stage = profiled(profile);
        let answer = crate::support::answer(200)
            .header("X-Krakend", "Version 1")
            .header("X-Krakend-Completed", "true")
            .header("X-Accel-Redirect", "/admin")
            .header("Upgrade", "h2c")
            .header("Keep-Alive", "timeout=0")
            .body("{}");
        stage.peer.set("/f/1", [answer]);
        let (found, _) = stage.passes("a backend's fields", get(""));
        let banners = found.values("x-krakend");
        assert!(banners.len() == 1 && banners[0].starts_with("Ringway "), "{banners:?}");
        assert_eq!(found.values("x-krakend-completed").len(), 1, "{profile}");
        found.no_header("upgrade").no_header("keep-alive");
    }
}

/// Nothing looks at one value while another passes: fields that frame, route or tell the client are
/// refused when they come twice, and of the others a backend sees every value, in order.
fn c7_several_values() {
    for profile in PROFILES {
        let stage = profiled(profile);
        for (what, lines) in [
            ("two Hosts", "Host: other\r\n"),
            ("two lengths", "Content-Length: 0\r\nContent-Length: 0\r\n"),
            ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            ("two expectations", "Expect: 100-continue\r\nExpect: 100-continue\r\n"),
        ] {
            stage.rejects(what, get(lines));
        }
        for name in ["Authorization", "X-Role", "Content-Type", "Origin", "Cookie", "X-Api-Key"] {
            let request =
                seen(&stage, &format!("{name}: one\r\nX-Between: b\r\n{name}: two,three\r\n"));
            let values: Vec<_> = request
                .fields
                .iter()
                .filter(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!(values, ["one", "two,three"], "{name}, {profile}");
        }
    }
}

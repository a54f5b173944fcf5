//! Whole files through the door: KrakenD's shapes are taken, what it refuses is refused, and what
//! people read is as it should be.

use super::load::{Loaded, Options, load};
use super::model::*;
use super::render;
use std::time::Duration;

fn loaded(name: &str, text: &str) -> Loaded {
    loaded_with(name, text, &[], &Options::default())
}

fn loaded_with(name: &str, text: &str, env: &[(&str, &str)], options: &Options) -> Loaded {
    let env: Vec<_> = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let files = |path: &str| match path {
        "ca.pem" | "key.pem" => Ok(b"secret".to_vec()),
        _ => Err("no such file".to_owned()),
    };
    load(&files, name, text.as_bytes(), &env, options)
}

fn told(text: &str) -> String {
    let loaded = loaded("gateway.json", text);
    render::plain(&loaded.diagnostics, &loaded.sources)
}

/// The service of a file that must be taken without a word.
fn service(text: &str) -> Service {
    let loaded = loaded("gateway.json", text);
    let told = render::plain(&loaded.diagnostics, &loaded.sources);
    assert!(loaded.diagnostics.is_empty(), "{told}");
    loaded.service.expect("no errors were told")
}

/// A file with one endpoint; `in_root`, `in_endpoint` and `in_backend` are further members.
fn one(in_root: &str, in_endpoint: &str, in_backend: &str) -> String {
    let backend = format!(r#"{{"url_pattern": "/b", "host": ["http://a:81"]{in_backend}}}"#);
    format!(
        "{{\"version\": 3{in_root},\n\"endpoints\": [\n  {{\"endpoint\": \"/e\"{in_endpoint},\n   \
         \"backend\": [{backend}]}}]}}"
    )
}

#[test]
fn defaults() {
    let service = service(&one("", "", ""));
    assert_eq!((service.port, service.listen_ip), (8080, None));
    assert_eq!(service.max_shutdown_wait_time, Duration::from_secs(30));
    assert_eq!(service.transport, Transport::default());
    assert_eq!(service.limits, Limits::default());
    assert_eq!(service.behaviour, Behaviour::of(Profile::Krakend));
    assert_eq!(service.router, Router::new(true));
    assert_eq!(service.logging, Logging { level: LogLevel::Debug, stdout: true, has_block: false });
    let endpoint = &service.endpoints[0];
    assert_eq!((endpoint.method, endpoint.timeout), (Method::Get, Duration::from_secs(2)));
    assert_eq!((endpoint.concurrent_calls, endpoint.cache_ttl), (1, Duration::ZERO));
    assert_eq!(endpoint.input_headers, Names::Only(vec!["Content-Type".into()]));
    assert_eq!(endpoint.input_query_strings, Names::Only(Vec::new()));
    assert_eq!(endpoint.output_encoding, OutputEncoding::Json);
    let backend = &endpoint.backends[0];
    assert_eq!((backend.method.as_str(), backend.encoding), ("GET", Encoding::Json));
    assert_eq!(backend.hosts[0].text, "http://a:81");
    assert_eq!(
        (backend.input_headers.clone(), backend.selection.clone()),
        (Names::All, Selection::default())
    );
}

#[test]
fn inheritance() {
    let service = service(
        r#"{"version": 3, "timeout": "250ms", "cache_ttl": "5s", "host": ["h/", "https://i"],
            "output_encoding": "string",
            "extra_config": {"ringway": {"profile": "safe", "statuses": "krakend",
              "json": {"sort_keys": true}}},
            "endpoints": [
              {"endpoint": "/a/{id}", "method": "post", "concurrent_calls": 3, "timeout": "0s",
               "backend": [{"url_pattern": "u/{id}?x={id}"},
                           {"url_pattern": "/v", "host": "j", "method": "get"}]},
              {"endpoint": "/b", "timeout": "1h", "cache_ttl": "0s", "output_encoding": "no-op",
               "extra_config": {"ringway": {"statuses": "rfc"}},
               "backend": [{"encoding": "json",
                 "extra_config": {"ringway": {"json": {"utf8": "replace"}}}}]}]}"#,
    );
    assert!(service.router.trusted_proxies.is_empty());
    let [first, second] = service.endpoints.as_slice() else { panic!("two endpoints") };
    assert_eq!((first.method, first.timeout), (Method::Post, Duration::from_millis(250)));
    assert_eq!(first.output_encoding, OutputEncoding::String);
    assert_eq!(first.behaviour.trailing, Trailing::Refuse);
    assert_eq!(first.behaviour.statuses, Statuses::Krakend);
    let [u, v] = first.backends.as_slice() else { panic!("two backends") };
    assert_eq!((u.method.as_str(), v.method.as_str(), u.concurrent_calls), ("POST", "GET", 3));
    assert_eq!(u.timeout, Duration::from_millis(250));
    let texts: Vec<_> = u.hosts.iter().map(|host| host.text.as_str()).collect();
    assert_eq!(texts, ["http://h", "https://i"]);
    assert_eq!(v.hosts[0].text, "http://j");
    assert_eq!(second.cache_ttl, Duration::from_secs(5));
    assert_eq!(second.behaviour.statuses, Statuses::Rfc);
    assert_eq!(second.backends[0].encoding, Encoding::NoOp);
    let behaviour = second.backends[0].behaviour;
    assert_eq!(
        (behaviour.utf8, behaviour.trailing, behaviour.sort_keys),
        (Utf8::Replace, Trailing::Refuse, true)
    );
}

#[test]
fn every_block_that_acts() {
    let service = service(
        r#"{"version": 3, "read_timeout": "5s", "idle_timeout": "9s", "max_header_bytes": 1048576,
            "dialer_keep_alive": "-1s", "max_idle_connections": 7, "listen_ip": "::1",
            "client_tls": {"ca_certs": ["ca.pem"], "min_version": "TLS12",
              "client_certs": [{"certificate": "ca.pem", "private_key": "key.pem"}]},
            "extra_config": {
              "github_com/luraproject/lura/router/gin": {"return_error_msg": true,
                "trusted_proxies": ["10.0.0.0/8"], "remote_ip_headers": ["x-real-ip"],
                "error_body": {"404": {"e": [1, 1.50, null]}}},
              "telemetry/logging": {"level": "info", "stdout": true},
              "ringway": {"workers": 2, "admin": "127.0.0.1:9901", "memory": "512MiB",
                "http1": {"half_close_grace": "inf"}, "limits": {"body_bytes": "1MiB", "head_timeout": "3s"}}},
            "endpoints": [{"endpoint": "/e", "backend": [{"url_pattern": "/b", "host": ["a"],
              "target": "a.b", "allow": ["c"], "group": "g", "mapping": {"a": "b.c", "k": "k"},
              "extra_config": {"backend/http": {"return_error_details": "x"},
                "backend/http/client": {"send_body_on_redirect": true},
                "github.com/devopsfaith/krakend/proxy": {"shadow": false}}}],
              "extra_config": {"proxy": {"sequential": false, "combiner": "default"}}}]}"#,
    );
    assert_eq!(service.limits.head_timeout, Duration::from_secs(5));
    assert_eq!(service.limits.keep_alive, Duration::from_secs(9));
    assert_eq!((service.limits.head_bytes, service.limits.target_bytes), (1 << 20, 65_535));
    assert_eq!(service.limits.body_bytes, 1 << 20);
    assert_eq!(service.transport.dialer_keep_alive, None);
    assert_eq!(service.transport.max_idle_connections, Some(7));
    assert_eq!(service.router.error_body.not_found.as_deref(), Some(r#"{"e":[1,1.50,null]}"#));
    assert_eq!(service.router.remote_ip_headers, ["X-Real-Ip"]);
    assert_eq!(service.router.trusted_proxies[0].prefix, 8);
    assert!(service.router.return_error_msg);
    assert_eq!(service.logging, Logging { level: LogLevel::Info, stdout: true, has_block: true });
    assert_eq!(service.ringway.workers, Some(2));
    assert_eq!(service.ringway.memory_bytes, Some(512 << 20));
    assert_eq!(service.behaviour.half_close_grace, HalfCloseGrace::Always);
    let tls = service.client_tls.as_ref().expect("it is there");
    assert_eq!((tls.min_version, tls.max_version), (TlsVersion::Tls12, TlsVersion::Tls13));
    assert_eq!(tls.client_certs.len(), 1);
    assert!(!format!("{tls:?}").contains("secret"));
    let backend = &service.endpoints[0].backends[0];
    assert_eq!(backend.error_return, ErrorReturn::Details { name: "x".into() });
    assert!(backend.send_body_on_redirect);
    assert_eq!(backend.selection.target, ["a", "b"]);
    assert_eq!(backend.selection.mapping, [("a".to_owned(), "b".to_owned())]);
}

#[test]
fn weak_typing() {
    let text = one(
        r#", "port": "0x1f90", "name": 5, "debug_endpoint": "1", "disable_keep_alives": 1,
           "timeout": 3000000000"#,
        r#", "input_headers": "x-a", "concurrent_calls": "2""#,
        r#", "is_collection": "true", "group": 7, "allow": {}"#,
    );
    let loaded = loaded("gateway.json", &text);
    let told = render::plain(&loaded.diagnostics, &loaded.sources);
    assert!(told.contains("timeout: 3000000000 is taken as nanoseconds"), "{told}");
    assert_eq!(loaded.diagnostics.len(), 1, "{told}");
    let service = loaded.service.expect("only a warning");
    assert_eq!((service.port, service.name.as_str()), (8080, "5"));
    assert!(service.debug_endpoint && service.transport.disable_keep_alives);
    assert_eq!(service.timeout, Duration::from_secs(3));
    assert_eq!(service.endpoints[0].concurrent_calls, 2);
    let backend = &service.endpoints[0].backends[0];
    assert!(backend.is_collection);
    assert_eq!(backend.selection.group.as_deref(), Some("7"));
}

#[test]
fn a_line_for_each_refusal() {
    insta::assert_snapshot!(
        told(&one("", r#", "timeout": "2 s""#, "")),
        @r#"gateway.json:3:33: error: endpoints[0].timeout: "2 s" is not a duration; allowed: such as "2s" or "500ms""#
    );
    // Everything at once, in the order of the file.
    insta::assert_snapshot!(told(
        r#"{"version": 2, "port": 70000, "timout": "3s", "listen_ip": "localhost", "timeout": "-1s",
 "tls": {"public_key": "x"}, "host": ["http://a/b"], "cache_ttl": "100000h",
 "extra_config": {"security/cors": {}, "security/corz": {}, "auth/validator": {"x": 1},
   "qos/ratelimit/proxy": {"max_rate": 1}, "documentation/openapi": {"a": 1},
   "router": {"return_error_msg": "yes", "trusted_proxies": ["x"], "max_payload": 5},
   "ringway": {"profil": "safe", "limits": {"inflate_ratio": 0}, "workers": 0, "admin": "here"},
   "telemetry/logging": {"level": "INF", "stdout": true, "syslog": true}},
 "endpoints": [
  {"endpoint": "/a/*x", "backend": [{"url_pattern": "/b"}]},
  {"endpoint": "/b", "method": "HEAD", "backend": []},
  {"endpoint": "/c/{x}", "output_encoding": "no-op", "backend": [{"url_pattern": "/{y}"}, {"encoding": "xml"}]},
  {"endpoint": "/d", "output_encoding": "jsn", "backend": [{"sd": "dns", "encoding": "nope", "host": ["ftp://x"]}]},
  {"endpoint": "d", "backend": [{"url_pattern": "/{a}/{b}", "timeout": "x"}],
   "extra_config": {"proxy": {"static": {"data": {}}}}},
  {"endpoint": "//d", "backend": [{"decoder": 1}]}]}"#
    ));
}

#[test]
fn with_the_lines_around() {
    let loaded = loaded("gateway.json", &one(", \"portt\": 1", r#", "method": "GTE""#, ""));
    insta::assert_snapshot!(render::snippets(&loaded.diagnostics, &loaded.sources, false));
    insta::assert_snapshot!(render::json(&loaded.diagnostics, &loaded.sources));
    let coloured = render::snippets(&loaded.diagnostics, &loaded.sources, true);
    assert!(coloured.contains('\u{1b}'));
}

#[test]
fn both_places_of_a_double_route() {
    let text = r#"{"version": 3, "host": ["h"], "endpoints": [
 {"endpoint": "/a/./b", "backend": [{"url_pattern": "/"}]},
 {"endpoint": "//a/b", "method": "get", "backend": [{"url_pattern": "/"}]}]}"#;
    insta::assert_snapshot!(
        told(text),
        @r#"gateway.json:3:15: error: endpoints[1].endpoint: GET /a/b is there twice; the first one is here: gateway.json:2:15; each path may have each method once"#
    );
}

#[test]
fn strict_refuses_doubts() {
    let text = one(", \"nope\": 1", "", "");
    assert!(loaded("f.json", &text).service.is_some());
    let strict = Options { strict: true, ..Options::default() };
    assert!(loaded_with("f.json", &text, &[], &strict).service.is_none());
}

#[test]
fn namespaces_of_the_embedding_program() {
    let text = one(r#", "extra_config": {"acme/thing": {"a": 1}}"#, "", "");
    let options = Options { also_known: vec!["acme/thing".into()], ..Options::default() };
    let loaded = loaded_with("f.json", &text, &[], &options);
    assert!(loaded.diagnostics.is_empty());
    let service = loaded.service.expect("no errors");
    let block = &service.extra[0];
    assert_eq!(
        (block.namespace.as_str(), block.node().path().as_str()),
        ("acme/thing", "extra_config.acme/thing")
    );
}

#[test]
fn the_environment_wins() {
    let text = one(r#", "port": 1, "Name": "x""#, "", "");
    let env = [
        ("KRAKEND_PORT", "9000"),
        ("KRAKEND_NAME", "y"),
        ("KRAKEND_HOST", "http://b"),
        ("KRAKEND_EXTRA_CONFIG.ROUTER.HEALTH_PATH", "/up"),
        ("KRAKEND_PORT_8080_TCP", "tcp://1.2.3.4:8080"),
        ("PORT", "5"),
    ];
    let strict = Options { strict: true, ..Options::default() };
    let loaded = loaded_with("f.json", &text, &env, &strict);
    insta::assert_snapshot!(
        render::plain(&loaded.diagnostics, &loaded.sources),
        @"environment:5:1: warning: KRAKEND_PORT_8080_TCP is no key of the configuration, ignored"
    );
    let service = loaded.service.expect("only a warning, strict or not");
    assert_eq!((service.port, service.name.as_str()), (9000, "y"));
    assert_eq!(service.router.health_path, "/up");
    let kubernetes =
        loaded_with("f.json", &text, &[("KRAKEND_PORT", "tcp://1.2.3.4:8080")], &strict);
    insta::assert_snapshot!(
        render::plain(&kubernetes.diagnostics, &kubernetes.sources),
        @r#"environment:1:14: error: port: "tcp://1.2.3.4:8080" is not a whole number; allowed: a number such as 8080"#
    );
}

#[test]
fn the_same_in_all_formats() {
    let yaml = "version: 3\nport: 9\ntimeout: 1s\nendpoints:\n  - endpoint: /y/{id}\n    \
                input_query_strings: [q]\n    backend:\n      - url_pattern: /echo/{id}\n        \
                host: [\"http://a\"]\n        group: g\n  - endpoint: /str\n    backend:\n      \
                - url_pattern: /echo/s\n        host: http://b\n";
    let toml = "version = 3\nport = 9\ntimeout = '1s'\n[[endpoints]]\nendpoint = '/y/{id}'\n\
                input_query_strings = ['q']\n[[endpoints.backend]]\nurl_pattern = '/echo/{id}'\n\
                host = ['http://a']\ngroup = 'g'\n[[endpoints]]\nendpoint = '/str'\n\
                [[endpoints.backend]]\nurl_pattern = '/echo/s'\nhost = 'http://b'\n";
    for (name, text) in [("k.yaml", yaml), ("k.toml", toml)] {
        let loaded = loaded(name, text);
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        let service = loaded.service.expect("no errors");
        assert_eq!((service.port, service.endpoints.len()), (9, 2), "{name}");
        assert_eq!(service.endpoints[0].backends[0].selection.group.as_deref(), Some("g"));
        assert_eq!(service.endpoints[1].backends[0].hosts[0].text, "http://b");
    }
    let bad = loaded(
        "k.yaml",
        "version: 3\nendpoints:\n  - endpoint: /a\n    timeout: 2 s\n    backend: [{host: a}]\n",
    );
    insta::assert_snapshot!(
        render::plain(&bad.diagnostics, &bad.sources),
        @r#"k.yaml:4:14: error: endpoints[0].timeout: "2 s" is not a duration; allowed: such as "2s" or "500ms""#
    );
}

#[test]
fn broken_texts() {
    let mut out = String::new();
    for (name, text) in [
        ("f.json", &b"{\"version\": 3, \"endpoints\": ["[..]),
        ("f.json", b"{\"version\": 3, // x\n}"),
        ("f.json", b""),
        ("f.json", b"[]"),
        ("f.json", b"{\"name\": \"\xff\"}"),
        ("f.yaml", b"a: [1"),
        ("f.toml", b"a = \nb = 1"),
    ] {
        let loaded = load(&|_| Err(String::new()), name, text, &[], &Options::default());
        assert!(loaded.service.is_none());
        out.push_str(&render::plain(&loaded.diagnostics, &loaded.sources));
    }
    insta::assert_snapshot!(out);
}

/// Each namespace of the table, in both spellings, wherever it may stand.
#[test]
fn namespaces_do_what_the_table_says() {
    use super::known::{Class, Level, namespaces};
    for row in namespaces() {
        for name in [Some(row.alias), row.internal].into_iter().flatten() {
            for level in row.levels {
                let block = format!(r#", "extra_config": {{"{name}": {{}}}}"#);
                let text = match level {
                    Level::Service => one(&block, "", ""),
                    Level::Endpoint => one("", &block, ""),
                    Level::Backend => one("", "", &block),
                    // Agents are refused as a whole.
                    Level::Agent => continue,
                };
                let loaded = loaded("f.json", &text);
                let quiet = loaded.diagnostics.is_empty();
                match row.class {
                    Class::RefusedUntilBuilt => {
                        assert!(loaded.service.is_none(), "{name} {level:?} was taken");
                    }
                    Class::WarnedAbout => assert!(loaded.service.is_some() && !quiet, "{name}"),
                    Class::Acts | Class::Comment => assert!(loaded.service.is_some(), "{name}"),
                }
            }
        }
    }
}

/// Each key of the root object, endpoint and backend with a value that turns it on.
#[test]
fn keys_that_are_refused() {
    use super::known::{Class, Scope, keys};
    for (scope, place) in [(Scope::Root, 0), (Scope::Endpoint, 1), (Scope::Backend, 2)] {
        for row in keys(scope).iter().filter(|row| row.class == Class::RefusedUntilBuilt) {
            for (value, taken) in
                [(r#"{"a": 1}"#, false), ("null", true), ("false", row.key != "tls")]
            {
                let mut members = [String::new(), String::new(), String::new()];
                members[place] = format!(r#", "{}": {value}"#, row.key);
                let text = one(&members[0], &members[1], &members[2]);
                assert_eq!(loaded("f.json", &text).service.is_some(), taken, "{} {value}", row.key);
            }
        }
    }
}

#[test]
fn one_rule_each() {
    let on_backend = |extra: &str| one("", "", &format!(r#", "extra_config": {{{extra}}}"#));
    for (case, text, expected) in [
        ("nothing wrong", one("", "", ""), ""),
        ("no version", r#"{"endpoints": []}"#.into(), "unsupported version: 0 (want: 3)"),
        ("version as text", one("", "", "").replace('3', "\"3\""), ""),
        ("a timeout of days", one(r#", "timeout": "25h""#, "", ""), "up to \"24h\""),
        ("an empty duration", one("", r#", "timeout": """#, ""), "\"\" is not a duration"),
        ("a bad timeout in a backend", one("", "", r#", "timeout": "x""#), "\"x\" is not a duration"),
        ("port zero", one(r#", "port": 0"#, "", ""), ""),
        ("a port like Kubernetes", one(r#", "port": "tcp://x""#, "", ""), "is not a whole number"),
        ("tls that is off", one(r#", "tls": {"disabled": true}"#, "", ""), ""),
        ("tls that is bare", one(r#", "tls": {}"#, "", ""), "tls serves TLS"),
        ("no agents", one(r#", "async_agent": [], "use_h2c": false"#, "", ""), ""),
        ("two spellings", one(r#", "port": 1, "PORT": 2"#, "", ""), "in another spelling"),
        ("a short redirect option", one(r#", "extra_config": {"router": {"disable_redirect_trailing_slash": true}}"#, "", ""), "has no effect alone"),
        ("the health route", r#"{"version": 3, "extra_config": {"router": {"health_path": "/up"}}, "endpoints": [{"endpoint": "/up", "backend": [{"host": "a"}]}]}"#.into(), "is the health route"),
        ("a wildcard", r#"{"version": 3, "endpoints": [{"endpoint": "/a/*", "backend": [{"host": "a"}]}]}"#.into(), "wildcards are not built yet"),
        ("sequential with one backend", one("", r#", "extra_config": {"proxy": {"sequential": true}}"#, ""), ""),
        ("a strategy nobody knows", one("", r#", "extra_config": {"proxy": {"strategy": "x"}}"#, ""), "parallel is used"),
        ("fallback", one("", r#", "extra_config": {"proxy": {"strategy": "fallback"}}"#, ""), "cannot do that yet"),
        ("shadow off", on_backend(r#""proxy": {"shadow": false, "shadow_timeout": "1s"}"#), ""),
        ("shadow on", on_backend(r#""proxy": {"shadow": true}"#), "shadow sends copies"),
        ("own client TLS", on_backend(r#""backend/http/client": {"client_tls": {}}"#), "client_tls says"),
        ("a code as text", on_backend(r#""backend/http": {"return_error_code": "true"}"#), "is not true or false"),
        ("details without a name", on_backend(r#""backend/http": {"return_error_details": ""}"#), "turns both options off"),
        ("discovery", one("", "", r#", "sd": "dns""#), "dns finds hosts"),
        ("no discovery", one("", "", r#", "sd": "static""#), ""),
        ("a token's claim", one("", "", "").replace("/b", "/{JWT.sub}"), "nothing supplies JWT.sub"),
        ("TLS versions the wrong way", one(r#", "client_tls": {"max_version": "TLS12"}"#, "", ""), "no handshake can succeed"),
        ("an old TLS version", one(r#", "client_tls": {"min_version": "TLS10"}"#, "", ""), "is never spoken"),
        ("a missing CA file", one(r#", "client_tls": {"ca_certs": ["x.pem"]}"#, "", ""), "cannot be read and is left out"),
        ("a limit of zero", one(r#", "extra_config": {"ringway": {"limits": {"head_timeout": "0s"}}}"#, "", ""), "a time above zero"),
        ("a size nobody knows", one(r#", "extra_config": {"ringway": {"memory": "1kb"}}"#, "", ""), "is not an amount of bytes"),
        ("the extra block is text", one(r#", "extra_config": "x""#, "", ""), "is not an object"),
        ("a namespace elsewhere", one("", r#", "extra_config": {"router": {}}"#, ""), "has no effect in an endpoint"),
        ("an unknown member of ringway", on_backend(r#""ringway": {"statuses": "rfc"}"#), "unknown key"),
        ("a good endpoint with an extension", one("", "", "").replace("/e", "/x/{id}.json"), "text follows a placeholder"),
        ("too many calls", one("", r#", "concurrent_calls": 1000"#, ""), "1 to 100"),
    ] {
        let told = told(&text);
        assert_eq!(told.is_empty(), expected.is_empty(), "{case}: {told}");
        assert!(told.contains(expected), "{case}: {told}");
    }
}

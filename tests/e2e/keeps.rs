//! What users of KrakenD rely on (docs/reference/lura-core.md 8.1), one test an item. Where the
//! project decided otherwise (merge order, JSON output, replays) the decision is what is asserted.

use crate::both_drivers;
use crate::support::{answer, backend, call, echo, gateway, json, ms};

both_drivers! {
    keeps_01_partial_is_200_and_total_failure_500,
    keeps_02_an_empty_object_is_incomplete_and_uncached,
    keeps_03_only_content_type_is_forwarded_by_default,
    keeps_04_forwarded_fields_and_identity,
    keeps_05_the_backends_list_of_headers_strips_the_rest,
    keeps_06_query_keys_are_sorted_and_encoded_anew,
    keeps_07_redirects_and_plain_404_and_405,
    keeps_08_parameters_are_named_in_title_case,
    keeps_09_merge_at_85_and_calls_at_75_percent,
    keeps_11_collections_stand_under_collection,
    keeps_13_number_text_as_it_came,
    keeps_14_noop_follows_redirects_and_keeps_the_rest,
    keeps_16_error_details_at_the_top_level,
    keeps_17_gzip_is_asked_for_and_decoded,
    keeps_18_get_is_replayed_when_a_kept_connection_died,
    keeps_19_loose_types_and_environment,
    keeps_20_encoded_parameters_are_refused,
}

fn keeps_01_partial_is_200_and_total_failure_500() {
    let fine = backend().get("/a", r#"{"a":1}"#);
    let broken = backend()
        .get("/404", answer(404).body("{}"))
        .get("/201", answer(201).body(r#"{"made":1}"#))
        .get("/204", answer(204))
        .get("/206", answer(206).body("{}"))
        .get("/302", answer(302))
        .get("/503", answer(503).body("{}"));
    let mut builder = gateway()
        .service("cache_ttl", "60s")
        .endpoint("/partial", [call(&fine, "/a"), call(&broken, "/404")])
        .endpoint("/total", [call(&broken, "/404"), call(&broken, "/503")])
        .endpoint("/made", [call(&broken, "/201")]);
    for path in ["/204", "/206", "/302", "/404", "/503"] {
        builder = builder.endpoint(path, [call(&broken, path)]);
    }
    let gw = builder.start();
    gw.get("/partial").status(200).completed(false).no_header("Cache-Control").json(r#"{"a":1}"#);
    gw.get("/total").status(500).completed(false).no_header("Content-Type").body("");
    gw.get("/made").status(200).completed(true).json(r#"{"made":1}"#);
    for path in ["/204", "/206", "/302", "/404", "/503"] {
        gw.get(path).status(500).completed(false).body("");
    }
}

fn keeps_02_an_empty_object_is_incomplete_and_uncached() {
    let peer = backend().get("/empty", "{}").get("/a", r#"{"a":1}"#);
    let gw = gateway()
        .service("cache_ttl", "60s")
        .endpoint("/empty", [call(&peer, "/empty")])
        .endpoint("/filtered", [call(&peer, "/a").allow(&["b"])])
        .endpoint("/full", [call(&peer, "/a")])
        .start();
    for path in ["/empty", "/filtered"] {
        gw.get(path).status(200).completed(false).no_header("Cache-Control").body("{}");
    }
    gw.get("/full").status(200).completed(true).header("Cache-Control", "public, max-age=60");
}

fn keeps_03_only_content_type_is_forwarded_by_default() {
    let peer = backend().on("/e", echo());
    let gw = gateway()
        .endpoint("/default", [&peer])
        .endpoint("/declared", [&peer])
        .input_headers(&["x-one"])
        .start();
    let fields = "Host: gw\r\nContent-Type: text/x\r\nX-One: 1\r\nX-Two: 2\r\nCookie: c\r\n\r\n";
    gw.send(format!("GET /default HTTP/1.1\r\n{fields}")).status(200);
    gw.send(format!("GET /declared HTTP/1.1\r\n{fields}")).status(200);
    let [default, declared] = &peer.requests()[..] else { panic!("two requests") };
    assert_eq!(default.field("content-type"), Some("text/x"));
    assert_eq!((default.field("x-one"), default.field("cookie")), (None, None));
    assert_eq!(declared.field("x-one"), Some("1"));
    assert_eq!((declared.field("content-type"), declared.field("x-two")), (None, None));
}

fn keeps_04_forwarded_fields_and_identity() {
    let peer = backend().on("/e", echo());
    let gw = gateway()
        .endpoint("/plain", [&peer])
        .endpoint("/agent", [&peer])
        .input_headers(&["User-Agent"])
        .start();
    let version = format!("Ringway {}", env!("CARGO_PKG_VERSION"));
    let fields = "Host: shop.example\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8\r\n\
                  X-Forwarded-Host: evil\r\nUser-Agent: curl/8\r\n\r\n";
    gw.send(format!("GET /plain HTTP/1.1\r\n{fields}")).header("X-Krakend", &version);
    gw.send(format!("GET /agent HTTP/1.1\r\n{fields}")).status(200);
    let [plain, agent] = &peer.requests()[..] else { panic!("two requests") };
    for request in [plain, agent] {
        assert_eq!(request.field("x-forwarded-for"), Some("1.2.3.4"));
        assert_eq!(request.field("x-forwarded-host"), Some("shop.example"));
    }
    assert_eq!(plain.field("user-agent"), Some(version.as_str()));
    assert_eq!(plain.field("x-forwarded-via"), None);
    assert_eq!(agent.field("user-agent"), Some("curl/8"));
    assert_eq!(agent.field("x-forwarded-via"), Some(version.as_str()));
    peer.take();
    gw.get("/plain").status(200);
    assert_eq!(peer.request().field("x-forwarded-for"), Some("127.0.0.1"));
}

fn keeps_05_the_backends_list_of_headers_strips_the_rest() {
    let peer = backend().on("/e", echo());
    let with = |names: &[&str]| call(&peer, "/e").key("input_headers", json!(names));
    let gw = gateway()
        .endpoint("/one", [with(&["X-One"])])
        .input_headers(&["*"])
        .endpoint("/none", [with(&[""])])
        .input_headers(&["*"])
        .endpoint("/star", [with(&["*"])])
        .input_headers(&["*"])
        .endpoint("/listed", [with(&["X-Forwarded-For", "User-Agent"])])
        .input_headers(&["*"])
        .start();
    let fields = "Host: gw\r\nX-One: 1\r\nX-Two: 2\r\nUser-Agent: curl/8\r\n\r\n";
    for (path, one) in [("/one", Some("1")), ("/none", None), ("/star", None)] {
        gw.send(format!("GET {path} HTTP/1.1\r\n{fields}")).status(200);
        let request = peer.take().remove(0);
        assert_eq!(request.field("x-one"), one, "{path}");
        for name in ["x-two", "x-forwarded-for", "x-forwarded-host", "x-forwarded-via"] {
            assert_eq!(request.field(name), None, "{name} at {path}");
        }
        assert_ne!(request.field("user-agent"), Some("curl/8"), "{path}");
    }
    gw.send(format!("GET /listed HTTP/1.1\r\n{fields}")).status(200);
    let request = peer.request();
    assert_eq!(request.field("user-agent"), Some("curl/8"));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
}

fn keeps_06_query_keys_are_sorted_and_encoded_anew() {
    let peer = backend().on("/e", echo());
    let gw = gateway()
        .endpoint("/all", [&peer])
        .input_query_strings(&["*"])
        .endpoint("/some", [&peer])
        .input_query_strings(&["b", "A"])
        .endpoint("/none", [&peer])
        .endpoint("/own", [call(&peer, "/e?fixed=1")])
        .input_query_strings(&["*"])
        .start();
    for (sent, seen) in [
        ("/all?b=2&a=1&b=1", "/e?a=1&b=2&b=1"),
        ("/all?q=a%20b&r=a+b&s=a%2Fb&t=%C3%A9", "/e?q=a+b&r=a+b&s=a%2Fb&t=%C3%A9"),
        ("/all?bad=%zz&ok=1&x=1;y=2", "/e?ok=1"),
        ("/all?flag&empty=", "/e?empty=&flag="),
        ("/some?a=1&A=2&b=3&c=4", "/e?A=2&b=3"),
        ("/none?a=1", "/e"),
        ("/own?a=1", "/e?fixed=1&a=1"),
    ] {
        gw.get(sent).status(200);
        assert_eq!(peer.take().remove(0).target, seen, "{sent}");
    }
}

fn keeps_07_redirects_and_plain_404_and_405() {
    let peer = backend().on("/a", "{}");
    let gw = gateway()
        .endpoint("/one", [&peer])
        .endpoint("/one", [&peer])
        .method("POST")
        .endpoint("/Case/Path", [&peer])
        .start();
    gw.get("/one/?a=b").status(301).header("Location", "/one?a=b").no_header("X-Krakend");
    gw.get("/ONE").status(301).header("Location", "/one");
    gw.get("/case/path").status(301).header("Location", "/Case/Path");
    gw.post("/one/", "").status(307).header("Location", "/one");
    gw.get("/none")
        .status(404)
        .header("Content-Type", "text/plain")
        .completed(false)
        .body("404 page not found");
    let wrong = gw.send("PUT /one HTTP/1.1\r\nHost: gw\r\nContent-Length: 0\r\n\r\n");
    wrong.status(405).header("Content-Type", "text/plain").header("Allow", "GET, POST");
    wrong.completed(false).body("405 method not allowed");
    assert!(peer.requests().is_empty());
}

fn keeps_08_parameters_are_named_in_title_case() {
    let peer = backend();
    let gw =
        gateway().error_texts().endpoint("/x/{user_id}", [call(&peer, "/u/{user_id}")]).start();
    let host = peer.host();
    gw.get("/x/7")
        .status(500)
        .body(format!("invalid status code 404 [GET /u/{{{{.User_id}}}}]: {host}/u/7"));
}

fn keeps_09_merge_at_85_and_calls_at_75_percent() {
    let fast = backend().get("/fast", r#"{"k":"fast","f":1}"#);
    let late = backend().get("/late", r#"{"k":"late","l":1}"#).after(ms(1850));
    let in_time = backend().get("/in", r#"{"k":"in time","i":1}"#).after(ms(1000));
    let gw = gateway()
        .service("timeout", "2s")
        .endpoint("/partial", [&fast, &late])
        .endpoint("/whole", [&in_time, &fast])
        .endpoint("/alone", [&late])
        .endpoint("/raced", [call(&late, "/late")])
        .key("concurrent_calls", 2)
        .endpoint("/raced-in-time", [call(&in_time, "/in")])
        .key("concurrent_calls", 2)
        .start();
    gw.get("/partial").status(200).completed(false).json(r#"{"k":"fast","f":1}"#);
    // Decided: configuration order, whoever answers last.
    gw.get("/whole").status(200).completed(true).json(r#"{"k":"fast","f":1,"i":1}"#);
    gw.get("/alone").status(200).completed(true).json(r#"{"k":"late","l":1}"#);
    gw.get("/raced").status(500);
    gw.get("/raced-in-time").status(200).completed(true);
}

fn keeps_11_collections_stand_under_collection() {
    let peer = backend().get("/list", "[1,2,3]");
    let renamed = call(&peer, "/list").collection().key("mapping", json!({"collection": "posts"}));
    let gw = gateway()
        .endpoint("/plain", [call(&peer, "/list").collection()])
        .endpoint("/renamed", [renamed.clone()])
        .endpoint("/list", [call(&peer, "/list").collection()])
        .key("output_encoding", "json-collection")
        .endpoint("/lost", [renamed])
        .key("output_encoding", "json-collection")
        .start();
    gw.get("/plain").status(200).json(r#"{"collection":[1,2,3]}"#);
    gw.get("/renamed").status(200).json(r#"{"posts":[1,2,3]}"#);
    gw.get("/list").status(200).body("[1,2,3]");
    gw.get("/lost").status(200).body("[]");
}

fn keeps_13_number_text_as_it_came() {
    let body = r#"{"z":4.20,"a":1e5,"big":12345678901234567890123,"html":"<a&b>","neg":-0}"#;
    let peer = backend().get("/n", body);
    let gw =
        gateway().endpoint("/n", [&peer]).endpoint("/g", [call(&peer, "/n").group("g")]).start();
    // Decided: neither sorted nor escaped, untouched bytes stay as they are.
    gw.get("/n").status(200).body(body);
    gw.get("/g").status(200).body(format!("{{\"g\":{body}}}"));
}

fn keeps_14_noop_follows_redirects_and_keeps_the_rest() {
    let peer = backend()
        .get("/moved", answer(302).header("Location", "/there"))
        .get(
            "/there",
            answer(200).header("Set-Cookie", "a=1").header("Set-Cookie", "b=2").body("t"),
        )
        .get("/teapot", answer(418).header("Content-Type", "text/x").body("short and stout"));
    let gw = gateway()
        .service("cache_ttl", "60s")
        .endpoint("/moved", [call(&peer, "/moved")])
        .noop()
        .endpoint("/teapot", [call(&peer, "/teapot")])
        .noop()
        .start();
    let moved = gw.get("/moved");
    moved.status(200).completed(false).no_header("Cache-Control").body("t");
    assert_eq!(moved.values("Set-Cookie"), ["a=1", "b=2"]);
    gw.get("/teapot").status(418).header("Content-Type", "text/x").body("short and stout");
}

fn keeps_16_error_details_at_the_top_level() {
    let peer = backend().get("/a", r#"{"a":1}"#).get("/bad", answer(404).body("gone"));
    let details = json!({"return_error_details": "shop"});
    let gw = gateway()
        .endpoint(
            "/x",
            [call(&peer, "/a"), call(&peer, "/bad").group("g").extra("backend/http", details)],
        )
        .start();
    gw.get("/x").status(200).completed(false).json(
        r#"{"a":1,"error_shop":{"http_status_code":404,"http_body":"gone",
            "http_body_encoding":"application/json"}}"#,
    );
}

fn keeps_17_gzip_is_asked_for_and_decoded() {
    let peer = backend().get("/z", answer(200).body(r#"{"z":1}"#).gzip());
    let gw = gateway()
        .endpoint("/json", [&peer])
        .endpoint("/stream", [&peer])
        .noop()
        .endpoint("/own", [&peer])
        .noop()
        .input_headers(&["Accept-Encoding"])
        .start();
    gw.get("/json").status(200).json(r#"{"z":1}"#);
    gw.get("/stream").status(200).no_header("Content-Encoding").body(r#"{"z":1}"#);
    let own = "GET /own HTTP/1.1\r\nHost: gw\r\nAccept-Encoding: gzip, br\r\n\r\n";
    let packed = gw.send(own);
    packed.status(200).header("Content-Encoding", "gzip").ended();
    assert_eq!(packed.bytes[..2], [0x1f, 0x8b]);
    let asked: Vec<_> = peer
        .requests()
        .iter()
        .map(|request| request.field("accept-encoding").map(str::to_owned))
        .collect();
    assert_eq!(asked, [Some("gzip".into()), Some("gzip".into()), Some("gzip, br".into())]);
}

fn keeps_18_get_is_replayed_when_a_kept_connection_died() {
    let peer = backend().get("/a", r#"{"a":1}"#).dies_after(1);
    let gw = gateway().one_worker().endpoint("/a", [&peer]).start();
    for _ in 0..5 {
        gw.get("/a").status(200).json(r#"{"a":1}"#);
    }
}

fn keeps_19_loose_types_and_environment() {
    let peer = backend().get("/a", r#"{"a":1}"#);
    let host = peer.host();
    let loose = format!(
        r#"{{"version":"3","port":"$PORT","listen_ip":"127.0.0.1","_comment":"x","timeout":"9ms",
            "endpoints":[{{"endpoint":"/a","@comment":1,
                "backend":{{"url_pattern":"/a","host":"{host}","timeout":"1ms"}}}}]}}"#
    );
    let gw = gateway().text("krakend.json", loose).env("KRAKEND_TIMEOUT", "2s").start();
    gw.get("/a").status(200).json(r#"{"a":1}"#);
    let yaml = format!(
        "version: 3\nport: $PORT\nlisten_ip: 127.0.0.1\nendpoints:\n- endpoint: /a\n  backend:\n  \
         - url_pattern: /a\n    host: [\"{host}\"]\n"
    );
    gateway().text("krakend.yml", yaml).start().get("/a").status(200).json(r#"{"a":1}"#);
    let toml = format!(
        "version = 3\nport = $PORT\nlisten_ip = \"127.0.0.1\"\n[[endpoints]]\nendpoint = \"/a\"\n\
         [[endpoints.backend]]\nurl_pattern = \"/a\"\nhost = [\"{host}\"]\n"
    );
    gateway().text("krakend.toml", toml).start().get("/a").status(200).json(r#"{"a":1}"#);
}

fn keeps_20_encoded_parameters_are_refused() {
    let peer = backend().on("/p/*", "{}");
    let gw = gateway().endpoint("/a/{x}", [call(&peer, "/p/{x}")]).start();
    gw.get("/a/x%253Fy").status(400).no_header("X-Krakend").body("error: encoded url params");
    gw.get("/a/x%3Fy").status(400).body("error: encoded url params");
    gw.get("/a/x%23y").status(400).body("error: encoded url params");
    gw.get("/a/100%25").status(400).body("error: invalid URL escape \"%\"");
    gw.get("/a/a%2Fb").status(404).body("404 page not found");
    assert!(peer.requests().is_empty());
}

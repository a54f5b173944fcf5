//! What is sent twice and what never is (docs/reference/hardening.md F6): a backend that reads all of
//! a request and then resets or closes got it once, whatever the gateway may hope for.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest, id_of};
use crate::support::backend::Plan;
use crate::support::{Answer, Backend, Step, answer, backend_with, call, json, ports};

both_drivers! {
    f6_a_request_with_content_arrives_once,
    f6_a_safe_request_is_replayed_once_on_a_fresh_connection,
    f6_another_host_only_when_connecting_failed,
}

/// Answers ids that begin with `warm`; does this to every other request once it is read whole.
fn dies(step: Step) -> Backend {
    backend_with(move |request| {
        let id = id_of(request);
        let good = answer(200).body(format!(r#"{{"id":"{id}"}}"#));
        let is_warm = id.starts_with("warm");
        let answer = if is_warm { good } else { Answer::steps_are([step.clone()]) };
        Plan::of(answer, request)
    })
}

fn arrivals(peer: &Backend, id: &str) -> usize {
    peer.requests().iter().filter(|request| id_of(request) == id).count()
}

fn f6_a_request_with_content_arrives_once() {
    for (step, label) in [(Step::Reset, "backend_reset"), (Step::Close, "backend_closed")] {
        let peer = dies(step);
        for profile in Profile::BOTH {
            let methods = ["POST", "PUT", "PATCH", "DELETE"];
            let mut builder = profile.gateway();
            for method in methods {
                for path in ["/held", "/streamed"] {
                    builder = builder
                        .endpoint(&format!("{path}-{method}"), [call(&peer, "/a")])
                        .method(method)
                        .input_query_strings(&["id"]);
                    if path == "/streamed" {
                        builder = builder.noop();
                    }
                }
            }
            // A GET may have content: then it is not sent twice either.
            builder = builder.endpoint("/get", [call(&peer, "/a")]).input_query_strings(&["id"]);
            let mut site = Site::start(builder);
            let mut routes: Vec<(String, &str)> = methods
                .iter()
                .flat_map(|m| ["/held", "/streamed"].map(|path| (format!("{path}-{m}"), *m)))
                .collect();
            routes.push(("/get".to_owned(), "GET"));
            for (route, method) in &routes {
                for (n, length) in [0, 1, 20_000, 300_000].into_iter().enumerate() {
                    if *method == "GET" && length == 0 {
                        continue;
                    }
                    let ask = |id: &str| {
                        let body = "x".repeat(length);
                        site.send(format!(
                            "{method} {route}?id={id} HTTP/1.1\r\nHost: gw\r\n\
                             Content-Length: {length}\r\n\r\n{body}"
                        ))
                    };
                    // First on a reused connection, then on a fresh one.
                    ask("warm").status(200);
                    for kind in ["reused", "fresh"] {
                        let id = format!("{kind}-{profile:?}-{n}{}", route.replace('/', "-"));
                        let found = ask(&id);
                        assert!(found.code == profile.status(502), "{id}: {found}");
                        assert_eq!(arrivals(&peer, &id), 1, "{id}");
                    }
                }
                let asked = if *method == "GET" { 6 } else { 8 };
                let named: u64 = [label, "backend_closed"]
                    .iter()
                    .take(if label == "backend_closed" { 1 } else { 2 })
                    .map(|label| site.outcomes(route, label))
                    .sum();
                assert_eq!(named, asked, "{route}: {label}");
            }
            site.settled();
        }
    }
}

fn f6_a_safe_request_is_replayed_once_on_a_fresh_connection() {
    for step in [Step::Reset, Step::Close] {
        let peer = dies(step);
        let mut site = Site::start(
            Profile::Safe
                .gateway()
                .endpoint("/get", [call(&peer, "/a")])
                .input_query_strings(&["id"])
                .endpoint("/raw", [call(&peer, "/a")])
                .input_query_strings(&["id"])
                .noop(),
        );
        for path in ["/get", "/raw"] {
            site.get(&format!("{path}?id=warm")).status(200);
            let id = format!("twice{}", path.replace('/', "-"));
            site.get(&format!("{path}?id={id}")).status(502);
            assert_eq!(arrivals(&peer, &id), 2, "once on the reused connection, once more");
            let id = format!("once{}", path.replace('/', "-"));
            site.get(&format!("{path}?id={id}")).status(502);
            assert_eq!(arrivals(&peer, &id), 1, "a fresh connection is no reason");
        }
        site.settled();
    }
}

fn f6_another_host_only_when_connecting_failed() {
    let (peer, other) = (dies(Step::Reset), honest());
    // One each: a host that refused is stepped over for a while.
    let dead = [ports::dead_port(), ports::dead_port()];
    let [nobody, nobody_else] = [0, 1].map(|n| format!("http://127.0.0.1:{}", dead[n].number));
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .endpoint("/dies", [call(&peer, "/a").hosts(&[&peer.host(), &other.host()])])
            .method("POST")
            .input_query_strings(&["id"])
            .endpoint("/refused", [call(&other, "/a").hosts(&[&nobody, &other.host()])])
            .method("POST")
            .input_query_strings(&["id"])
            .endpoint(
                "/own",
                [call(&other, "/a")
                    .hosts(&[&nobody_else, &other.host()])
                    .extra("ringway", json!({"next_host": false}))],
            )
            .method("POST")
            .input_query_strings(&["id"]),
    );
    let post = |path: &str, id: &str| {
        site.send(format!(
            "POST {path}?id={id} HTTP/1.1\r\nHost: gw\r\nContent-Length: 3\r\n\r\nabc"
        ))
    };
    let mut codes = Vec::new();
    for n in 0..20 {
        let id = format!("x{n}");
        codes.push(post("/dies", &id).code);
        let all = arrivals(&peer, &id) + arrivals(&other, &id);
        assert_eq!(all, 1, "{id} went to one of both, once");
    }
    assert!(codes.contains(&502) && codes.contains(&200), "{codes:?}");
    for n in 0..20 {
        let id = format!("y{n}");
        post("/refused", &id).status(200).body(format!(r#"{{"id":"{id}"}}"#));
        assert_eq!(arrivals(&other, &id), 1);
    }
    let codes: Vec<u16> = (0..20).map(|n| post("/own", &format!("z{n}")).code).collect();
    assert!(codes.contains(&502) && codes.contains(&200), "{codes:?}");
    site.settled();
}

//! Policies of a program around the gateway, at each stage, on the wire: in which order they run,
//! what they see and change, what a wait, an answer, a panic does.
//! Source: docs/reference/krakend-components.md section 0.

#[path = "policy_stages/examples.rs"]
mod examples;
#[path = "policy_stages/probe.rs"]
mod probe;
mod support;

use probe::{EVERYWHERE, STAGES, notes};
use serde_json::Value;
use std::time::Instant;
use support::config::GatewayBuilder;
use support::{Backend, Embedded, PATIENCE, answer, backend, call, echo, embed, gateway, json, ms};
use support::{embedded, until};

both_drivers! {
    order_forward_and_back,
    what_no_endpoint_serves,
    an_answer_at_each_stage,
    an_answer_instead_of_a_response,
    a_wait_within_the_deadline,
    a_wait_beyond_the_deadline,
    bodies_and_trees,
    state_survives_a_reload,
    how_exchanges_end,
    fields_for_backend_and_client,
    fields_added_late,
    a_value_for_the_url_pattern,
    a_panic_costs_one_request,
}

/// Endpoint `/a` on the peer's first path, a probe at each stage; `change` is put into the block of
/// one stage.
fn probed(log: &str, peer: &Backend, stage: &str, change: Value) -> GatewayBuilder {
    with_probes(gateway().one_worker(), log, peer, &peer.first_path(), stage, change)
}

fn with_probes(
    builder: GatewayBuilder,
    log: &str,
    peer: &Backend,
    pattern: &str,
    stage: &str,
    change: Value,
) -> GatewayBuilder {
    let log = format!("{log} {:?}", support::Driver::current());
    let block = |namespace: &str| {
        let mut block = json!({ "log": log });
        for (key, value) in change.as_object().into_iter().flatten().filter(|_| namespace == stage)
        {
            block[key] = value.clone();
        }
        block
    };
    let mut entry = call(peer, pattern);
    for namespace in &STAGES[4..] {
        entry = entry.extra(namespace, block(namespace));
    }
    let mut builder = builder.endpoint("/a", [entry]);
    for namespace in &STAGES[..2] {
        builder = builder.service_extra(namespace, block(namespace));
    }
    for namespace in &STAGES[2..4] {
        builder = builder.extra(namespace, block(namespace));
    }
    builder
}

fn noted(log: &str) -> Vec<String> {
    notes(&format!("{log} {:?}", support::Driver::current()))
}

/// What the log holds once so many lines are there: ends are noted after the answer is on its way.
#[track_caller]
fn noted_all(log: &str, n: usize) -> Vec<String> {
    until(&format!("{n} lines in the log {log:?}: {:?}", noted(log)), || noted(log).len() >= n);
    noted(log)
}

fn start(builder: GatewayBuilder) -> Embedded {
    embed(builder, &EVERYWHERE)
}

fn order_forward_and_back() {
    let peer = backend().on("/p", r#"{"a":1}"#);
    let gw = start(probed("order", &peer, "", json!({})));
    gw.get("/a").status(200).json(r#"{"a":1}"#);
    let log = noted_all("order", 18);
    let names: Vec<_> = STAGES.iter().map(|name| name.trim_start_matches("test/")).collect();
    let told = |what: &str| -> Vec<&str> {
        let suffix = format!(" {what}");
        log.iter().filter_map(|line| line.strip_suffix(&suffix)).collect()
    };
    let back: Vec<_> = names.iter().copied().rev().collect();
    assert_eq!(told("request"), names);
    assert_eq!(told("response 200"), back);
    assert_eq!(told("Done"), back);
    assert_eq!(log.len(), 18, "{log:?}");
    gw.running.stop().expect("it ends");
}

fn what_no_endpoint_serves() {
    let peer = backend().on("/p", "{}");
    let gw = start(probed("unserved", &peer, "test/engine", json!({"on_response": "set"})));
    for (target, status, n) in [("/nope", 404, 6), ("/a/", 301, 3), ("/__health", 200, 3)] {
        let before = noted("unserved").len();
        let response = gw.get(target);
        response.status(status);
        let log = noted_all("unserved", before + n)[before..].to_vec();
        let engine = [
            "service request".to_owned(),
            "engine request".into(),
            format!("engine response {status}"),
            "engine Done".into(),
            format!("service response {status}"),
            "service Done".into(),
        ];
        if n == 6 {
            assert_eq!(log, engine, "{target}");
            response.header("X-Late", "engine");
        } else {
            let service = [engine[0].clone(), engine[4].clone(), engine[5].clone()];
            assert_eq!(log, service, "{target}");
        }
    }
    let before = noted("unserved").len();
    gw.post("/a", "").status(405).header("X-Late", "engine");
    let log = noted_all("unserved", before + 6);
    assert!(log[before..].contains(&"engine response 405".to_owned()), "{log:?}");
}

fn an_answer_at_each_stage() {
    for (at, stage) in STAGES.iter().enumerate() {
        let peer = backend().on("/p", "{}");
        let log = format!("answer {stage}");
        let gw = start(probed(&log, &peer, stage, json!({"on_request": "answer"})));
        let name = stage.trim_start_matches("test/");
        let response = gw.get("/a");
        response.status(418).header("X-From", name).body(format!("from {name}"));
        assert!(peer.requests().is_empty(), "{stage}: nothing below runs");
        let found = noted_all(&log, at + 1 + at * 2);
        assert_eq!(found.iter().filter(|line| line.ends_with("request")).count(), at + 1, "{log}");
        let outer = found.iter().filter(|line| line.ends_with("response 418")).count();
        assert_eq!(outer, at, "{found:?}");
        // The connection goes on.
        let mut connection = gw.connect();
        for _ in 0..2 {
            connection.send("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n").status(418);
        }
    }
}

fn an_answer_instead_of_a_response() {
    for stage in STAGES {
        let peer = backend().on("/p", "{}");
        let log = format!("instead {stage}");
        let gw = start(probed(&log, &peer, stage, json!({"on_response": "answer"})));
        let name = stage.trim_start_matches("test/");
        gw.get("/a").status(418).header("X-From", name).body(format!("from {name}"));
        assert_eq!(peer.requests().len(), 1, "{stage}");
    }
}

fn a_wait_within_the_deadline() {
    for stage in STAGES {
        for how in ["ready", "wait"] {
            let peer = backend().on("/p", r#"{"a":1}"#);
            let log = format!("{how} {stage}");
            let gw = start(probed(&log, &peer, stage, json!({ "on_request": how })));
            let name = stage.trim_start_matches("test/");
            gw.get("/a").status(200).header("X-Waited", name).json(r#"{"a":1}"#);
        }
    }
}

fn a_wait_beyond_the_deadline() {
    for stage in STAGES {
        let peer = backend().on("/p", "{}");
        let log = format!("late {stage}");
        let builder = gateway().one_worker().service("timeout", "200ms").error_texts();
        let change = json!({"on_request": "wait too long"});
        let gw = start(with_probes(builder, &log, &peer, "/p", stage, change));
        let begun = Instant::now();
        let response = gw.get("/a");
        response.status(500).completed(false).body("context deadline exceeded");
        let took = begun.elapsed();
        assert!(took >= ms(200) && took < PATIENCE, "{stage}: {took:?}");
        assert!(peer.requests().is_empty(), "{stage}");
    }
    // On a path without an endpoint the service's own timeout counts.
    let peer = backend().on("/p", "{}");
    let builder = gateway().one_worker().service("timeout", "200ms");
    let change = json!({"on_request": "wait too long"});
    let gw = start(with_probes(builder, "late 404", &peer, "/p", "test/engine", change));
    gw.get("/nope").status(500);
}

fn bodies_and_trees() {
    let long = format!(r#"{{"a":2,"b":"{}"}}"#, "x".repeat(40_000));
    let peer = backend().on("/p", r#"{"a":1}"#);
    for stage in &STAGES[2..] {
        let name = stage.trim_start_matches("test/");
        for (needs, line) in [
            ("request", format!("{name} request the content")),
            ("response", format!("{name} response 200 {{\"a\":1}}")),
            ("tree", format!("{name} response 200 {{\"a\":1}} a=1")),
        ] {
            let log = format!("needs {needs} {stage}");
            let change = json!({ "needs": needs });
            let gw = start(probed(&log, &peer, stage, change).method("POST"));
            gw.post("/a", "the content").status(200).json(r#"{"a":1}"#);
            let found = noted(&log);
            assert!(found.contains(&line), "{line}: {found:?}");
        }
        // An answer that goes out as ranges of what the backend sent.
        let peer = backend().on("/p", &*long);
        let log = format!("long {stage}");
        let gw = start(probed(&log, &peer, stage, json!({"needs": "tree"})));
        gw.get("/a").status(200).json(&long);
        let line = format!("{name} response 200 {} bytes a=2", long.len());
        let found = noted(&log);
        assert!(found.contains(&line), "{line}: {found:?}");
    }
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let peer = backend().on("/p", "{}");
    for (stage, needs, noop, said) in [
        ("test/service", "request", false, "heads only"),
        ("test/engine", "tree", false, "heads only"),
        ("test/handler", "response", true, "no-op"),
        ("test/pipe", "tree", true, "no-op"),
        ("test/backend", "response", true, "no-op"),
    ] {
        let mut builder = probed("refused", &peer, stage, json!({ "needs": needs }));
        if noop {
            builder = builder.noop();
        }
        let problems = embedded::refused(&builder, &EVERYWHERE);
        assert!(problems.contains(said) && problems.contains(stage), "{stage}: {problems}");
    }
}

fn state_survives_a_reload() {
    let peer = backend().on("/p", r#"{"v":1}"#).on("/other", r#"{"v":2}"#);
    for stage in STAGES {
        let log = format!("reload {stage}");
        let builder = || probed(&log, &peer, stage, json!({"on_request": "count"}));
        let gw = start(builder());
        for n in 1..=3 {
            gw.get("/a").header("X-Count", &n.to_string()).json(r#"{"v":1}"#);
        }
        // The same endpoint, now the second in the file.
        let file = builder().endpoint("/b", [call(&peer, "/other")]).config();
        let mut value: Value = serde_json::from_str(&file).expect("JSON");
        let endpoints = value["endpoints"].as_array_mut().expect("a list");
        endpoints.reverse();
        gw.reload(&value.to_string());
        until("the new file is in force", || gw.get("/b").code == 200);
        let counted: u64 =
            gw.get("/a").field("X-Count").expect("a count").parse().expect("a number");
        assert!(counted >= 4, "{stage}: {counted}");
    }
}

fn how_exchanges_end() {
    for (case, path, timeout, expected) in [
        ("done", "/p", 5000, "Done"),
        ("not found", "/nope", 5000, "Failed"),
        ("too slow", "/slow", 200, "Failed"),
    ] {
        let slow = answer(200).body("{}").after(PATIENCE);
        let peer = backend().on("/p", r#"{"a":1}"#).on("/slow", slow);
        let log = format!("end {case}");
        let builder = gateway().one_worker().service("timeout", format!("{timeout}ms"));
        let gw = start(with_probes(builder, &log, &peer, path, "", json!({})));
        gw.get("/a");
        until(&format!("{case}: all six ended: {:?}", noted(&log)), || {
            noted(&log).iter().filter(|line| line.ends_with(expected)).count() == 6
        });
    }
    let peer = backend().on("/slow", answer(200).body("{}").after(PATIENCE));
    let gw = start(probed("end cancelled", &peer, "", json!({})).timeout(PATIENCE));
    let mut client = gw.connect();
    client.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
    peer.wait_for(1);
    client.reset();
    until("all six were cancelled", || {
        noted("end cancelled").iter().filter(|line| line.ends_with("Cancelled")).count() == 6
    });
    let log = noted("end cancelled");
    assert_eq!(log[6], "executor Cancelled", "the innermost first: {log:?}");
}

fn fields_for_backend_and_client() {
    for stage in STAGES {
        let peer = backend().on("/p", r#"{"a":1}"#);
        let log = format!("fields {stage}");
        let gw = start(probed(&log, &peer, stage, json!({"on_request": "set"})));
        let name = stage.trim_start_matches("test/");
        gw.get("/a").status(200).header("X-To-Client", name);
        assert_eq!(peer.request().field("X-To-Backend"), Some(name), "{stage}");
    }
}

fn fields_added_late() {
    let long = format!(r#"{{"b":"{}"}}"#, "x".repeat(40_000));
    for stage in STAGES {
        let name = stage.trim_start_matches("test/");
        let peer = backend().on("/short", r#"{"a":1}"#).on("/long", &*long);
        for (path, noop, body) in
            [("/short", false, r#"{"a":1}"#), ("/long", false, &long), ("/long", true, &long)]
        {
            let log = format!("late fields {stage}");
            let change = json!({"on_response": "set"});
            let builder = gateway().one_worker();
            let mut builder = with_probes(builder, &log, &peer, path, stage, change);
            if noop {
                builder = builder.noop();
            }
            let gw = start(builder);
            gw.get("/a").status(200).header("X-Late", name).body(body);
        }
    }
}

fn a_value_for_the_url_pattern() {
    for stage in STAGES {
        let peer = backend().on("/u/*", echo());
        let log = format!("param {stage}");
        let builder = gateway().one_worker();
        let change = json!({"on_request": "param"});
        let gw = start(with_probes(builder, &log, &peer, "/u/{JWT.sub}/x", stage, change));
        gw.get("/a");
        assert_eq!(peer.request().target, "/u/the%20user%2F1/x", "{stage}");
    }
}

fn a_panic_costs_one_request() {
    for stage in STAGES {
        for when in ["on_request", "on_response", "on_end"] {
            let peer = backend().on("/p", r#"{"a":1}"#);
            let log = format!("panic {when} {stage}");
            let builder = gateway().one_worker().admin();
            let change = json!({ when: "panic" });
            let gw = start(with_probes(builder, &log, &peer, "/p", stage, change));
            let mut client = gw.connect();
            client.write("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n");
            let end = client.rest();
            assert!(
                end.is_empty() || end.starts_with(b"HTTP/1.1 500 "),
                "{stage} {when}: {}",
                support::escaped(&end)
            );
            // The one worker goes on: a path without these policies is served as before.
            if stage != "test/service" {
                gw.get("/__health").status(200);
            }
            until("the panic is counted", || gw.metrics().sum("ringway_panics_total", &[]) >= 1.0);
        }
    }
}

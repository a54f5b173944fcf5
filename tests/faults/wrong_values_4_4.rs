//! Every known key with every kind of wrong value (docs/reference/hardening.md 4.4): the file is
//! refused, or told about, at line, column and key path, or the value stands in
//! `accepted_values.txt` as one that is taken without a word. Never a panic.
//!
//! `RINGWAY_WRITE_VALUES=1` writes that table anew; what changes in it is a change of behaviour.

use ringway::config::known::{Class, Scope, keys};
use ringway::{BuildError, Gateway};
use std::collections::BTreeMap;
use std::path::Path;

/// Wrong types and extremes, as JSON.
const VALUES: &[&str] = &[
    "true",
    "false",
    "0",
    "1",
    "-1",
    "0.5",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775809",
    "1e400",
    "\"\"",
    "\" \"",
    "\"x\"",
    "\"*\"",
    "\"0\"",
    "\"-1\"",
    "\"true\"",
    "\"0s\"",
    "\"1s\"",
    "\"-1s\"",
    "\"2 s\"",
    "\"1s1\"",
    "\"999999999h\"",
    "\"9223372036854775808ns\"",
    "\"16MiB\"",
    "\"-16MiB\"",
    "\"99999999999999999999GiB\"",
    "\"http://a b\"",
    "\"/a/{b\"",
    "\"a\\u0000b\"",
    "\"a\\r\\nb: c\"",
    "\"\\u001b[2J\"",
    "[]",
    "[null]",
    "[\"\"]",
    "[\"x\"]",
    "[1]",
    "[[]]",
    "[{}]",
    "[\"a\\r\\nb\"]",
    "{}",
    "{\"a\": 1}",
    "{\"\": \"\"}",
    "{\"a\": \"b\"}",
];

/// A file that is taken, with a place for further members of one object. The key stands at the
/// start of a line of its own.
fn file(scope: Scope, key: &str, value: &str) -> String {
    let member = format!("\n\"{key}\": {value}");
    // The members that are there already, unless they are the key itself.
    let own = |members: &[(&str, &str)]| -> String {
        let kept = members.iter().filter(|(name, _)| *name != key);
        kept.map(|(name, text)| format!("\"{name}\": {text}, ")).collect()
    };
    let object = |members: &[(&str, &str)]| format!("{{{}{member}\n}}", own(members));
    let in_root = |namespace: &str, block: String| {
        root(&format!("\"extra_config\": {{\"{namespace}\": {block}}}"), &backend(""), "")
    };
    let in_endpoint = |namespace: &str, block: String| {
        let extra = format!(", \"extra_config\": {{\"{namespace}\": {block}}}");
        root("\"name\": \"n\"", &backend(""), &extra)
    };
    let in_backend = |namespace: &str, block: String| {
        let extra = format!(", \"extra_config\": {{\"{namespace}\": {block}}}");
        root("\"name\": \"n\"", &backend(&extra), "")
    };
    match scope {
        Scope::Root => {
            let endpoints = format!("[{{\"endpoint\": \"/e\", \"backend\": [{}]}}]", backend(""));
            object(&[("version", "3"), ("endpoints", &endpoints)])
        }
        Scope::Endpoint => {
            let backends = format!("[{}]", backend(""));
            let one = object(&[("endpoint", "\"/e\""), ("backend", &backends)]);
            format!("{{\"version\": 3, \"endpoints\": [{one}]}}")
        }
        Scope::Backend => {
            let one = object(&[("url_pattern", "\"/b\""), ("host", "[\"http://a:81\"]")]);
            root("\"name\": \"n\"", &one, "")
        }
        Scope::ClientTls => root(&format!("\"client_tls\": {}", object(&[])), &backend(""), ""),
        Scope::ClientCertificate => {
            let one = object(&[("certificate", "\"c.pem\""), ("private_key", "\"k.pem\"")]);
            root(&format!("\"client_tls\": {{\"client_certs\": [{one}]}}"), &backend(""), "")
        }
        Scope::Router => in_root("router", object(&[])),
        Scope::ErrorBody => in_root("router", format!("{{\"error_body\": {}}}", object(&[]))),
        Scope::Logging => in_root("telemetry/logging", object(&[("level", "\"INFO\"")])),
        Scope::EndpointProxy => in_endpoint("proxy", object(&[])),
        Scope::BackendProxy => in_backend("proxy", object(&[])),
        Scope::BackendHttp => in_backend("backend/http", object(&[])),
        Scope::BackendHttpClient => in_backend("backend/http/client", object(&[])),
        Scope::Ringway => in_root("ringway", object(&[])),
        Scope::EndpointRingway => in_endpoint("ringway", object(&[])),
        Scope::BackendRingway => in_backend("ringway", object(&[])),
        Scope::RingwayJson => in_root("ringway", format!("{{\"json\": {}}}", object(&[]))),
        Scope::RingwayHttp1 => in_root("ringway", format!("{{\"http1\": {}}}", object(&[]))),
        Scope::RingwayLimits => in_root("ringway", format!("{{\"limits\": {}}}", object(&[]))),
    }
}

fn root(member: &str, backend: &str, in_endpoint: &str) -> String {
    format!(
        "{{\"version\": 3, {member}, \"endpoints\": [{{\"endpoint\": \"/e\", \
         \"backend\": [{backend}]{in_endpoint}}}]}}"
    )
}

fn backend(more: &str) -> String {
    format!("{{\"url_pattern\": \"/b\", \"host\": [\"http://a:81\"]{more}}}")
}

/// What is said of a file, and whether it is refused. This is what `check` and `run` do.
fn told(text: &str) -> (bool, Vec<String>) {
    match Gateway::builder().config_text("gateway.json", text).build() {
        Ok(built) => (false, built.warnings().to_vec()),
        Err(BuildError::Refused(problems)) => (true, problems),
        Err(other) => (true, vec![other.to_string()]),
    }
}

/// `gateway.json:2:8: error: endpoints[0].timeout: …`, with a key path where the problem has one.
fn has_its_place(problem: &str) -> bool {
    let mut parts = problem.splitn(5, ':').map(str::trim);
    let is_number =
        |part: Option<&str>| part.is_some_and(|p| p.parse::<u32>().is_ok_and(|n| n > 0));
    parts.next() == Some("gateway.json")
        && is_number(parts.next())
        && is_number(parts.next())
        && matches!(parts.next(), Some("error" | "warning"))
}

#[test]
fn scale_every_key_with_every_wrong_value() {
    let mut wrong = Vec::new();
    let mut silent: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for scope in Scope::ALL {
        for row in keys(scope) {
            let name = format!("{} {}", scope.title(), row.key);
            for value in VALUES {
                let text = file(scope, row.key, value);
                let Ok((is_refused, problems)) = std::panic::catch_unwind(|| told(&text)) else {
                    wrong.push(format!("{name} = {value}: a panic"));
                    continue;
                };
                for problem in &problems {
                    if !has_its_place(problem) || problem.chars().any(char::is_control) {
                        wrong.push(format!("{name} = {value}: no place in {problem:?}"));
                    }
                }
                // Another problem does not count: this key's line is the second.
                let own = problems.iter().any(|problem| {
                    let path = problem.splitn(5, ':').nth(4).unwrap_or_default();
                    path.contains(row.key)
                        || problem.starts_with("gateway.json:2:")
                        // Several keys together that cannot work: the object that they stand in.
                        || (scope == Scope::ClientTls && path.contains("client_tls cannot work"))
                });
                if !problems.is_empty() && !own {
                    wrong.push(format!("{name} = {value}: somebody else is blamed: {problems:?}"));
                }
                if is_refused && problems.is_empty() {
                    wrong.push(format!("{name} = {value}: refused without a word"));
                }
                if problems.is_empty() && row.class != Class::Comment {
                    silent.entry(name.clone()).or_default().push(value);
                }
            }
            // `null` is absence, whatever the key.
            let (is_refused, problems) = told(&file(scope, row.key, "null"));
            let is_needed = matches!(
                row.key,
                "version"
                    | "endpoints"
                    | "endpoint"
                    | "backend"
                    | "host"
                    | "certificate"
                    | "private_key"
                    | "level"
            );
            if (is_refused || !problems.is_empty()) && !is_needed {
                wrong.push(format!("{name} = null: {problems:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    let table: String =
        silent.iter().map(|(name, values)| format!("{name}: {}\n", values.join("  "))).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/accepted_values.txt");
    if std::env::var_os("RINGWAY_WRITE_VALUES").is_some() {
        std::fs::write(&path, &table).expect("the file is writable");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let differs: Vec<_> = known
        .lines()
        .filter(|line| !table.lines().any(|l| l == *line))
        .map(|line| format!("- {line}"))
        .chain(
            table
                .lines()
                .filter(|l| !known.lines().any(|line| line == *l))
                .map(|l| format!("+ {l}")),
        )
        .collect();
    assert!(differs.is_empty(), "what is taken without a word changed:\n{}", differs.join("\n"));
}

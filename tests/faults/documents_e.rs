//! Documents that are no JSON, or too deep a one (docs/reference/hardening.md E2, E5): one driver is
//! enough, no socket matters here.

use crate::invariants::{Profile, Site, answering};
use crate::support::{answer, backend, call};

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn e2_depth_without_end() {
    let million = 1_000_000;
    let cases = [
        ("/arrays", "[".repeat(million), "backend_bad_json"),
        ("/arrays-closed", nested("[", "", "]", million), "backend_bad_json"),
        ("/objects", r#"{"a":"#.repeat(million), "backend_bad_json"),
        ("/objects-closed", nested(r#"{"a":"#, "1", "}", million), "backend_bad_json"),
        ("/inside", format!(r#"{{"b":{}}}"#, "[".repeat(million)), "backend_bad_json"),
        ("/over", nested(r#"{"a":"#, "1", "}", 10_001), "backend_bad_json"),
        ("/allowed", nested(r#"{"a":"#, "1", "}", 10_000), "ok"),
    ];
    let mut peer = backend();
    for (path, body, _) in &cases {
        peer = peer.get(path, body.as_str());
    }
    for profile in Profile::BOTH {
        let mut builder = profile.gateway().service("timeout", "30s");
        let deep_key = ["a"; 127].join(".");
        for (path, ..) in &cases {
            for (kind, key, value) in [
                ("plain", "encoding", "json".into()),
                ("safejson", "encoding", "safejson".into()),
                ("group", "group", "g".into()),
                ("allow", "allow", crate::support::json!([deep_key])),
                ("target", "target", "a.a.a".into()),
            ] {
                let one = call(&peer, path).key(key, value);
                builder = builder.endpoint(&format!("/{kind}{path}"), [one]);
            }
        }
        let mut site = Site::start(builder);
        for (path, body, label) in &cases {
            for kind in ["plain", "safejson", "group", "allow", "target"] {
                let route = format!("/{kind}{path}");
                let found = site.get(&route);
                site.counted(&route, label, 1);
                if *label != "ok" {
                    assert!(found.code == profile.status(502), "{route}: {found}");
                    continue;
                }
                let inner = |levels: usize| nested(r#"{"a":"#, "1", "}", levels);
                let wanted = match kind {
                    "plain" | "safejson" => body.clone(),
                    "group" => format!(r#"{{"g":{body}}}"#),
                    "allow" => body.clone(),
                    _ => inner(10_000 - 3),
                };
                found.status(200).body(wanted);
            }
        }
        site.settled();
    }
}

#[test]
fn e2_a_merge_of_two_deep_documents() {
    let deep = |inner: &str| nested(r#"{"a":"#, inner, "}", 128);
    let (one, two) = (deep("1"), deep("2"));
    let peer = backend().get("/one", one.as_str()).get("/two", two.as_str());
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .endpoint("/merge", [call(&peer, "/one"), call(&peer, "/two")])
                .endpoint("/group", [call(&peer, "/one").group("a"), call(&peer, "/two")]),
        );
        // The later of the file wins; nothing of both is mixed.
        site.get("/merge").status(200).completed(true).body(&two);
        site.get("/group").status(200).completed(true).body(&two);
        site.settled();
    }
}

/// `%hh` is a byte, `%(n:text%)` is the text n times.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('%') {
        out.extend_from_slice(plain.as_bytes());
        rest = if let Some(repeated) = after.strip_prefix('(') {
            let (n, from) = repeated.split_once(':').expect("a count");
            let (inner, after) = from.split_once("%)").expect("an end");
            out.extend(unescape(inner).repeat(n.parse().expect("a number")));
            after
        } else {
            out.push(u8::from_str_radix(&after[..2], 16).expect("two digits"));
            &after[2..]
        };
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// Whether the document begins with a whole value, to a reader that is not ours.
fn is_a_value_with_something_behind(body: &[u8]) -> bool {
    // What stands in for broken text (differences, row 5) may not decide here.
    let text = String::from_utf8_lossy(body);
    assert!(text.len() < 2000, "no document of this kind is long");
    let ends = text.char_indices().map(|(at, _)| at).skip(1);
    ends.into_iter().any(|at| serde_json::from_str::<serde_json::Value>(&text[..at]).is_ok())
}

#[test]
fn e5_no_answer_is_made_of_what_is_no_json() {
    let cases: Vec<(String, Vec<u8>)> = include_str!("../json/corpus/cases.tsv")
        .lines()
        .map(|line| line.split_once('\t').expect("two columns"))
        .map(|(name, body)| (name.to_owned(), unescape(body)))
        .collect();
    let (count, bodies) = (cases.len(), cases.clone());
    let n_invalid = cases.iter().filter(|(name, _)| name.starts_with("n_")).count();
    assert!(count > 600 && n_invalid > 180, "{count} documents, {n_invalid} of them invalid");
    let peer = answering(move |id| answer(200).body(bodies[id.parse().unwrap_or(0)].1.clone()));
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .router("disable_access_log", false)
                .endpoint("/json", [call(&peer, "/a").key("encoding", "safejson")])
                .input_query_strings(&["id"]),
        );
        let mut wrong = Vec::new();
        let mut client = site.gw.connect();
        for (id, (name, body)) in cases.iter().enumerate() {
            let found = client.send(format!("GET /json?id={id} HTTP/1.1\r\nHost: gw\r\n\r\n"));
            site.counts(1);
            found.ended();
            let accepted = found.code == 200;
            let allowed = match &name[..2] {
                "y_" => accepted,
                "n_" if profile == Profile::Safe => !accepted,
                // Bytes behind the first value are ignored and counted (differences, row 4).
                "n_" => !accepted || is_a_value_with_something_behind(body),
                _ => true,
            };
            let status_fits = accepted || found.code == profile.status(502);
            if !allowed || !status_fits {
                wrong.push(format!("{name}: {}", found.code));
            }
            if accepted && profile == Profile::Safe {
                // Where the other reader takes the document, it takes what was made of it.
                let reads =
                    |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
                if reads(body) && !reads(&found.bytes) {
                    wrong.push(format!("{name}: the answer is no JSON"));
                }
            }
        }
        drop(client);
        assert!(wrong.is_empty(), "{profile:?}: {wrong:#?}");
        site.settled();
    }
}

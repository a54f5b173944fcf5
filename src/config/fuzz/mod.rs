//! Any bytes at all, as each of the three formats: problems come out, never a panic.

mod syntax;
mod texts;

use super::known;
use super::load::{Options, load};
use super::render;
use crate::http::fuzz::{about, seen};

pub use syntax::fuzz_syntax;
pub use texts::{fuzz_durations, fuzz_hosts, fuzz_urls};

/// Loads the bytes as JSON, YAML and TOML and prints what was found in every form.
pub fn fuzz_config(bytes: &[u8]) -> u64 {
    let environment = [("KRAKEND_PORT".to_owned(), String::from_utf8_lossy(bytes).into_owned())];
    let options = Options::default();
    let mut outcomes = Vec::new();
    for name in ["f.json", "f.yaml", "f.toml"] {
        let loaded = load(&|_| Ok(Vec::new()), name, bytes, &environment, &options);
        assert_eq!(loaded.service.is_none(), loaded.diagnostics.has_errors());
        // Positions must fit the text whatever it is.
        let plain = render::plain(&loaded.diagnostics, &loaded.sources);
        assert_eq!(plain.lines().count(), loaded.diagnostics.len());
        let snippets = render::snippets(&loaded.diagnostics, &loaded.sources, false);
        assert!(!snippets.contains('\u{1b}'));
        render::json(&loaded.diagnostics, &loaded.sources);
        // What is wrong, without the names and numbers of this input.
        let kinds = plain.lines().map(|line| {
            let words = line.split([':', '"']).nth_back(0).unwrap_or_default();
            words.split(' ').take(3).map(str::to_owned).collect::<Vec<_>>()
        });
        let mut kinds: Vec<_> = kinds.collect();
        kinds.sort();
        kinds.dedup();
        outcomes.push((loaded.service.is_some(), about(loaded.diagnostics.len()), kinds));
    }
    seen(outcomes)
}

/// Every value of every known key replaced by the bytes' text: the readers of the model.
pub fn fuzz_values(bytes: &[u8]) -> u64 {
    let value = serde_json::Value::from(String::from_utf8_lossy(bytes).into_owned());
    let keys = |scope| {
        let members = known::keys(scope).iter().map(|row| (row.key.to_owned(), value.clone()));
        members.collect::<serde_json::Map<_, _>>()
    };
    let mut backend = keys(known::Scope::Backend);
    backend.insert(
        "extra_config".into(),
        serde_json::json!({
            "backend/http": keys(known::Scope::BackendHttp),
            "ringway": keys(known::Scope::BackendRingway),
        }),
    );
    let mut endpoint = keys(known::Scope::Endpoint);
    endpoint.insert("backend".into(), serde_json::json!([backend]));
    endpoint.insert(
        "extra_config".into(),
        serde_json::json!({
            "proxy": keys(known::Scope::EndpointProxy),
            "ringway": keys(known::Scope::EndpointRingway),
        }),
    );
    let mut ringway = keys(known::Scope::Ringway);
    ringway.insert("limits".into(), keys(known::Scope::RingwayLimits).into());
    ringway.insert("json".into(), keys(known::Scope::RingwayJson).into());
    ringway.insert("http1".into(), keys(known::Scope::RingwayHttp1).into());
    let mut root = keys(known::Scope::Root);
    root.insert("endpoints".into(), serde_json::json!([endpoint]));
    root.insert("client_tls".into(), keys(known::Scope::ClientTls).into());
    root.insert(
        "extra_config".into(),
        serde_json::json!({
            "router": keys(known::Scope::Router),
            "telemetry/logging": keys(known::Scope::Logging),
            "ringway": ringway,
        }),
    );
    fuzz_config(serde_json::Value::Object(root).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz_config(&bytes);
        }

        #[test]
        fn text_that_looks_like_a_file(text in "[\\[\\]{}:,\"'&*!|>?#%@`=.\\-+_~<\\\\ \n\ta-z0-9\u{e9}]{0,120}") {
            fuzz_config(text.as_bytes());
        }

        #[test]
        fn any_text_as_every_value(text in "(\\PC|[{}:*?/.$%-]|\n){0,40}") {
            fuzz_values(text.as_bytes());
        }

        #[test]
        fn a_good_file_with_a_hole(at in 0usize..400, byte in any::<u8>()) {
            let mut file = br#"{"version": 3, "host": ["http://a"], "timeout": "2s", "extra_config":
              {"router": {"error_body": {"404": {"a": [1]}}}, "ringway": {"profile": "safe"}},
              "endpoints": [{"endpoint": "/a/{x}", "method": "GET", "input_headers": ["*"],
              "backend": [{"url_pattern": "/b/{x}?c={x}", "allow": ["a.b"], "mapping": {"a": "b"}}]}]}"#
                .to_vec();
            let n = file.len();
            file[at % n] = byte;
            fuzz_config(&file);
        }
    }

    #[test]
    fn deep_and_wide() {
        for text in [
            "[".repeat(100_000),
            "{\"a\":".repeat(100_000),
            "- ".repeat(50_000),
            "a.".repeat(50_000),
        ] {
            fuzz_config(text.as_bytes());
        }
    }
}

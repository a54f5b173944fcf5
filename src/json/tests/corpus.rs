//! Every document of `tests/json/corpus/cases.tsv` against what Go 1.26's encoding/json made of it
//! (`go.tsv`, written by `verdicts.go` beside it).
//!
//! Names begin as in JSONTestSuite: `y_` must be accepted, `n_` refused, `i_` is left to the
//! parser by the RFC.

use super::super::decode::{DecodeSpec, Encoding, Policy, decode};
use super::super::fuzz::{fuzz_decode, fuzz_scan};
use super::super::merge::RenderOptions;
use super::super::part::Part;
use super::super::scan::scan;
use super::through;

const CASES: &str = include_str!("../../../tests/json/corpus/cases.tsv");
const GO: &str = include_str!("../../../tests/json/corpus/go.tsv");

/// Documents that profile `krakend` reads up to the first value's end (design: bytes after the
/// first JSON value are ignored and counted), as Go's decoder does; `safe` refuses them.
const TRAILING: &[&str] = &[
    "n_structure_array_extra_close",
    "n_trailing_array",
    "n_trailing_bad_utf8",
    "n_trailing_bom",
    "n_trailing_brace",
    "n_trailing_close",
    "n_trailing_comma",
    "n_trailing_comment",
    "n_trailing_dot_twice",
    "n_trailing_exponent_twice",
    "n_trailing_hash",
    "n_trailing_hex",
    "n_trailing_leading_zero",
    "n_trailing_letter",
    "n_trailing_letters_after_number",
    "n_trailing_literal_long",
    "n_trailing_minus_after",
    "n_trailing_nul",
    "n_trailing_number",
    "n_trailing_number_glued",
    "n_trailing_object",
    "n_trailing_quote",
    "n_trailing_string",
    "n_trailing_top_two_literals",
];

/// One line of each file.
struct Case {
    name: &'static str,
    body: Vec<u8>,
    /// Into `interface{}`: `ok` or the error's text.
    go: String,
    /// Nothing but the value.
    is_whole: bool,
    /// Into `map[string]interface{}` and `[]interface{}`.
    object: String,
    array: String,
    /// Encoded again without and with HTML escapes; `None` where too long for the table.
    plain: Option<Vec<u8>>,
    html: Option<Vec<u8>>,
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

fn cases() -> Vec<Case> {
    let text = |text: &str| String::from_utf8(unescape(text)).expect("an error text is UTF-8");
    let table = |text: &str| if text == "-" { None } else { Some(unescape(text)) };
    CASES
        .lines()
        .zip(GO.lines())
        .map(|(case, go)| {
            let (name, body) = case.split_once('\t').expect("two columns");
            let columns: Vec<_> = go.split('\t').collect();
            assert_eq!(name, columns[0], "both files have the same order");
            Case {
                name,
                body: unescape(body),
                go: text(columns[1]),
                is_whole: columns[2] == "valid",
                object: text(columns[3]),
                array: text(columns[4]),
                plain: table(columns[5]),
                html: table(columns[6]),
            }
        })
        .collect()
}

fn verdict<T, E: ToString>(result: Result<T, E>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "ok".to_owned())
}

#[test]
fn scanner_decides_as_go_with_go_s_words() {
    let cases = cases();
    assert!(cases.len() > 600);
    for case in &cases {
        let scanned = scan(&case.body);
        assert_eq!(verdict(scanned), case.go, "{}", case.name);
        let is_whole = scanned.is_ok_and(|all| all.trailing(&case.body).is_none());
        assert_eq!(is_whole, case.is_whole, "{}", case.name);
    }
}

#[test]
fn names_say_what_happens() {
    let safe = |body: &[u8]| {
        let spec = DecodeSpec {
            encoding: Encoding::SafeJson,
            policy: Policy::SAFE,
            ..DecodeSpec::default()
        };
        decode(body, &spec, &mut Part::new()).is_ok()
    };
    for case in &cases() {
        let accepted = scan(&case.body).is_ok();
        let is_clean = scan(&case.body).is_ok_and(|all| !all.needs_repair);
        let (wanted, wanted_safe) = match &case.name[..2] {
            "y_" => (true, true),
            "n_" => (TRAILING.contains(&case.name), false),
            _ => (true, case.is_whole && is_clean),
        };
        assert_eq!(accepted, wanted, "{}", case.name);
        assert_eq!(safe(&case.body), wanted_safe, "{} in profile safe", case.name);
        if case.name.starts_with("y_") {
            assert!(is_clean, "{}", case.name);
        }
    }
}

#[test]
fn decoders_refuse_with_go_s_words() {
    let mut part = Part::new();
    for case in &cases() {
        for (collection, wanted) in [(false, &case.object), (true, &case.array)] {
            let spec =
                DecodeSpec { encoding: Encoding::Json { collection }, ..DecodeSpec::default() };
            let decoded = decode(&case.body, &spec, &mut part);
            assert_eq!(&verdict(decoded), wanted, "{}, collection {collection}", case.name);
        }
    }
}

#[test]
fn repaired_and_sorted_as_go_encodes() {
    let spec = DecodeSpec { encoding: Encoding::SafeJson, ..DecodeSpec::default() };
    let mut compared = 0;
    for case in cases().iter().filter(|case| case.go == "ok") {
        for (escape_html, wanted) in [(false, &case.plain), (true, &case.html)] {
            let Some(wanted) = wanted else { continue };
            let options =
                RenderOptions { sort_keys: true, escape_html, ..RenderOptions::default() };
            let got = through(&case.body, &spec, &options).expect("Go accepts it");
            let wanted = match wanted[0] {
                b'{' => wanted.clone(),
                b'[' => [b"{\"collection\":", &wanted[..], b"}"].concat(),
                _ => [b"{\"content\":", &wanted[..], b"}"].concat(),
            };
            let text = String::from_utf8_lossy;
            assert_eq!(text(&got), text(&wanted), "{}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 500);
}

#[test]
fn corpus_holds_no_surprise() {
    for case in &cases() {
        fuzz_scan(&case.body);
        // Many renderings each, so of the long ones only the deepest.
        if case.body.len() < 2000 || case.name == "y_deep_10000_objects" {
            fuzz_decode(&case.body);
        }
        if case.body.len() < 60 {
            for end in 0..case.body.len() {
                fuzz_scan(&case.body[..end]);
                fuzz_scan(&case.body[end..]);
            }
        }
    }
}

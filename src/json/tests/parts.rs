//! Parts, options and parameters, by example.

use super::super::decode::{DecodeSpec, Encoding, Policy, decode};
use super::super::lookup::Lookup;
use super::super::merge::{RenderOptions, Renderer, Rendering};
use super::super::part::Part;
use super::super::select::SelectionSpec;
use super::{selecting, shown, strings, through};

const PLAIN: RenderOptions =
    RenderOptions { rendering: Rendering::Json, sort_keys: false, escape_html: false };
const HTML: RenderOptions = RenderOptions { escape_html: true, ..PLAIN };
const SORTED: RenderOptions = RenderOptions { sort_keys: true, ..PLAIN };
const GO: RenderOptions = RenderOptions { sort_keys: true, ..HTML };
const TEXT: RenderOptions = RenderOptions { rendering: Rendering::String, ..PLAIN };

fn rendered(part: &Part, body: &[u8], options: &RenderOptions) -> String {
    let mut out = Vec::new();
    Renderer::new().render(&[(part, body)], options, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn untouched_bytes_stay() {
    let body = " { \"b\" : [ 1.0 , \"\\u00e9<\" ] ,\n \"a\" : { \"x\" : 1 , \"x\" : 2 } } ";
    let all = body.trim();
    let allow = SelectionSpec { allow: strings(&["b", "a.x"]), ..SelectionSpec::default() };
    let deny = SelectionSpec { deny: strings(&["a.z", "q"]), ..SelectionSpec::default() };
    let first = SelectionSpec { allow: strings(&["b"]), ..SelectionSpec::default() };
    let none = SelectionSpec::default();
    for (case, spec, options, expected) in [
        ("whole", &none, PLAIN, all),
        ("html", &none, HTML, &all.replace('<', "\\u003c")),
        ("allow", &allow, PLAIN, "{\"b\" : [ 1.0 , \"\\u00e9<\" ],\"a\":{\"x\" : 2}}"),
        (
            "deny drops doubled keys of objects it enters",
            &deny,
            PLAIN,
            "{\"b\" : [ 1.0 , \"\\u00e9<\" ],\"a\":{\"x\" : 2}}",
        ),
        ("first", &first, PLAIN, "{\"b\" : [ 1.0 , \"\\u00e9<\" ]}"),
        ("sorted", &none, SORTED, "{\"a\":{\"x\":2},\"b\":[1.0,\"é<\"]}"),
        ("go", &none, GO, "{\"a\":{\"x\":2},\"b\":[1.0,\"é\\u003c\"]}"),
    ] {
        assert_eq!(shown(body.as_bytes(), &selecting(spec), &options), expected, "{case}");
    }
}

#[test]
fn doubled_keys_at_entered_levels() {
    let allow = SelectionSpec { allow: strings(&["a.b", "c"]), ..SelectionSpec::default() };
    let deny = SelectionSpec { deny: strings(&["a.b"]), ..SelectionSpec::default() };
    let target = SelectionSpec { target: Some("a.b".to_owned()), ..SelectionSpec::default() };
    for (spec, body, expected) in [
        (&allow, r#"{"a":{"b":1},"a":{"c":2}}"#, "{}"),
        (&allow, r#"{"a":{"b":1},"a":7}"#, "{}"),
        (&allow, r#"{"a":7,"a":{"b":1}}"#, r#"{"a":{"b":1}}"#),
        (&allow, r#"{"a":{"b":1,"b":2,"x":0}}"#, r#"{"a":{"b":2}}"#),
        (&allow, r#"{"c":1,"a":{"b":1},"c":2,"\u0063":3}"#, r#"{"a":{"b":1},"\u0063":3}"#),
        (&deny, r#"{"a":{"x":1,"y":2,"x":3},"a":{"b":1}}"#, r#"{"a":{}}"#),
        (&deny, r#"{"a":{"x":1,"y":2,"x":3,"b":4}}"#, r#"{"a":{"y":2,"x":3}}"#),
        (&deny, r#"{"a":{"x":1},"a":[{"b":1}]}"#, r#"{"a":[{"b":1}]}"#),
        (&target, r#"{"a":{"b":{"x":1}},"a":{"b":{"y":2}}}"#, r#"{"y":2}"#),
        (&target, r#"{"a":{"b":{"x":1},"b":null}}"#, "{}"),
        (&target, r#"{"a":{"b":{"x":1}},"a":{}}"#, "{}"),
        (&target, r#"{"a":{"b":{"x":1}},"b":{"z":1}}"#, r#"{"x":1}"#),
    ] {
        assert_eq!(shown(body.as_bytes(), &selecting(spec), &PLAIN), expected, "{body}");
    }
}

#[test]
fn mappings_follow_the_file() {
    let pairs = |pairs: &[(&str, &str)]| SelectionSpec {
        mapping: pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        ..SelectionSpec::default()
    };
    let body = r#"{"a":1,"b":2,"c":3}"#;
    for (spec, expected) in [
        (pairs(&[("a", "b"), ("b", "c")]), r#"{"c":1}"#),
        (pairs(&[("b", "c"), ("a", "b")]), r#"{"b":1,"c":2}"#),
        (pairs(&[("a", "x"), ("b", "a"), ("x", "b")]), r#"{"b":1,"a":2,"c":3}"#),
        (pairs(&[("a", "a"), ("b", "b.x")]), body),
        (pairs(&[("c", "a.z")]), r#"{"b":2,"a":3}"#),
        (pairs(&[("a", "q\"")]), r#"{"q\"":1,"b":2,"c":3}"#),
        (pairs(&[("a", "q\""), ("q\"", "z")]), r#"{"z":1,"b":2,"c":3}"#),
        (pairs(&[("no", "a")]), body),
        (pairs(&[("a", ".b")]), r#"{"":1,"b":2,"c":3}"#),
    ] {
        assert_eq!(shown(body.as_bytes(), &selecting(&spec), &PLAIN), expected, "{spec:?}");
    }
}

#[test]
fn nil_survives_what_does_not_wrap_or_replace_it() {
    let spec = |target: Option<&str>, group: Option<&str>| SelectionSpec {
        target: target.map(str::to_owned),
        group: group.map(str::to_owned),
        allow: strings(&["a"]),
        mapping: vec![("a".to_owned(), "b".to_owned())],
        ..SelectionSpec::default()
    };
    for (spec, is_nil, is_empty, expected) in [
        (spec(None, None), true, true, "null"),
        (spec(Some("x"), None), false, true, "{}"),
        (spec(None, Some("g")), false, false, r#"{"g":null}"#),
        (spec(Some("x"), Some("g")), false, false, r#"{"g":{}}"#),
    ] {
        let mut part = Part::new();
        decode(b"null", &selecting(&spec), &mut part).expect("valid");
        assert_eq!((part.is_nil(), part.is_empty()), (is_nil, is_empty), "{spec:?}");
        assert_eq!(rendered(&part, b"null", &PLAIN), expected, "{spec:?}");
    }
}

#[test]
fn profiles() {
    let safe = DecodeSpec { policy: Policy::SAFE, ..DecodeSpec::default() };
    let loose = DecodeSpec::default();
    for (body, loosely, safely) in [
        (&b"{\"a\":1} \n"[..], "{\"a\":1}", "{\"a\":1}"),
        (b"{\"a\":1}x", "{\"a\":1}", "invalid character 'x' after top-level value"),
        (b"{\"a\":\"\xff\"}", "{\"a\":\"\u{fffd}\"}", "invalid UTF-8 in a JSON string"),
        (b"{\"a\":\"\\ud800\"}", "{\"a\":\"\u{fffd}\"}", "invalid UTF-8 in a JSON string"),
        (b"{\"\xff\":1,\"\\udc00\":2}", "{\"\u{fffd}\":2}", "invalid UTF-8 in a JSON string"),
    ] {
        assert_eq!(shown(body, &loose, &PLAIN), loosely);
        assert_eq!(shown(body, &safe, &PLAIN), safely);
    }
    let mut part = Part::new();
    decode(b"{\"a\":\"\xff\"}x", &loose, &mut part).expect("repaired");
    assert!(part.had_trailing() && part.was_repaired());
    decode(b"{}", &loose, &mut part).expect("valid");
    assert!(!part.had_trailing() && !part.was_repaired());
}

#[test]
fn repaired_bodies_are_selected_and_merged() {
    let spec = SelectionSpec {
        allow: strings(&["a.b", "\u{fffd}"]),
        mapping: vec![("a".to_owned(), "z".to_owned())],
        ..SelectionSpec::default()
    };
    let body = b"{\"a\":{\"b\":\"\xe2\x82\",\"c\":0},\"\xff\":\"ok\",\"x\":1}";
    let shown = shown(body, &selecting(&spec), &PLAIN);
    assert_eq!(shown, "{\"z\":{\"b\":\"\u{fffd}\u{fffd}\"},\"\u{fffd}\":\"ok\"}");
}

#[test]
fn string_rendering() {
    let text = DecodeSpec { encoding: Encoding::String, ..DecodeSpec::default() };
    let json = DecodeSpec::default();
    for (case, spec, body, expected) in [
        ("raw bytes of a text backend", &text, &b"a\xff\"\\n"[..], &b"a\xff\"\\n"[..]),
        ("decoded", &json, b"{\"content\":\"\\u00e9\\n\\ud83d\\ude00\"}", "é\n😀".as_bytes()),
        ("no string", &json, b"{\"content\":1}", b""),
        ("an object", &json, b"{\"content\":{}}", b""),
        ("absent", &json, b"{\"a\":1}", b""),
        ("nil", &json, b"null", b""),
    ] {
        assert_eq!(through(body, spec, &TEXT).as_deref(), Ok(expected), "{case}");
    }
    let grouped = SelectionSpec { group: Some("content".to_owned()), ..SelectionSpec::default() };
    assert_eq!(shown(b"{\"a\":1}", &selecting(&grouped), &TEXT), "");
}

#[test]
fn text_backends_in_json() {
    let text = DecodeSpec { encoding: Encoding::String, ..DecodeSpec::default() };
    for (options, expected) in [
        (PLAIN, r#"{"content":"<a> & \"\u2028\n\ufffd"}"#),
        (HTML, r#"{"content":"\u003ca\u003e \u0026 \"\u2028\n\ufffd"}"#),
        (SORTED, r#"{"content":"<a> & \"\u2028\n\ufffd"}"#),
        (GO, r#"{"content":"\u003ca\u003e \u0026 \"\u2028\n\ufffd"}"#),
    ] {
        assert_eq!(shown(b"<a> & \"\xe2\x80\xa8\n\xff", &text, &options), expected);
    }
}

#[test]
fn error_details() {
    for (name, body, encoding, options, expected) in [
        (
            "b",
            "not <found>",
            "text/plain",
            PLAIN,
            r#"{"error_b":{"http_status_code":404,"http_body":"not <found>","http_body_encoding":"text/plain"}}"#,
        ),
        ("b", "", "", PLAIN, r#"{"error_b":{"http_status_code":404}}"#),
        ("a\"b", "{}", "", PLAIN, r#"{"error_a\"b":{"http_status_code":404,"http_body":"{}"}}"#),
        // Go writes a struct in the order of its fields, whatever else is sorted.
        (
            "b",
            "<",
            "x",
            GO,
            r#"{"error_b":{"http_status_code":404,"http_body":"\u003c","http_body_encoding":"x"}}"#,
        ),
    ] {
        let mut part = Part::new();
        part.set_error_details(name, 404, body.as_bytes(), encoding.as_bytes());
        assert!(!part.is_empty() && !part.is_nil());
        assert_eq!(rendered(&part, b"", &options), expected);
    }
}

#[test]
fn error_details_merge_by_their_decoded_name() {
    let mut details = Part::new();
    details.set_error_details("a\"b", 500, b"", b"");
    let body = br#"{"error_a\u0022b":1,"c":2}"#;
    let mut part = Part::new();
    decode(body, &DecodeSpec::default(), &mut part).expect("valid");
    let mut out = Vec::new();
    Renderer::new().render(&[(&part, body), (&details, b"")], &PLAIN, &mut out);
    let text = String::from_utf8_lossy(&out);
    assert_eq!(text, r#"{"c":2,"error_a\"b":{"http_status_code":500}}"#);
}

#[test]
fn parameters() {
    let body = br#"{"s":"t\u00e9xt","n":4.20,"e":1e5,"b":true,"z":null,"l":[1,"a",[2,3],{"k":1}],
        "o":{"b":1,"a":{"y":null,"x":"t"},"b":2},"el":[],"a.b":1}"#;
    let mut part = Part::new();
    decode(body, &DecodeSpec::default(), &mut part).expect("valid");
    let mut lookup = Lookup::new();
    for (path, expected) in [
        (&["s"][..], Some("téxt")),
        (&["n"], Some("4.20")),
        (&["e"], Some("1e5")),
        (&["b"], Some("true")),
        (&["z"], Some("<nil>")),
        (&["l"], Some("1,a,[2 3],map[k:1]")),
        (&["el"], Some("")),
        (&["o"], Some("map[a:map[x:t y:<nil>] b:2]")),
        (&["o", "a", "x"], Some("t")),
        (&["o", "b"], Some("2")),
        (&["o", "no"], None),
        (&["s", "x"], None),
        (&["l", "0"], None),
        (&["no"], None),
        (&["a.b"], Some("1")),
    ] {
        let mut out = b"=".to_vec();
        let found = lookup.parameter(&part, body, path, &mut out);
        assert_eq!(found, expected.is_some(), "{path:?}");
        let wanted = format!("={}", expected.unwrap_or_default());
        assert_eq!(String::from_utf8_lossy(&out), wanted, "{path:?}");
    }
}

#[test]
fn a_warm_part_keeps_its_memory() {
    let body = br#"{"a":{"b":1,"c":{"d":[1,2,3]}},"\u0065":2,"f":3,"g":4,"h":5,"i":6,"j":7,"k":8}"#;
    let spec = SelectionSpec {
        deny: strings(&["a.b"]),
        mapping: vec![("e".to_owned(), "x".to_owned())],
        group: Some("g".to_owned()),
        ..SelectionSpec::default()
    };
    let spec = selecting(&spec);
    let mut part = Part::new();
    decode(body, &spec, &mut part).expect("valid");
    let capacities = |part: &Part| {
        [
            part.members.capacity(),
            part.pieces.capacity(),
            part.scratch.capacity(),
            part.frames.capacity(),
            part.marks.capacity(),
        ]
    };
    let before = capacities(&part);
    for _ in 0..100 {
        decode(body, &spec, &mut part).expect("valid");
    }
    assert_eq!(capacities(&part), before);
}

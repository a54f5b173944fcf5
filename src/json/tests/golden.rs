//! What a KrakenD CE 2.13.8 answered, backend body by backend body. Its answers are sorted, so
//! ours are compared sorted too.

use super::super::decode::{DecodeSpec, Encoding, decode};
use super::super::merge::{RenderOptions, Renderer, Rendering};
use super::super::part::Part;
use super::super::select::{Selection, SelectionSpec};
use super::{shown, strings};

const USER: &str = r#"{"id":1,"name":"Ada","email":"a@x.org","tags":["a","b"],"addr":{"city":"Paris","geo":{"lat":48.85,"lon":2.35},"zip":null},"posts":[{"id":1,"t":"x"},{"id":2,"t":"y"}],"ok":true}"#;
const USER_SORTED: &str = r#"{"addr":{"city":"Paris","geo":{"lat":48.85,"lon":2.35},"zip":null},"email":"a@x.org","id":1,"name":"Ada","ok":true,"posts":[{"id":1,"t":"x"},{"id":2,"t":"y"}],"tags":["a","b"]}"#;
const NUMBERS: &str = r#"{"i":12345678901234567890,"j":-0,"f":4.20,"e":1e5,"E":1.5E+300,"h":123456789012345678901234567890.123456789,"z":0.0,"s":1e-7,"o":1e400}"#;
const NUMBERS_SORTED: &str = r#"{"E":1.5E+300,"e":1e5,"f":4.20,"h":123456789012345678901234567890.123456789,"i":12345678901234567890,"j":-0,"o":1e400,"s":1e-7,"z":0.0}"#;

const JSON: Encoding = Encoding::Json { collection: false };
const COLLECTION: Encoding = Encoding::Json { collection: true };
const SORTED: RenderOptions =
    RenderOptions { rendering: Rendering::Json, sort_keys: true, escape_html: false };

/// Encoding, selection and body of one backend.
type Backend<'b> = (Encoding, SelectionSpec, &'b str);

fn spec(encoding: Encoding, selection: &SelectionSpec) -> DecodeSpec {
    DecodeSpec { encoding, selection: Selection::new(selection), ..DecodeSpec::default() }
}

fn none() -> SelectionSpec {
    SelectionSpec::default()
}

fn mapping(pairs: &[(&str, &str)]) -> SelectionSpec {
    let pair = |(old, new): &(&str, &str)| ((*old).to_owned(), (*new).to_owned());
    SelectionSpec { mapping: pairs.iter().map(pair).collect(), ..none() }
}

fn target(path: &str) -> SelectionSpec {
    SelectionSpec { target: Some(path.to_owned()), ..none() }
}

fn allow(paths: &[&str]) -> SelectionSpec {
    SelectionSpec { allow: strings(paths), ..none() }
}

fn deny(paths: &[&str]) -> SelectionSpec {
    SelectionSpec { deny: strings(paths), ..none() }
}

fn group(key: &str) -> SelectionSpec {
    SelectionSpec { group: Some(key.to_owned()), ..none() }
}

#[test]
fn decoders() {
    let list = r#"[{"id":1},{"id":2}]"#;
    let collected = r#"{"collection":[{"id":1},{"id":2}]}"#;
    let mixed = r#"[1,"a",null,true,[2],{"b":3}]"#;
    let no_map = "json: cannot unmarshal array into Go value of type map[string]interface {}";
    let no_map_number =
        "json: cannot unmarshal number into Go value of type map[string]interface {}";
    let no_list = "json: cannot unmarshal object into Go value of type []interface {}";
    let deeper = format!("{}1{}", r#"{"a":"#.repeat(10_001), "}".repeat(10_001));
    for (case, encoding, selection, body, expected) in [
        ("01 /u", JSON, none(), USER, USER_SORTED),
        ("01 /obj-empty", JSON, none(), "{}", "{}"),
        ("01 /null", JSON, none(), "null", "null"),
        ("01 /arr", JSON, none(), "[1,2]", no_map),
        ("01 /scalar", JSON, none(), "3", no_map_number),
        ("01 /trailing", JSON, none(), r#"{"a":1} trailing"#, r#"{"a":1}"#),
        (
            "01 /bom",
            JSON,
            none(),
            "\u{feff}{\"a\":1}",
            "invalid character 'ï' looking for beginning of value",
        ),
        ("01 /dup", JSON, none(), r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        ("01 /nobody", JSON, none(), "", "EOF"),
        ("01 /bad", JSON, none(), r#"{"a":"#, "unexpected EOF"),
        ("05 /c", COLLECTION, none(), list, collected),
        (
            "05 /c-map",
            COLLECTION,
            mapping(&[("collection", "items")]),
            list,
            r#"{"items":[{"id":1},{"id":2}]}"#,
        ),
        ("05 /c-allow", COLLECTION, allow(&["collection"]), list, collected),
        ("05 /c-deny", COLLECTION, deny(&["collection.id"]), list, collected),
        (
            "05 /c-group",
            COLLECTION,
            group("g"),
            list,
            r#"{"g":{"collection":[{"id":1},{"id":2}]}}"#,
        ),
        ("05 /c-obj", COLLECTION, none(), r#"{"a":1}"#, no_list),
        ("05 /c-empty", COLLECTION, none(), "[]", r#"{"collection":[]}"#),
        (
            "05 /c-mixed",
            COLLECTION,
            none(),
            mixed,
            r#"{"collection":[1,"a",null,true,[2],{"b":3}]}"#,
        ),
        ("05 /c-null", COLLECTION, none(), "null", r#"{"collection":null}"#),
        ("26 /string", Encoding::String, none(), "hello <there", r#"{"content":"hello <there"}"#),
        ("26 /string-empty", Encoding::String, none(), "", r#"{"content":""}"#),
        ("26 /safe-obj", Encoding::SafeJson, none(), r#"{"a":1.0}"#, r#"{"a":1.0}"#),
        (
            "26 /safe-arr",
            Encoding::SafeJson,
            none(),
            r#"[1,{"a":2}]"#,
            r#"{"collection":[1,{"a":2}]}"#,
        ),
        ("26 /safe-num", Encoding::SafeJson, none(), "42", r#"{"content":42}"#),
        ("26 /safe-null", Encoding::SafeJson, none(), "null", r#"{"content":null}"#),
        ("26 /safe-str", Encoding::SafeJson, none(), r#""s""#, r#"{"content":"s"}"#),
        ("46 /n", JSON, none(), NUMBERS, NUMBERS_SORTED),
        (
            "46 /c",
            COLLECTION,
            none(),
            "[1.0,2.50,-0.0,1E3]",
            r#"{"collection":[1.0,2.50,-0.0,1E3]}"#,
        ),
        (
            "46 /bad1",
            JSON,
            none(),
            r#"{"a":01}"#,
            "invalid character '1' after object key:value pair",
        ),
        (
            "46 /bad2",
            JSON,
            none(),
            r#"{"a":+1}"#,
            "invalid character '+' looking for beginning of value",
        ),
        (
            "46 /bad3",
            JSON,
            none(),
            r#"{"a":NaN}"#,
            "invalid character 'N' looking for beginning of value",
        ),
        (
            "46 /bad4",
            JSON,
            none(),
            r#"{"a":1.}"#,
            "invalid character '}' after decimal point in numeric literal",
        ),
        ("48 /deeper", JSON, none(), &deeper, "invalid character '{' exceeded max depth"),
    ] {
        assert_eq!(
            shown(body.as_bytes(), &spec(encoding, &selection), &SORTED),
            expected,
            "{case}"
        );
    }
}

#[test]
fn text_that_is_no_unicode() {
    // 26 /str-bin: Go's encoder writes the escape for each bad byte of its text.
    let body = b"ab\xff\xfecd";
    let shown = shown(body, &spec(Encoding::String, &none()), &SORTED);
    assert_eq!(shown, r#"{"content":"ab\ufffd\ufffdcd"}"#);
}

#[test]
fn target_mapping_group() {
    let all = SelectionSpec {
        target: Some("addr".to_owned()),
        allow: strings(&["city", "geo.lat"]),
        mapping: vec![("city".to_owned(), "town".to_owned())],
        group: Some("where".to_owned()),
        ..none()
    };
    let filtered =
        SelectionSpec { allow: strings(&["id"]), ..mapping(&[("id", "n"), ("email", "m")]) };
    let dotted = SelectionSpec { allow: strings(&["id"]), ..group("a.b") };
    let grouped = format!(r#"{{"g":{USER_SORTED}}}"#);
    let renamed = mapping(&[("id", "ident"), ("addr.city", "x"), ("email", "e.mail")]);
    for (case, selection, body, expected) in [
        ("/group", group("g"), USER, grouped.as_str()),
        (
            "/map",
            renamed,
            USER,
            r#"{"addr":{"city":"Paris","geo":{"lat":48.85,"lon":2.35},"zip":null},"e":"a@x.org","ident":1,"name":"Ada","ok":true,"posts":[{"id":1,"t":"x"},{"id":2,"t":"y"}],"tags":["a","b"]}"#,
        ),
        (
            "/map-over",
            mapping(&[("id", "name")]),
            USER,
            r#"{"addr":{"city":"Paris","geo":{"lat":48.85,"lon":2.35},"zip":null},"email":"a@x.org","name":1,"ok":true,"posts":[{"id":1,"t":"x"},{"id":2,"t":"y"}],"tags":["a","b"]}"#,
        ),
        // KrakenD deletes the key; decided otherwise (docs/reference/lura-core.md 8.2 item 9).
        ("/map-self", mapping(&[("id", "id")]), USER, USER_SORTED),
        (
            "/target",
            target("addr"),
            USER,
            r#"{"city":"Paris","geo":{"lat":48.85,"lon":2.35},"zip":null}"#,
        ),
        ("/target-deep", target("addr.geo"), USER, r#"{"lat":48.85,"lon":2.35}"#),
        ("/target-missing", target("no.such"), USER, "{}"),
        ("/target-scalar", target("id"), USER, "{}"),
        ("/target-arr", target("posts"), USER, "{}"),
        ("/all", all, USER, r#"{"where":{"geo":{"lat":48.85},"town":"Paris"}}"#),
        ("/map-filtered", filtered, USER, r#"{"n":1}"#),
        ("/group-empty", group("g"), "{}", r#"{"g":{}}"#),
        ("/group-null", group("g"), "null", r#"{"g":null}"#),
        ("/group-dot", dotted, USER, r#"{"a.b":{"id":1}}"#),
    ] {
        assert_eq!(shown(body.as_bytes(), &spec(JSON, &selection), &SORTED), expected, "04 {case}");
    }
}

#[test]
fn merges() {
    let x = || group("x");
    let y = || group("y");
    let cases: [(&str, &[Backend<'_>], &str); 12] = [
        (
            "/two",
            &[(JSON, none(), r#"{"a":1}"#), (JSON, none(), r#"{"b":{"x":[1,2]}}"#)],
            r#"{"a":1,"b":{"x":[1,2]}}"#,
        ),
        (
            "/five",
            &[
                (JSON, none(), r#"{"a":1}"#),
                (JSON, none(), r#"{"b":{"x":[1,2]}}"#),
                (JSON, none(), r#"{"c":"é"}"#),
                (JSON, none(), r#"{"d":null}"#),
                (JSON, none(), r#"{"e":1.50}"#),
            ],
            r#"{"a":1,"b":{"x":[1,2]},"c":"é","d":null,"e":1.50}"#,
        ),
        (
            "/groups",
            &[(JSON, x(), r#"{"a":1}"#), (JSON, y(), r#"{"b":{"x":[1,2]}}"#)],
            r#"{"x":{"a":1},"y":{"b":{"x":[1,2]}}}"#,
        ),
        (
            "/same-group",
            &[(JSON, x(), r#"{"a":1}"#), (JSON, x(), r#"{"b":2}"#)],
            r#"{"x":{"b":2}}"#,
        ),
        (
            "/coll",
            &[(JSON, none(), r#"{"a":1}"#), (COLLECTION, none(), "[1,2,3]")],
            r#"{"a":1,"collection":[1,2,3]}"#,
        ),
        (
            "/conflict",
            &[
                (JSON, none(), r#"{"k":"first","one":1}"#),
                (JSON, none(), r#"{"k":"late","two":2}"#),
            ],
            r#"{"k":"late","one":1,"two":2}"#,
        ),
        ("/empty-part", &[(JSON, none(), r#"{"a":1}"#), (JSON, none(), "{}")], r#"{"a":1}"#),
        ("/empties", &[(JSON, none(), "{}"), (JSON, none(), "{}")], "{}"),
        ("/null-part", &[(JSON, none(), r#"{"a":1}"#), (JSON, none(), "null")], r#"{"a":1}"#),
        ("nulls", &[(JSON, none(), "null"), (JSON, none(), "null")], "{}"),
        (
            "/nested-conflict",
            &[(JSON, none(), r#"{"o":{"a":1}}"#), (JSON, none(), r#"{"o":{"b":2}}"#)],
            r#"{"o":{"b":2}}"#,
        ),
        (
            "46 /m",
            &[(JSON, none(), r#"{"n":1e400}"#), (JSON, none(), r#"{"a":0.10}"#)],
            r#"{"a":0.10,"n":1e400}"#,
        ),
    ];
    for (case, parts, expected) in cases {
        let decoded: Vec<_> = parts
            .iter()
            .map(|(encoding, selection, body)| {
                let mut part = Part::new();
                decode(body.as_bytes(), &spec(*encoding, selection), &mut part).expect(case);
                (part, body.as_bytes())
            })
            .collect();
        let parts: Vec<_> = decoded.iter().map(|(part, body)| (part, *body)).collect();
        let mut out = Vec::new();
        Renderer::new().render(&parts, &SORTED, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "06 {case}");
    }
}

#[test]
fn json_collection() {
    let as_list =
        RenderOptions { rendering: Rendering::JsonCollection, ..RenderOptions::default() };
    for (case, encoding, selection, body, expected) in [
        ("/jc", COLLECTION, none(), r#"[{"id":1},{"id":2}]"#, r#"[{"id":1},{"id":2}]"#),
        ("/jc-obj", JSON, none(), r#"{"a":1}"#, "[]"),
        ("/jc-empty", COLLECTION, none(), "[]", "[]"),
        ("/jc-map", COLLECTION, mapping(&[("collection", "x")]), "[1]", "[]"),
        ("null", COLLECTION, none(), "null", "null"),
        ("nil", JSON, none(), "null", "[]"),
        ("group", JSON, group("collection"), r#"{ "a": 1 }"#, r#"{ "a": 1 }"#),
        ("own key", JSON, none(), r#"{"collection":{"b":[ ]},"a":1}"#, r#"{"b":[ ]}"#),
    ] {
        assert_eq!(
            shown(body.as_bytes(), &spec(encoding, &selection), &as_list),
            expected,
            "{case}"
        );
    }
}

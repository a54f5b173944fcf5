//! Properties against serde_json: random documents in random spellings, selected, merged and
//! sorted by naive functions on trees.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::decode::{DecodeSpec, Encoding, decode};
use super::super::merge::{RenderOptions, Renderer, Rendering, Sink};
use super::super::part::Part;
use super::super::scan::scan;
use super::super::select::{Selection, SelectionSpec};
use super::{selecting, through};

/// A document before it is spelled: doubled keys are possible.
#[derive(Clone, Debug)]
enum Doc {
    Word(&'static str),
    Number(String),
    Text(String),
    Array(Vec<Doc>),
    Object(Vec<(String, Doc)>),
}

/// Few keys, so that selections meet them and objects double them.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["", "é", "a.b", "collection", "content", "q\"\\", "\u{1f600}"])
            .prop_map(str::to_owned),
        1 => "[a-z]{1,20}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,24}", "[a-z<>&\"\\\\/\u{0}-\u{1f}é漢\u{2028}\u{1f600}]{0,40}"]
}

fn doc() -> impl Strategy<Value = Doc> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["true", "false", "null"]).prop_map(Doc::Word),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,9})?(e[+-][1-9][0-9]{0,3})?".prop_map(Doc::Number),
        text().prop_map(Doc::Text),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Doc::Array),
            4 => members(inner),
        ]
    })
}

fn members(inner: impl Strategy<Value = Doc>) -> impl Strategy<Value = Doc> {
    prop::collection::vec((key(), inner), 0..7).prop_map(Doc::Object)
}

fn object() -> impl Strategy<Value = Doc> {
    members(doc())
}

/// Wide enough for the hash table of keys.
fn wide_object() -> impl Strategy<Value = Doc> {
    prop::collection::vec(("[a-d][a-f]?", doc()), 0..40).prop_map(Doc::Object)
}

/// Spells a document with whitespace and escapes that a seed decides.
struct Speller {
    seed: u64,
    out: Vec<u8>,
}

impl Speller {
    fn spell(doc: &Doc, seed: u64) -> Vec<u8> {
        let mut speller = Speller { seed, out: Vec::new() };
        speller.space();
        speller.doc(doc);
        speller.space();
        speller.out
    }

    fn chance(&mut self, of: u64) -> bool {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33).is_multiple_of(of)
    }

    fn space(&mut self) {
        // A third of the documents is compact.
        while !self.seed.is_multiple_of(3) && self.chance(3) {
            let blanks = [&b" "[..], b"\n", b"\t", b"\r\n", b"            "];
            self.out.extend_from_slice(blanks[(self.seed >> 40) as usize % blanks.len()]);
        }
    }

    fn doc(&mut self, doc: &Doc) {
        match doc {
            Doc::Word(word) => self.out.extend_from_slice(word.as_bytes()),
            Doc::Number(number) => self.out.extend_from_slice(number.as_bytes()),
            Doc::Text(text) => self.text(text),
            Doc::Array(elements) => {
                self.out.push(b'[');
                for (at, element) in elements.iter().enumerate() {
                    self.comma(at);
                    self.doc(element);
                }
                self.space();
                self.out.push(b']');
            }
            Doc::Object(members) => {
                self.out.push(b'{');
                for (at, (key, value)) in members.iter().enumerate() {
                    self.comma(at);
                    self.text(key);
                    self.space();
                    self.out.push(b':');
                    self.space();
                    self.doc(value);
                }
                self.space();
                self.out.push(b'}');
            }
        }
    }

    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.space();
            self.out.push(b',');
        }
        self.space();
    }

    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        for character in text.chars() {
            if character < ' ' || (character != ' ' && self.chance(9)) {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            } else if matches!(character, '"' | '\\') {
                self.out.extend_from_slice(&[b'\\', character as u8]);
            } else if character == '/' && self.chance(2) {
                self.out.extend_from_slice(b"\\/");
            } else {
                self.out.extend_from_slice(character.to_string().as_bytes());
            }
        }
        self.out.push(b'"');
    }
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| {
        panic!("{error} in {}", String::from_utf8_lossy(bytes));
    })
}

/// docs/reference/lura-core.md 3.12 on a tree.
fn selected(mut data: Map<String, Value>, spec: &SelectionSpec) -> Value {
    for step in spec.target.iter().flat_map(|path| path.split('.')) {
        data = match data.remove(step) {
            Some(Value::Object(inner)) => inner,
            _ => return group(Map::new(), spec),
        };
    }
    if !spec.allow.is_empty() {
        data = allowed(data, &allow_tree(&spec.allow));
    } else {
        // Shorter paths win over longer ones below them, so the order does not matter.
        for path in &spec.deny {
            remove(&mut data, &path.split('.').collect::<Vec<_>>());
        }
    }
    for (old, new) in &spec.mapping {
        let new = new.split('.').next().expect("split gives one");
        if old != new
            && let Some(value) = data.remove(old)
        {
            data.insert(new.to_owned(), value);
        }
    }
    group(data, spec)
}

fn group(data: Map<String, Value>, spec: &SelectionSpec) -> Value {
    match &spec.group {
        Some(group) => Value::Object(Map::from_iter([(group.clone(), Value::Object(data))])),
        None => Value::Object(data),
    }
}

/// `None` is a leaf.
struct Allow(BTreeMap<String, Option<Allow>>);

fn allow_tree(paths: &[String]) -> Allow {
    let mut root = Allow(BTreeMap::new());
    for path in paths {
        let steps: Vec<_> = path.split('.').collect();
        let (last, on_the_way) = steps.split_last().expect("split gives one");
        let mut level = &mut root;
        for step in on_the_way {
            let entry = level.0.entry((*step).to_owned()).or_insert(None);
            level = entry.get_or_insert_with(|| Allow(BTreeMap::new()));
        }
        level.0.insert((*last).to_owned(), None);
    }
    root
}

fn allowed(data: Map<String, Value>, tree: &Allow) -> Map<String, Value> {
    let keep = |(key, value): (String, Value)| match (tree.0.get(&key)?, value) {
        (None, value) => Some((key, value)),
        (Some(inner), Value::Object(object)) => {
            let left = allowed(object, inner);
            (!left.is_empty()).then_some((key, Value::Object(left)))
        }
        (Some(_), _) => None,
    };
    data.into_iter().filter_map(keep).collect()
}

fn remove(data: &mut Map<String, Value>, path: &[&str]) {
    match path {
        [] => {}
        [last] => {
            data.remove(*last);
        }
        [step, rest @ ..] => {
            if let Some(Value::Object(inner)) = data.get_mut(*step) {
                remove(inner, rest);
            }
        }
    }
}

/// Go's encoder on a tree.
fn go_encoded(value: &Value, html: bool, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::String(text) => go_quoted(text, html, out),
        Value::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                go_encoded(element, html, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            let sorted: BTreeMap<_, _> = members.iter().collect();
            for (at, (key, member)) in sorted.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                go_quoted(key, html, out);
                out.push(':');
                go_encoded(member, html, out);
            }
            out.push('}');
        }
    }
}

fn go_quoted(text: &str, html: bool, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            '<' | '>' | '&' if html => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(key(), 1..4).prop_map(|steps| steps.join("."))
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![Just(Vec::new()), prop::collection::vec(path(), 1..5)]
}

fn selection() -> impl Strategy<Value = SelectionSpec> {
    let some_key = || key().prop_filter("the empty key is no key", |key| !key.is_empty());
    let target = prop_oneof![3 => Just(None), 1 => path().prop_map(Some)]
        .prop_map(|path| path.filter(|path| !path.is_empty()));
    let mapping = prop_oneof![
        Just(Vec::new()),
        prop::collection::vec((key(), prop_oneof![key(), path()]), 1..4)
    ];
    (target, paths(), paths(), mapping, prop::option::weighted(0.3, some_key())).prop_map(
        |(target, allow, deny, mapping, group)| SelectionSpec {
            target,
            allow,
            deny,
            mapping,
            group,
        },
    )
}

/// Ranges are remembered and only put in when the answer is complete.
#[derive(Default)]
struct Vectored {
    bytes: Vec<u8>,
    ranges: Vec<(usize, u16, u32, usize)>,
}

impl Sink for Vectored {
    fn copy(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn range(&mut self, source: u16, at: u32, bytes: &[u8]) {
        self.ranges.push((self.bytes.len(), source, at, bytes.len()));
    }
}

impl Vectored {
    fn joined(&self, bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut from = 0;
        for (until, source, at, len) in &self.ranges {
            out.extend_from_slice(&self.bytes[from..*until]);
            let at = *at as usize;
            out.extend_from_slice(&bodies[usize::from(*source)][at..at + len]);
            from = *until;
        }
        out.extend_from_slice(&self.bytes[from..]);
        out
    }
}

/// Decodes and renders the bodies together, once copied and once as ranges.
fn merged(bodies: &[Vec<u8>], spec: &DecodeSpec, options: &RenderOptions) -> Vec<u8> {
    let parts: Vec<Part> = bodies
        .iter()
        .map(|body| {
            let mut part = Part::new();
            decode(body, spec, &mut part).expect("a valid object");
            part
        })
        .collect();
    let pairs: Vec<_> = parts.iter().zip(bodies).map(|(part, body)| (part, &body[..])).collect();
    let mut out = Vec::new();
    let mut renderer = Renderer::new();
    renderer.render(&pairs, options, &mut out);
    let mut vectored = Vectored::default();
    renderer.render(&pairs, options, &mut vectored);
    assert_eq!(vectored.joined(bodies), out);
    out
}

proptest! {
    #[test]
    fn scanner_accepts_what_serde_accepts(doc in doc(), seed: u64, edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 0..3)) {
        let mut body = Speller::spell(&doc, seed);
        for (index, kind, byte) in edits {
            let at = index.index(body.len().max(1));
            let byte = if byte < 200 { b"{}[]:,\"\\ue-+.0tn "[usize::from(byte) % 17] } else { byte };
            match kind {
                0 if at < body.len() => { body.remove(at); }
                1 if at < body.len() => body[at] = byte,
                2 => body.truncate(at),
                _ => body.insert(at.min(body.len()), byte),
            }
        }
        let ours = scan(&body).is_ok_and(|all| !all.needs_repair && all.trailing(&body).is_none());
        let theirs = serde_json::from_slice::<Value>(&body).is_ok();
        prop_assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn untouched_objects_stay_byte_for_byte(doc in object(), seed: u64) {
        let body = Speller::spell(&doc, seed);
        let Value::Object(model) = parsed(&body) else { panic!("an object") };
        let Doc::Object(members) = &doc else { panic!("an object") };
        let out = through(&body, &DecodeSpec::default(), &RenderOptions::default()).expect("valid");
        prop_assert_eq!(parsed(&out), Value::Object(model.clone()));
        if members.len() == model.len() {
            prop_assert_eq!(out, body.trim_ascii());
        }
    }

    #[test]
    fn selection_equals_model(doc in prop_oneof![object(), wide_object()], seed: u64, spec in selection()) {
        let body = Speller::spell(&doc, seed);
        let Value::Object(data) = parsed(&body) else { panic!("an object") };
        let wanted = selected(data, &spec);
        let mut part = Part::new();
        decode(&body, &selecting(&spec), &mut part).expect("valid");
        let mut out = Vec::new();
        Renderer::new().render(&[(&part, &body)], &RenderOptions::default(), &mut out);
        prop_assert_eq!(parsed(&out), wanted.clone());
        prop_assert!(no_doubled_key(&out), "{}", String::from_utf8_lossy(&out));
        prop_assert_eq!(part.is_empty(), wanted == Value::Object(Map::new()));
        prop_assert!(part.len_hint() >= out.len() || out.len() < 3);
        let options = RenderOptions { rendering: Rendering::JsonCollection, ..RenderOptions::default() };
        let list = through(&body, &selecting(&spec), &options).expect("valid");
        let empty = Value::Array(Vec::new());
        prop_assert_eq!(&parsed(&list), wanted.get("collection").unwrap_or(&empty));
    }

    #[test]
    fn collections_are_selected_too(doc in doc(), seed: u64, spec in selection()) {
        let body = Speller::spell(&doc, seed);
        let data = match parsed(&body) {
            Value::Object(object) => object,
            array @ Value::Array(_) => Map::from_iter([("collection".to_owned(), array)]),
            scalar => Map::from_iter([("content".to_owned(), scalar)]),
        };
        let decode_spec = DecodeSpec {
            encoding: Encoding::SafeJson,
            selection: Selection::new(&spec),
            ..DecodeSpec::default()
        };
        let out = through(&body, &decode_spec, &RenderOptions::default()).expect("valid");
        prop_assert_eq!(parsed(&out), selected(data, &spec));
    }

    #[test]
    fn merge_equals_model(docs in prop::collection::vec((prop_oneof![object(), wide_object()], any::<u64>()), 0..5), spec in selection()) {
        let bodies: Vec<_> = docs.iter().map(|(doc, seed)| Speller::spell(doc, *seed)).collect();
        for spec in [SelectionSpec::default(), spec] {
            let mut wanted = Map::new();
            for body in &bodies {
                let Value::Object(data) = parsed(body) else { panic!("an object") };
                let Value::Object(data) = selected(data, &spec) else { panic!("an object") };
                for (key, value) in data {
                    wanted.insert(key, value);
                }
            }
            let out = merged(&bodies, &selecting(&spec), &RenderOptions::default());
            prop_assert_eq!(parsed(&out), Value::Object(wanted.clone()));
            prop_assert!(no_doubled_key(&out), "{}", String::from_utf8_lossy(&out));
            for escape_html in [false, true] {
                let options = RenderOptions { sort_keys: true, escape_html, ..RenderOptions::default() };
                let sorted = merged(&bodies, &selecting(&spec), &options);
                let mut model = String::new();
                go_encoded(&Value::Object(wanted.clone()), escape_html, &mut model);
                prop_assert_eq!(String::from_utf8_lossy(&sorted), model);
            }
            let options = RenderOptions { escape_html: true, ..RenderOptions::default() };
            let escaped = merged(&bodies, &selecting(&spec), &options);
            prop_assert_eq!(parsed(&escaped), Value::Object(wanted));
            prop_assert!(!escaped.iter().any(|byte| matches!(byte, b'<' | b'>' | b'&')));
        }
    }
}

/// Top-level keys of an object stand once.
fn no_doubled_key(body: &[u8]) -> bool {
    let mut tree = super::super::tree::Tree::new();
    tree.parse(body).expect("valid");
    let root = tree.root(body).expect("parsed");
    let mut keys: Vec<_> = root
        .children()
        .map(|child| {
            let mut name = Vec::new();
            super::super::text::unquote(child.key(), &mut name);
            name
        })
        .collect();
    let n_keys = keys.len();
    keys.sort();
    keys.dedup();
    keys.len() == n_keys
}

#[test]
fn large_ranges_are_not_copied() {
    let long = "x".repeat(5000);
    let bodies = [format!("{{\"a\":\"{long}\"}}").into_bytes(), b"{\"b\":1}".to_vec()];
    let mut parts = [Part::new(), Part::new()];
    for (part, body) in parts.iter_mut().zip(&bodies) {
        decode(body, &DecodeSpec::default(), part).expect("valid");
    }
    let mut out = Vectored::default();
    let pairs = [(&parts[0], &bodies[0][..]), (&parts[1], &bodies[1][..])];
    Renderer::new().render(&pairs, &RenderOptions::default(), &mut out);
    assert_eq!(out.bytes, b"{,\"b\":1}");
    assert_eq!(out.ranges, [(1, 0, 1, 5006)]);
}

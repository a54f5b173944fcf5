//! Entry points for hostile bytes. Each panics when a promise of this floor is broken; nothing
//! that a backend sends may make them. Each returns a number that says what the input did, so that
//! a fuzzer keeps those that did something new.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::decode::{DecodeSpec, Encoding, Policy, decode, decode_tokens};
use super::diagnose::first_value;
use super::encode::Encoder;
use super::error::JsonError;
use super::long::Decoding;
use super::lookup::Lookup;
use super::merge::{RenderOptions, Renderer, Rendering};
use super::part::Part;
use super::scan::{DEPTH_MAX, RENDERED_DEPTH_MAX, scan, scan_cut, scan_tokens, scan_within, ways};
use super::select::{Selection, SelectionSpec};
use super::text::{Escape, quote, unquote};
use super::tree::Tree;

/// The fast scanner, the slow one and the tree agree on what is JSON and where it ends; strings
/// survive quoting.
pub fn fuzz_scan(bytes: &[u8]) -> u64 {
    let fast = scan(bytes);
    let slow = first_value(bytes);
    match (&fast, &slow) {
        (Ok(fast), Ok((start, end))) => {
            assert_eq!((fast.start as usize, fast.end as usize), (*start, *end));
        }
        (Err(fast), Err(slow)) => assert_eq!(fast, slow),
        _ => panic!("scanner {fast:?}, reference {slow:?}"),
    }
    each_way_sees_the_same(bytes);
    let mut tree = Tree::new();
    assert_eq!(tree.parse(bytes).err(), fast.err());
    if let (Some(root), Ok(fast)) = (tree.root(bytes), &fast) {
        assert_eq!(root.raw(), &bytes[fast.start as usize..fast.end as usize]);
        let mut sorted = Vec::new();
        Encoder::new().sorted(root, Escape::Html, &[], &mut sorted);
        assert!(scan(&sorted).is_ok_and(|all| !all.needs_repair));
    }
    let mut quoted = Vec::new();
    quote(bytes, Escape::Html, &mut quoted);
    let mut text = Vec::new();
    unquote(&quoted, &mut text);
    assert!(scan(&quoted).is_ok_and(|all| all.end as usize == quoted.len()));
    assert!(text == bytes || std::str::from_utf8(bytes).is_err());
    seen((fast.map(|all| all.needs_repair), bytes.first(), bytes.len().checked_ilog2()))
}

/// All ways of looking at chunks, whole and in pieces, against the reading by tokens.
pub(super) fn each_way_sees_the_same(bytes: &[u8]) {
    let model = scan_tokens(bytes, DEPTH_MAX);
    for way in ways() {
        for len in [usize::MAX, 1] {
            let found = scan_cut(bytes, way, len);
            assert_eq!(found, model, "{way:?} in pieces of {len}");
        }
    }
}

/// The long way, in pieces of about `len` bytes.
fn decode_in_pieces(
    bytes: &[u8],
    spec: &DecodeSpec,
    part: &mut Part,
    len: usize,
) -> Result<(), JsonError> {
    let mut decoding = Decoding::begin(bytes, spec, part);
    loop {
        if let Some(decoded) = decoding.step(len) {
            return decoded;
        }
    }
}

/// Whatever is decoded under whatever selection renders as JSON.
pub fn fuzz_decode(bytes: &[u8]) -> u64 {
    let text = |text: &str| Some(text.to_owned());
    let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let renamed = vec![("a".to_owned(), "b".to_owned()), ("b".to_owned(), "c.d".to_owned())];
    let specs = [
        SelectionSpec::default(),
        SelectionSpec { target: text("a.b"), ..SelectionSpec::default() },
        SelectionSpec { allow: list(&["a", "b.c", "b.d.e"]), ..SelectionSpec::default() },
        SelectionSpec { deny: list(&["a", "b.c", "b.d.e"]), ..SelectionSpec::default() },
        SelectionSpec { mapping: renamed.clone(), group: text("g"), ..SelectionSpec::default() },
        SelectionSpec {
            target: text("a"),
            allow: list(&["a", "b.a"]),
            mapping: renamed,
            ..SelectionSpec::default()
        },
    ];
    let encodings = [
        Encoding::Json { collection: false },
        Encoding::Json { collection: true },
        Encoding::SafeJson,
        Encoding::String,
    ];
    let mut renderer = Renderer::new();
    let mut out = Vec::new();
    let mut outcomes = Vec::new();
    let other_body = br#"{"a":{"a":1},"collection":[],"z":"<"}"#;
    let mut beside = Part::new();
    let decoded = decode(other_body, &DecodeSpec::default(), &mut beside);
    assert_eq!(decoded, Ok(()));
    for spec in &specs {
        for encoding in encodings {
            for policy in [Policy::default(), Policy::SAFE] {
                let spec = DecodeSpec { encoding, selection: Selection::new(spec), policy };
                let mut part = Part::new();
                let decoded = decode_tokens(bytes, &spec, &mut part);
                let mut pieces = Part::new();
                assert_eq!(decode_in_pieces(bytes, &spec, &mut pieces, 1), decoded);
                assert!(part.is_as(&pieces), "{spec:?} {part:?} {pieces:?}");
                assert!(decoded.is_ok() || (part.is_empty() && !part.is_nil()));
                outcomes.push((decoded, part.is_empty()));
                for sort_keys in [false, true] {
                    for rendering in [Rendering::Json, Rendering::JsonCollection] {
                        let options =
                            RenderOptions { rendering, sort_keys, escape_html: sort_keys };
                        let alone = [(&part, bytes)];
                        let merged = [(&part, bytes), (&beside, other_body), (&part, bytes)];
                        for parts in [&alone[..], &merged[..]] {
                            out.clear();
                            renderer.render(parts, &options, &mut out);
                            let all = scan_within(&out, RENDERED_DEPTH_MAX);
                            let end = all.map(|all| (all.end as usize, all.needs_repair));
                            assert_eq!(end, Ok((out.len(), false)), "{spec:?} {options:?}");
                        }
                    }
                }
                out.clear();
                Lookup::new().parameter(&part, bytes, &["b", "c"], &mut out);
            }
        }
    }
    seen(outcomes)
}

/// What happened as a number: equal for equal texts, on every machine and in every run.
fn seen(what: impl std::fmt::Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{what:?}").hash(&mut hasher);
    hasher.finish()
}

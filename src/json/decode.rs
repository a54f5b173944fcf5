//! From a body to a `Part`: KrakenD's decoders `json`, `safejson` and `string`.
//! Source: docs/reference/lura-core.md 4.5.

use super::diagnose::diagnose;
use super::error::{JsonError, Kind, Place, Shape, Wanted};
use super::keys::KeyFilter;
use super::long::Decoding;
use super::part::{Flags, Part, Range};
use super::repair::repair;
use super::scan::{CHUNKS_FROM, check_len, is_fast, shape_of, trailing};
use super::select::{Filter, Selection, Step};
use super::walk::{Walk, drop_dead};

/// How one backend's body is read; part of the plan.
#[derive(Debug, Default)]
pub struct DecodeSpec {
    /// `encoding` of the backend.
    pub encoding: Encoding,
    /// What is kept.
    pub selection: Selection,
    /// What happens to bodies that are not quite JSON.
    pub policy: Policy,
}

/// The decoders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// An object; with `collection` an array, which lands under the key `collection`.
    Json { collection: bool },
    /// Anything: arrays land under `collection`, scalars under `content`.
    SafeJson,
    /// The body as text under `content`.
    String,
}

impl Default for Encoding {
    fn default() -> Self {
        Encoding::Json { collection: false }
    }
}

/// What the profiles `krakend` (the defaults) and `safe` decide differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Bytes after the first value.
    pub trailing: Trailing,
    /// Strings with invalid UTF-8 or lone surrogates.
    pub utf8: Utf8,
}

impl Policy {
    /// The profile `safe`.
    pub const SAFE: Policy = Policy { trailing: Trailing::Refuse, utf8: Utf8::Refuse };
}

/// Bytes after the first value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trailing {
    #[default]
    Ignore,
    Refuse,
}

/// Strings that are no Unicode text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Utf8 {
    /// U+FFFD in place of each bad byte and lone surrogate, as Go does.
    #[default]
    Repair,
    Refuse,
}

/// Reads `body` into `out` (cleared first). On an error `out` is an empty object.
///
/// Takes as long as the body needs, about 200 µs for half a MiB: [`super::long::Decoding`] does the
/// same piece by piece.
pub fn decode(body: &[u8], spec: &DecodeSpec, out: &mut Part) -> Result<(), JsonError> {
    if body.len() >= CHUNKS_FROM && is_fast() && spec.encoding != Encoding::String {
        let mut decoding = Decoding::begin(body, spec, out);
        loop {
            if let Some(decoded) = decoding.step(usize::MAX) {
                return decoded;
            }
        }
    }
    decode_tokens(body, spec, out)
}

/// The same by tokens.
pub(super) fn decode_tokens(
    body: &[u8],
    spec: &DecodeSpec,
    out: &mut Part,
) -> Result<(), JsonError> {
    out.clear();
    let decoded = match spec.encoding {
        Encoding::String => check_len(body).map(|()| {
            single(b"\"content\"", Range::new(0, body.len()), Flags::TEXT, &spec.selection, out);
        }),
        Encoding::Json { .. } | Encoding::SafeJson => document(body, spec, out),
    };
    finish(decoded, body, spec, out)
}

/// What follows when the members are known, or that there are none.
pub(super) fn finish(
    decoded: Result<(), JsonError>,
    body: &[u8],
    spec: &DecodeSpec,
    out: &mut Part,
) -> Result<(), JsonError> {
    match decoded {
        Ok(()) => {
            rename(&spec.selection, body, out);
            wrap(&spec.selection, out);
        }
        Err(_) => out.clear(),
    }
    decoded
}

fn document(body: &[u8], spec: &DecodeSpec, out: &mut Part) -> Result<(), JsonError> {
    check_len(body)?;
    let read = read(body, spec, out).ok_or_else(|| diagnose(body))?;
    check_trailing(body, &read, spec, out)?;
    if read.bad_text {
        return repaired(read.value.of(body), spec, out);
    }
    accept(&read, spec, out)
}

/// Bytes after the value are refused or noted.
pub(super) fn check_trailing(
    body: &[u8],
    read: &Read,
    spec: &DecodeSpec,
    out: &mut Part,
) -> Result<(), JsonError> {
    if let Some(at) = trailing(body, read.value.end()) {
        if spec.policy.trailing == Trailing::Refuse {
            let byte = body.get(at as usize).copied().unwrap_or_default();
            return Err(JsonError { kind: Kind::Unexpected { byte, place: Place::AfterTop }, at });
        }
        out.trailing = true;
    }
    Ok(())
}

/// Reads once more, from a copy with its text repaired.
#[cold]
fn repaired(value: &[u8], spec: &DecodeSpec, out: &mut Part) -> Result<(), JsonError> {
    if spec.policy.utf8 == Utf8::Refuse {
        return Err(JsonError { kind: Kind::NotText, at: 0 });
    }
    out.clear_data();
    let mut main = std::mem::take(&mut out.repaired_body);
    main.clear();
    repair(value, &mut main);
    let read =
        check_len(&main).and_then(|()| read(&main, spec, out).ok_or_else(|| diagnose(&main)));
    out.repaired = true;
    out.repaired_body = main;
    accept(&read?, spec, out)
}

/// The first value of a body.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) value: Range,
    pub(super) shape: Shape,
    pub(super) bad_text: bool,
}

/// Validates, and notes the members when the top is the object that is wanted.
fn read(main: &[u8], spec: &DecodeSpec, out: &mut Part) -> Option<Read> {
    let mut walk = Walk::new(main, &spec.selection, out);
    let start = walk.scanner.space(0);
    let shape = shape_of(walk.scanner.peek(start));
    let enters = enters(shape, spec);
    let end = if enters { walk.object(start)? } else { walk.skip(start)? };
    let bad_text = walk.scanner.bad_text(start, end);
    Some(Read { value: Range::new(start, end), shape, bad_text })
}

/// The document's members become the part's.
pub(super) fn enters(shape: Shape, spec: &DecodeSpec) -> bool {
    shape == Shape::Object && spec.encoding != Encoding::Json { collection: true }
}

/// What the encoding makes of a valid document.
pub(super) fn accept(read: &Read, spec: &DecodeSpec, out: &mut Part) -> Result<(), JsonError> {
    let wrong = |wanted| {
        let kind = Kind::Shape { found: read.shape, wanted };
        Err(JsonError { kind, at: read.value.at })
    };
    let key: &[u8] = match (spec.encoding, read.shape) {
        (Encoding::Json { collection: true }, Shape::Array | Shape::Null) => b"\"collection\"",
        (Encoding::Json { collection: true }, _) => return wrong(Wanted::Array),
        (_, Shape::Object) => return Ok(()),
        (Encoding::Json { collection: false }, Shape::Null) => {
            // A target replaces even nil by an empty object.
            out.nil = spec.selection.target.is_empty();
            return Ok(());
        }
        (Encoding::Json { collection: false }, _) => return wrong(Wanted::Object),
        (Encoding::SafeJson | Encoding::String, Shape::Array) => b"\"collection\"",
        (Encoding::SafeJson | Encoding::String, _) => b"\"content\"",
    };
    single(key, read.value, Flags::default(), &spec.selection, out);
    Ok(())
}

/// The part becomes an object of one member whose value no selector can enter.
fn single(key: &[u8], value: Range, flags: Flags, selection: &Selection, out: &mut Part) {
    let at = out.scratch.len();
    out.scratch.extend_from_slice(key);
    let mut member = out.key_in_scratch(at);
    let name = member.name.of(&out.scratch);
    let kept = selection.target.is_empty()
        && match &selection.filter {
            Filter::All => true,
            Filter::Allow(tree) => tree.step(0, member.hash, name) == Some(Step::Leaf),
            Filter::Deny(tree) => tree.step(0, member.hash, name) != Some(Step::Leaf),
        };
    if kept {
        member.value = value;
        member.flags.set(flags);
        out.members.push(member);
    }
}

/// `mapping`: one rule after the other, in the order of the file.
fn rename(selection: &Selection, body: &[u8], out: &mut Part) {
    for (old, new) in &selection.mapping {
        let main = if out.repaired { &out.repaired_body } else { body };
        let find = |wanted: &super::select::Name| {
            out.members.iter().position(|m| wanted.is(m.hash, m.name(main, &out.scratch)))
        };
        let Some(at) = find(old) else { continue };
        if let Some(overwritten) = find(new)
            && let Some(member) = out.members.get_mut(overwritten)
        {
            member.flags.set(Flags::DEAD);
        }
        let renamed = out.plan_key(new);
        if let Some(member) = out.members.get_mut(at) {
            member.hash = renamed.hash;
            member.key = renamed.key;
            member.name = renamed.name;
            member.flags.set(Flags::KEY_IN_SCRATCH);
            member.flags.set(Flags::NAME_IN_SCRATCH);
            member.flags.unset(Flags::FOLLOWS);
        }
        out.whole = None;
        drop_dead(&mut out.members);
    }
}

/// `group`: wraps whatever there is, also nothing and null.
fn wrap(selection: &Selection, out: &mut Part) {
    if let Some(group) = &selection.group {
        // Only the group stands at the top now.
        out.filter = KeyFilter::default();
        out.group = Some(out.plan_key(group));
    }
}

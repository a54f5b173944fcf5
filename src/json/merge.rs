//! Rendering: the parts of an endpoint become one answer by copying ranges.
//! Source: docs/reference/lura-core.md 3.9 (merge), 5.1 (renderers).

use super::encode::Encoder;
use super::keys::{KeyFilter, KeyHash, KeyTable};
use super::part::{Flags, Member, Part};
use super::splice::{Direct, Html, Output, Sorted, Splicer};
use super::text::{self, Escape};
use super::tree::Tree;

/// Ranges shorter than this are copied, longer ones offered as ranges: an iovec costs more.
pub const RANGE_MIN: usize = 2048;

/// Where an answer goes.
pub trait Sink {
    /// Small bytes, valid only during the call.
    fn copy(&mut self, bytes: &[u8]);
    /// A large range of body `source` (index in the slice of parts): `bytes` stand at `at` there.
    fn range(&mut self, source: u16, at: u32, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn copy(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn range(&mut self, _source: u16, _at: u32, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// What is rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rendering {
    /// The object.
    #[default]
    Json,
    /// The value of the top-level key `collection`, or `[]`.
    JsonCollection,
    /// The top-level `content` as plain text, when it is a string.
    String,
}

/// How an endpoint renders; part of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// What is rendered.
    pub rendering: Rendering,
    /// Keys sorted at every level and strings re-encoded, as Go does.
    pub sort_keys: bool,
    /// `<`, `>`, `&` and U+2028/9 escaped, as Go does.
    pub escape_html: bool,
}

/// The pooled working memory of rendering; one per core or exchange is enough.
#[derive(Debug, Default)]
pub struct Renderer {
    table: KeyTable,
    /// For each top-level member of all parts, whether a later one has its key; only filled when
    /// some key stands twice.
    overwritten: Vec<bool>,
    text: Vec<u8>,
    escaped: Vec<u8>,
    sorted: Sorted,
    tree: Tree,
    encoder: Encoder,
}

/// Parts with their bodies.
type Parts<'p> = [(&'p Part, &'p [u8])];

impl Renderer {
    /// Without memory yet.
    pub fn new() -> Renderer {
        Renderer::default()
    }

    /// Renders `parts` (each with the body it was decoded from) in the given order: of a key that
    /// several have, the last wins and stands once. No part at all is an empty object; a nil part
    /// is `null` when alone and otherwise skipped.
    pub fn render(
        &mut self,
        parts: &[(&Part, &[u8])],
        options: &RenderOptions,
        out: &mut impl Sink,
    ) {
        let escape = if options.escape_html { Escape::Html } else { Escape::Plain };
        if options.rendering == Rendering::String {
            self.content(parts, out);
            return;
        }
        if options.sort_keys {
            let mut sorted = std::mem::take(&mut self.sorted);
            sorted.clear();
            self.json(parts, options.rendering, escape, &mut sorted);
            self.text.clear();
            self.reorder(&sorted, escape);
            out.copy(&self.text);
            self.sorted = sorted;
        } else if options.escape_html {
            let mut html = Html { out, escaped: std::mem::take(&mut self.escaped) };
            self.json(parts, options.rendering, escape, &mut html);
            self.escaped = html.escaped;
        } else {
            self.json(parts, options.rendering, escape, &mut Direct(out));
        }
    }

    /// Re-encodes an answer of ours into `text`.
    fn reorder(&mut self, sorted: &Sorted, escape: Escape) {
        let parsed = self.tree.parse_rendered(&sorted.bytes);
        debug_assert_eq!(parsed, Ok(()), "what we render is JSON");
        if let Some(root) = self.tree.root(&sorted.bytes) {
            self.encoder.sorted(root, escape, &sorted.verbatim, &mut self.text);
        }
    }

    fn json(
        &mut self,
        parts: &Parts<'_>,
        rendering: Rendering,
        escape: Escape,
        out: &mut impl Output,
    ) {
        if rendering == Rendering::JsonCollection {
            let Some(found) = find(parts, b"collection") else {
                out.copy(b"[]");
                return;
            };
            let whose = (found.part, found.body);
            let mut splicer = Splicer::new(found.source, whose, escape, &mut self.text, out);
            match found.head {
                Head::Group => splicer.data(),
                Head::Member(member) => splicer.value(member),
            }
            return;
        }
        match parts {
            [] => out.copy(b"{}"),
            [alone] => Splicer::new(0, *alone, escape, &mut self.text, out).part(),
            _ => self.merged(parts, escape, out),
        }
    }

    /// The object of several parts.
    fn merged(&mut self, parts: &Parts<'_>, escape: Escape, out: &mut impl Output) {
        let is_doubled = self.find_doubled(parts);
        out.copy(b"{");
        let mut comma = false;
        let mut number = 0;
        for (source, (part, body)) in parts.iter().enumerate() {
            let n_heads = n_heads(part);
            if n_heads == 0 {
                continue;
            }
            let mut splicer = Splicer::new(source, (part, body), escape, &mut self.text, out);
            splicer.comma = comma;
            if is_doubled {
                let mine = self.overwritten.get(number..number + n_heads).unwrap_or_default();
                splicer.heads_without(mine);
            } else {
                splicer.heads();
            }
            comma = splicer.comma;
            number += n_heads;
        }
        out.copy(b"}");
    }

    /// Does a key stand in several parts? Then `overwritten` tells which members are.
    fn find_doubled(&mut self, parts: &Parts<'_>) -> bool {
        let mut seen = KeyFilter::default();
        let may_double =
            parts.iter().fold(false, |may, (part, _)| may | seen.enter_all(&part.filter));
        if !may_double {
            return false;
        }
        let total = parts.iter().map(|(part, _)| n_heads(part)).sum();
        self.table.begin(total);
        let mut is_doubled = false;
        let mut number = 0;
        for (at, (part, body)) in parts.iter().enumerate() {
            let main = part.main(body);
            for head in heads(part) {
                let name = head.name(main, &part.scratch);
                let same = |other| name_of(parts, other) == Some(name);
                if let Some(other) = self.table.enter(head.hash, number, same) {
                    debug_assert!(at > 0, "a part has no key twice");
                    if !is_doubled {
                        self.overwritten.clear();
                        self.overwritten.resize(total, false);
                        is_doubled = true;
                    }
                    if let Some(other) = self.overwritten.get_mut(other as usize) {
                        *other = true;
                    }
                }
                number += 1;
            }
        }
        is_doubled
    }

    /// The text of the top-level key `content`.
    fn content(&mut self, parts: &Parts<'_>, out: &mut impl Sink) {
        let Some(found) = find(parts, b"content") else { return };
        let Head::Member(member) = found.head else { return };
        let main = found.part.main(found.body);
        if member.flags.has(Flags::TEXT) {
            let mut direct = Direct(out);
            direct.raw(found.source, found.part, member.value, main);
        } else if !member.flags.has(Flags::COMPOSED) {
            let value = member.value.of(main);
            if value.first() == Some(&b'"') {
                self.text.clear();
                text::unquote(value, &mut self.text);
                out.copy(&self.text);
            }
        }
    }
}

/// What stands at the top of a part under one key.
enum Head<'p> {
    /// All of its members.
    Group,
    Member(&'p Member),
}

/// Keys at the top of a part.
fn heads(part: &Part) -> &[Member] {
    match &part.group {
        Some(group) => std::slice::from_ref(group),
        None => &part.members,
    }
}

fn n_heads(part: &Part) -> usize {
    heads(part).len()
}

/// The key of a member numbered through all parts. Only for keys of equal hash.
fn name_of<'p>(parts: &Parts<'p>, number: u32) -> Option<&'p [u8]> {
    let mut left = number as usize;
    for (part, body) in parts {
        if let Some(head) = heads(part).get(left) {
            return Some(head.name(part.main(body), &part.scratch));
        }
        left -= n_heads(part);
    }
    None
}

/// A key found at the top of a part.
struct Found<'p> {
    source: usize,
    part: &'p Part,
    body: &'p [u8],
    head: Head<'p>,
}

/// The last part that has a key at its top.
fn find<'p>(parts: &Parts<'p>, name: &[u8]) -> Option<Found<'p>> {
    let hash = KeyHash::new().of(name);
    parts.iter().enumerate().rev().find_map(|(source, &(part, body))| {
        let main = part.main(body);
        let is = |head: &&Member| head.hash == hash && head.name(main, &part.scratch) == name;
        let member = heads(part).iter().find(is)?;
        let head = if part.group.is_some() { Head::Group } else { Head::Member(member) };
        Some(Found { source, part, body, head })
    })
}

//! A document as a tree whose nodes are ranges: for renderings that need order and for policies
//! that look inside. Numbers stay text, strings stay quoted.
//!
//! Nodes stand in one vector in the order of the document, each with the index after its subtree:
//! parsing, walking and dropping need no recursion.

use super::diagnose::diagnose;
use super::error::{JsonError, Shape};
use super::nest::Nest;
use super::scan::{DEPTH_MAX, RENDERED_DEPTH_MAX, Scanner, check_len, shape_of};
use super::text;

/// Levels of a tree that policies look into (docs/reference/hardening.md 1).
pub const SHALLOW_DEPTH_MAX: usize = 128;

/// A parsed document; pooled, `parse` keeps capacity.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Entry>,
    /// Containers that are open while parsing.
    open: Vec<u32>,
    nest: Nest,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    shape: Shape,
    at: u32,
    end: u32,
    /// The quoted key; empty for elements and the top.
    key_at: u32,
    key_len: u32,
    /// Index of the node after this one's subtree.
    next: u32,
}

/// A value of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Node<'t> {
    tree: &'t Tree,
    body: &'t [u8],
    index: u32,
}

impl Tree {
    /// Without nodes yet.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Reads the first value of `body`.
    pub fn parse(&mut self, body: &[u8]) -> Result<(), JsonError> {
        self.parse_within(body, DEPTH_MAX)
    }

    /// The same for readers that recurse: `false` also for nesting beyond [`SHALLOW_DEPTH_MAX`].
    pub fn parse_shallow(&mut self, body: &[u8]) -> bool {
        self.nodes.clear();
        self.open.clear();
        let is_short = check_len(body).is_ok();
        let is_read = is_short && self.read(Scanner::within(body, SHALLOW_DEPTH_MAX)).is_some();
        if !is_read {
            self.nodes.clear();
        }
        is_read
    }

    /// Reads what we rendered.
    pub(super) fn parse_rendered(&mut self, body: &[u8]) -> Result<(), JsonError> {
        self.parse_within(body, RENDERED_DEPTH_MAX)
    }

    fn parse_within(&mut self, body: &[u8], depth_max: usize) -> Result<(), JsonError> {
        check_len(body)?;
        self.nodes.clear();
        self.open.clear();
        let parsed = self.read(Scanner::within(body, depth_max));
        parsed.ok_or_else(|| {
            self.nodes.clear();
            diagnose(body)
        })
    }

    /// The top; `body` must be what was parsed. `None` before the first successful parse.
    pub fn root<'t>(&'t self, body: &'t [u8]) -> Option<Node<'t>> {
        (!self.nodes.is_empty()).then_some(Node { tree: self, body, index: 0 })
    }

    fn read(&mut self, mut scanner: Scanner<'_>) -> Option<()> {
        let mut at = scanner.space(0);
        let mut key = (0, 0);
        loop {
            let first = scanner.peek(at);
            let index = self.nodes.len() as u32;
            let shape = shape_of(first);
            let (key_at, key_len) = std::mem::take(&mut key);
            let entry = Entry { shape, at: at as u32, end: 0, key_at, key_len, next: index + 1 };
            self.nodes.push(entry);
            if matches!(shape, Shape::Object | Shape::Array) {
                if self.open.len() == scanner.depth_max {
                    return None;
                }
                self.open.push(index);
                at = scanner.space(at + 1);
                let closing = if shape == Shape::Object { b'}' } else { b']' };
                if scanner.peek(at) != closing {
                    at = self.key(&mut scanner, at, &mut key)?;
                    continue;
                }
                at = self.close(at)?;
            } else {
                at = scanner.value(at, self.open.len(), &mut self.nest)?;
                self.nodes.last_mut()?.end = at as u32;
            }
            loop {
                let Some(parent) = self.open.last() else { return Some(()) };
                let in_object = self.nodes.get(*parent as usize)?.shape == Shape::Object;
                at = scanner.space(at);
                match (scanner.peek(at), in_object) {
                    (b',', _) => break,
                    (b'}', true) | (b']', false) => at = self.close(at)?,
                    _ => return None,
                }
            }
            at = scanner.space(at + 1);
            at = self.key(&mut scanner, at, &mut key)?;
        }
    }

    /// In an object reads the key before a value; where the value begins.
    fn key(&self, scanner: &mut Scanner<'_>, at: usize, key: &mut (u32, u32)) -> Option<usize> {
        let parent = self.nodes.get(*self.open.last()? as usize)?;
        if parent.shape != Shape::Object {
            return Some(at);
        }
        if scanner.peek(at) != b'"' {
            return None;
        }
        let end = scanner.string(at)?;
        *key = (at as u32, (end - at) as u32);
        Some(scanner.space(scanner.colon(end)?))
    }

    /// The innermost container ends with the byte at `at`; one past it.
    fn close(&mut self, at: usize) -> Option<usize> {
        let next = self.nodes.len() as u32;
        let index = self.open.pop()?;
        let entry = self.nodes.get_mut(index as usize)?;
        entry.end = at as u32 + 1;
        entry.next = next;
        Some(at + 1)
    }
}

impl<'t> Node<'t> {
    fn entry(self) -> Option<&'t Entry> {
        self.tree.nodes.get(self.index as usize)
    }

    /// Number of the node in its tree, in the order of the document.
    pub(super) fn index(self) -> u32 {
        self.index
    }

    /// The node with this number.
    pub(super) fn sibling(self, index: u32) -> Node<'t> {
        Node { index, ..self }
    }

    /// What kind of value it is.
    pub fn shape(self) -> Shape {
        self.entry().map_or(Shape::Null, |entry| entry.shape)
    }

    /// Its bytes as they came.
    pub fn raw(self) -> &'t [u8] {
        let range = |entry: &Entry| self.body.get(entry.at as usize..entry.end as usize);
        self.entry().and_then(range).unwrap_or_default()
    }

    /// Where its bytes begin.
    pub fn at(self) -> u32 {
        self.entry().map_or(0, |entry| entry.at)
    }

    /// Its key with quotes and escapes; empty for elements and the top.
    pub fn key(self) -> &'t [u8] {
        let range = |entry: &Entry| {
            let at = entry.key_at as usize;
            self.body.get(at..at + entry.key_len as usize)
        };
        self.entry().and_then(range).unwrap_or_default()
    }

    /// Members of an object or elements of an array, in the order of the document, doubled keys
    /// included.
    pub fn children(self) -> impl Iterator<Item = Node<'t>> {
        let (first, end) = match self.entry() {
            Some(entry) if matches!(entry.shape, Shape::Object | Shape::Array) => {
                (self.index + 1, entry.next)
            }
            _ => (0, 0),
        };
        let child = move |index: u32| (index < end).then(|| self.sibling(index));
        std::iter::successors(child(first), move |node| child(node.entry()?.next))
    }

    /// The value of a key (of a doubled one the last), if this is an object that has it.
    pub fn get(self, name: &[u8]) -> Option<Node<'t>> {
        if self.shape() != Shape::Object {
            return None;
        }
        self.children().filter(|child| key_is(child.key(), name)).last()
    }

    /// Appends what a string stands for; of other values their text.
    pub fn text(self, out: &mut Vec<u8>) {
        match self.shape() {
            Shape::String => text::unquote(self.raw(), out),
            _ => out.extend_from_slice(self.raw()),
        }
    }
}

/// Does a quoted key stand for this name?
pub(super) fn key_is(key: &[u8], name: &[u8]) -> bool {
    let inner = key.get(1..key.len().saturating_sub(1)).unwrap_or_default();
    if memchr::memchr(b'\\', inner).is_none() {
        return inner == name;
    }
    // An escape never stands for more bytes than it has, so shorter keys cannot match.
    if inner.len() < name.len() {
        return false;
    }
    let mut decoded = Vec::with_capacity(key.len());
    text::unquote(key, &mut decoded);
    decoded == name
}

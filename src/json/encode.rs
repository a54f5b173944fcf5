//! A document as Go's encoder writes the same data: keys sorted at every level, the last of
//! doubled ones, strings re-encoded, no whitespace, number text kept.
//! Source: docs/reference/lura-core.md 5.1; for the switches `json.sort_keys`, `json.escape_html`.

use super::error::Shape;
use super::text::{self, Escape};
use super::tree::Node;

/// The pooled working memory of encoding.
#[derive(Debug, Default)]
pub struct Encoder {
    /// Members of the open objects in the order they are written, elements of open arrays.
    children: Vec<Child>,
    open: Vec<Open>,
    /// Decoded keys of the open objects.
    names: Vec<u8>,
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Child {
    node: u32,
    name_at: u32,
    name_end: u32,
}

#[derive(Debug)]
struct Open {
    is_object: bool,
    /// Its children that are still to be written: from `next` on.
    next: usize,
    /// Where its children and names begin.
    children_at: usize,
    names_at: usize,
}

impl Encoder {
    /// Without memory yet.
    pub fn new() -> Encoder {
        Encoder::default()
    }

    /// Appends the value. Nodes whose bytes begin at one of `verbatim` (ascending) are copied.
    pub fn sorted(&mut self, root: Node<'_>, escape: Escape, verbatim: &[u32], out: &mut Vec<u8>) {
        self.children.clear();
        self.open.clear();
        self.names.clear();
        self.value(root, escape, verbatim, out);
        while let Some(open) = self.open.last_mut() {
            let Some(child) = self.children.get(open.next).copied() else {
                out.push(if open.is_object { b'}' } else { b']' });
                self.children.truncate(open.children_at);
                self.names.truncate(open.names_at);
                self.open.pop();
                continue;
            };
            if open.next > open.children_at {
                out.push(b',');
            }
            open.next += 1;
            if open.is_object {
                let name = self.names.get(child.name_at as usize..child.name_end as usize);
                text::quote(name.unwrap_or_default(), escape, out);
                out.push(b':');
            }
            self.value(root.sibling(child.node), escape, verbatim, out);
        }
    }

    /// A scalar whole, or the beginning of a container.
    fn value(&mut self, node: Node<'_>, escape: Escape, verbatim: &[u32], out: &mut Vec<u8>) {
        if verbatim.binary_search(&node.at()).is_ok() {
            match escape {
                Escape::Plain => out.extend_from_slice(node.raw()),
                Escape::Html => text::escape_html(node.raw(), out),
            }
            return;
        }
        match node.shape() {
            Shape::String => {
                self.text.clear();
                text::unquote(node.raw(), &mut self.text);
                text::quote(&self.text, escape, out);
            }
            Shape::Number | Shape::Bool | Shape::Null => out.extend_from_slice(node.raw()),
            Shape::Object => {
                out.push(b'{');
                self.enter(node, true);
            }
            Shape::Array => {
                out.push(b'[');
                self.enter(node, false);
            }
        }
    }

    fn enter(&mut self, node: Node<'_>, is_object: bool) {
        let children_at = self.children.len();
        let names_at = self.names.len();
        for child in node.children() {
            let name_at = self.names.len() as u32;
            text::unquote(child.key(), &mut self.names);
            let name_end = self.names.len() as u32;
            self.children.push(Child { node: child.index(), name_at, name_end });
        }
        if is_object {
            let names = &self.names;
            let name = |child: &Child| {
                names.get(child.name_at as usize..child.name_end as usize).unwrap_or_default()
            };
            let members = self.children.get_mut(children_at..).unwrap_or_default();
            // Of equal keys the latest comes first and is the one that stays.
            members.sort_unstable_by(|a, b| name(a).cmp(name(b)).then(b.node.cmp(&a.node)));
            let mut kept = children_at;
            for at in children_at..self.children.len() {
                let child = self.children[at];
                if at == children_at || name(&child) != name(&self.children[kept - 1]) {
                    self.children[kept] = child;
                    kept += 1;
                }
            }
            self.children.truncate(kept);
        }
        self.open.push(Open { is_object, next: children_at, children_at, names_at });
    }
}

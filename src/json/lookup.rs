//! Values of one backend's data as parameters of the next (sequential proxy).
//! Source: docs/reference/lura-core.md 3.10.

use super::error::Shape;
use super::merge::{RenderOptions, Renderer};
use super::part::Part;
use super::text;
use super::tree::{Node, Tree, key_is};

/// The pooled working memory of looking up.
#[derive(Debug, Default)]
pub struct Lookup {
    renderer: Renderer,
    data: Vec<u8>,
    tree: Tree,
}

impl Lookup {
    /// Without memory yet.
    pub fn new() -> Lookup {
        Lookup::default()
    }

    /// Appends the value at `path` (keys, outermost first) as KrakenD puts it into a parameter.
    /// False, with `out` as it was, when a key is missing or something on the way is no object.
    pub fn parameter<K: AsRef<[u8]>>(
        &mut self,
        part: &Part,
        body: &[u8],
        path: &[K],
        out: &mut Vec<u8>,
    ) -> bool {
        // The data as a client would see it: selection included, so that no second reading of
        // filters is needed here. A sequential call waits for a round trip anyway.
        self.data.clear();
        self.renderer.render(&[(part, body)], &RenderOptions::default(), &mut self.data);
        if self.tree.parse_rendered(&self.data).is_err() {
            return false;
        }
        let found = self
            .tree
            .root(&self.data)
            .and_then(|root| path.iter().try_fold(root, |node, key| node.get(key.as_ref())));
        let Some(node) = found else { return false };
        parameter_text(node, out);
        true
    }
}

/// The conversions of docs/reference/lura-core.md 3.10: text as it is, the rest as Go's `%v`.
fn parameter_text(node: Node<'_>, out: &mut Vec<u8>) {
    if node.shape() != Shape::Array {
        go_value(node, out);
        return;
    }
    for (at, element) in node.children().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        go_value(element, out);
    }
}

/// What is still to be written.
enum Due<'t> {
    Value(Node<'t>),
    Key(Node<'t>),
    Bytes(&'static [u8]),
}

/// Go's `%v`: `map[k:v k:v]` with sorted keys, `[v v]`, `<nil>`.
fn go_value(node: Node<'_>, out: &mut Vec<u8>) {
    let mut due = vec![Due::Value(node)];
    while let Some(next) = due.pop() {
        let node = match next {
            Due::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                continue;
            }
            Due::Key(node) => {
                text::unquote(node.key(), out);
                continue;
            }
            Due::Value(node) => node,
        };
        match node.shape() {
            Shape::Null => out.extend_from_slice(b"<nil>"),
            Shape::String | Shape::Number | Shape::Bool => node.text(out),
            Shape::Array => {
                out.push(b'[');
                due.push(Due::Bytes(b"]"));
                let elements: Vec<_> = node.children().collect();
                for (at, element) in elements.iter().enumerate().rev() {
                    due.push(Due::Value(*element));
                    if at > 0 {
                        due.push(Due::Bytes(b" "));
                    }
                }
            }
            Shape::Object => {
                out.extend_from_slice(b"map[");
                due.push(Due::Bytes(b"]"));
                let members = sorted_members(node);
                for (at, (_, member)) in members.iter().enumerate().rev() {
                    due.push(Due::Value(*member));
                    due.push(Due::Bytes(b":"));
                    due.push(Due::Key(*member));
                    if at > 0 {
                        due.push(Due::Bytes(b" "));
                    }
                }
            }
        }
    }
}

/// The members by decoded key; of equal ones the last.
fn sorted_members(node: Node<'_>) -> Vec<(Vec<u8>, Node<'_>)> {
    let mut members: Vec<(Vec<u8>, Node<'_>)> = node
        .children()
        .map(|member| {
            let mut name = Vec::new();
            text::unquote(member.key(), &mut name);
            (name, member)
        })
        .collect();
    members.reverse();
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    members.dedup_by(|(_, later), (name, _)| key_is(later.key(), name));
    members
}

//! One tree for JSON, YAML and TOML: values with the places they came from and the way to them.
//!
//! The tree is an arena, so that a [`Node`] is a small `Copy` cursor that knows its key path, and
//! that depth costs no stack. Nodes are read with `read.rs`; syntax errors never reach this file.

use super::source::Span;
use std::fmt::Write as _;

/// Index of a node in its [`Tree`]; what the model keeps to point back at the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// No node: ends the lists of children.
const NONE: u32 = u32::MAX;

impl NodeId {
    /// The root of every tree.
    pub const ROOT: NodeId = NodeId(0);
}

/// A number, kept as text so that nothing is lost: JSON form, or `inf`, `-inf`, `nan`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(Box<str>);

impl Number {
    /// A number from its text, which the caller has checked.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Number(text.into())
    }

    /// The text, such as `1.50`.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value as a whole number; fractions are cut off like KrakenD does
    /// (`docs/reference/lura-core.md` 1.1). `None` when it does not fit 64 bits.
    pub fn to_i64(&self) -> Option<i64> {
        if let Ok(whole) = self.0.parse::<i64>() {
            return Some(whole);
        }
        let float = self.to_f64().trunc();
        // 2^63 is exact as a float; -2^63 itself fits.
        let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
        fits.then_some(float as i64)
    }

    /// The nearest floating-point value.
    pub fn to_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }
}

/// What a node holds. The members of lists and tables are reached through [`Node`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// JSON `null`, YAML `~` or nothing; reads as absent.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(Number),
    /// Text.
    Text(Box<str>),
    /// A list.
    List,
    /// An object, mapping or table.
    Table,
}

#[derive(Clone, Debug)]
struct Item {
    value: Value,
    span: Span,
    key: Option<(Box<str>, Span)>,
    /// Position in a list.
    index: u32,
    parent: u32,
    first: u32,
    last: u32,
    next: u32,
    n_children: u32,
}

/// The arena. Grows only; nodes are never moved.
#[derive(Clone)]
pub struct Tree {
    items: Vec<Item>,
}

impl std::fmt::Debug for Tree {
    /// Not the whole file: a model is printed with its tree.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tree({} nodes)", self.items.len())
    }
}

impl Tree {
    /// A tree with only a root.
    pub fn new(root: Value, span: Span) -> Self {
        let mut tree = Tree { items: Vec::new() };
        tree.push(root, span, None, NONE);
        tree
    }

    fn push(
        &mut self,
        value: Value,
        span: Span,
        key: Option<(Box<str>, Span)>,
        parent: u32,
    ) -> u32 {
        let id = u32::try_from(self.items.len()).unwrap_or(NONE);
        self.items.push(Item {
            value,
            span,
            key,
            index: 0,
            parent,
            first: NONE,
            last: NONE,
            next: NONE,
            n_children: 0,
        });
        id
    }

    /// Appends a child: with a key to a table, without one to a list.
    pub fn add(
        &mut self,
        parent: NodeId,
        key: Option<(Box<str>, Span)>,
        value: Value,
        span: Span,
    ) -> NodeId {
        let id = self.push(value, span, key, parent.0);
        let Some(above) = self.items.get_mut(parent.0 as usize) else { return NodeId(id) };
        let index = above.n_children;
        let before = above.last;
        above.n_children += 1;
        above.last = id;
        if above.first == NONE {
            above.first = id;
        }
        if let Some(before) = self.items.get_mut(before as usize) {
            before.next = id;
        }
        if let Some(new) = self.items.get_mut(id as usize) {
            new.index = index;
        }
        NodeId(id)
    }

    /// A node that stands nowhere: material to copy from.
    pub fn add_loose(&mut self, value: Value, span: Span) -> NodeId {
        NodeId(self.push(value, span, None, NONE))
    }

    /// Replaces the value of a scalar or drops the children of a list or table.
    pub fn replace(&mut self, id: NodeId, value: Value, span: Span) {
        if let Some(item) = self.items.get_mut(id.0 as usize) {
            item.value = value;
            item.span = span;
            item.first = NONE;
            item.last = NONE;
            item.n_children = 0;
        }
    }

    /// Sets where a list or table ends, known only when it is complete.
    pub fn set_span(&mut self, id: NodeId, span: Span) {
        if let Some(item) = self.items.get_mut(id.0 as usize) {
            item.span = span;
        }
    }

    /// How many nodes there are.
    pub fn n_nodes(&self) -> usize {
        self.items.len()
    }

    /// The root.
    pub fn root(&self) -> Node<'_> {
        self.at(NodeId::ROOT)
    }

    /// The node of an id of this tree; an id of another tree gives some node or the root.
    pub fn at(&self, id: NodeId) -> Node<'_> {
        let known = (id.0 as usize) < self.items.len();
        Node { tree: self, id: if known { id } else { NodeId::ROOT } }
    }
}

/// A cursor into a [`Tree`]: a value, its place, its key path.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    tree: &'a Tree,
    id: NodeId,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.path(), self.value())
    }
}

impl<'a> Node<'a> {
    fn item(self) -> &'a Item {
        // `Tree::at` gives out ids of this tree only, and items are never removed.
        &self.tree.items[self.id.0 as usize]
    }

    /// The tree that the node stands in.
    pub fn tree(self) -> &'a Tree {
        self.tree
    }

    /// The id, to be kept in a model.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// The value.
    pub fn value(self) -> &'a Value {
        &self.item().value
    }

    /// Where the value stands.
    pub fn span(self) -> Span {
        self.item().span
    }

    /// The key under which the node stands in a table.
    pub fn key(self) -> Option<&'a str> {
        self.item().key.as_ref().map(|(key, _)| &**key)
    }

    /// Where the key stands.
    pub fn key_span(self) -> Option<Span> {
        self.item().key.as_ref().map(|(_, span)| *span)
    }

    /// The list or table around the node.
    pub fn parent(self) -> Option<Node<'a>> {
        let parent = self.item().parent;
        (parent != NONE).then(|| self.tree.at(NodeId(parent)))
    }

    /// Position in the list or table around it.
    pub fn index(self) -> usize {
        self.item().index as usize
    }

    /// The members of a list or table, in the order of the file; nothing for scalars.
    pub fn children(self) -> Children<'a> {
        Children { tree: self.tree, next: self.item().first }
    }

    /// How many members a list or table has.
    pub fn len(self) -> usize {
        self.item().n_children as usize
    }

    /// No members.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// `null` counts as absent everywhere.
    pub fn is_null(self) -> bool {
        matches!(self.value(), Value::Null)
    }

    /// Is it a table?
    pub fn is_table(self) -> bool {
        matches!(self.value(), Value::Table)
    }

    /// The member of a table: exact spelling first, then without case, as KrakenD matches keys.
    /// `null` is absent.
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        let exact = self.exact(key);
        exact
            .or_else(|| {
                self.children()
                    .filter(|child| child.key().is_some_and(|name| same_letters(name, key)))
                    .last()
            })
            .filter(|child| !child.is_null())
    }

    /// The member of a table with exactly this key, also when it is `null`.
    pub fn exact(self, key: &str) -> Option<Node<'a>> {
        self.children().filter(|child| child.key() == Some(key)).last()
    }

    /// The text, when it is one.
    pub fn text(self) -> Option<&'a str> {
        match self.value() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What the file says, in few words: `"2 s"`, `17`, `a list`.
    pub fn shown(self) -> String {
        match self.value() {
            Value::Null => "null".into(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.text().to_owned(),
            Value::Text(text) => quoted(text),
            Value::List => "a list".into(),
            Value::Table => "an object".into(),
        }
    }

    /// The way from the root: `endpoints[3].backend[0].url_pattern`; keys with dots are quoted.
    pub fn path(self) -> String {
        let mut steps = vec![self];
        let mut at = self;
        while let Some(parent) = at.parent() {
            steps.push(parent);
            at = parent;
        }
        let mut path = String::new();
        for step in steps.iter().rev().skip(1) {
            match step.key() {
                Some(key) => push_key(&mut path, key),
                None => {
                    let _ = write!(path, "[{}]", step.index());
                }
            }
        }
        path
    }

    /// The path that a member with this key has or would have.
    pub fn path_of(self, key: &str) -> String {
        let mut path = self.path();
        push_key(&mut path, key);
        path
    }
}

/// The members of a list or table.
#[derive(Clone)]
pub struct Children<'a> {
    tree: &'a Tree,
    next: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let id = self.next;
        let item = self.tree.items.get(id as usize)?;
        self.next = item.next;
        Some(Node { tree: self.tree, id: NodeId(id) })
    }
}

fn push_key(path: &mut String, key: &str) {
    let plain =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-/$@#".contains(&b));
    if !path.is_empty() {
        path.push('.');
    }
    if plain { path.push_str(key) } else { path.push_str(&quoted(key)) }
}

/// The same key but for the case of its letters.
pub fn same_letters(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || (!one.is_ascii() || !other.is_ascii()) && one.to_lowercase() == other.to_lowercase()
}

/// Text in quotes, shortened to a line that fits a message; control characters are escaped.
pub fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let mut shown = String::from("\"");
    for (count, letter) in text.chars().enumerate() {
        if count == SHOWN_MAX {
            shown.push('\u{2026}');
            break;
        }
        match letter {
            '"' | '\\' => {
                shown.push('\\');
                shown.push(letter);
            }
            letter if letter.is_control() => {
                let _ = write!(shown, "{}", letter.escape_default());
            }
            letter => shown.push(letter),
        }
    }
    shown.push('"');
    shown
}

//! YAML into the tree: events of the parser, scalars by the rules of Go's yaml.v3, anchors and `<<`
//! expanded within a budget. Two keys of the same name are refused, as yaml.v3 does.

mod places;
mod scalar;

use self::places::Places;
use super::{DEPTH_MAX, NODES_MAX};
use crate::config::diagnostic::{Diagnostics, Severity};
use crate::config::node::{NodeId, Tree, Value};
use crate::config::source::{SourceId, Span};
use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, Tag};
use std::collections::HashMap;

/// Values that aliases may add to a file; a billion laughs stops here.
const ALIAS_NODES_MAX: usize = 500_000;

/// Parses the first document of a YAML text; one syntax error ends it.
pub fn parse(text: &str, source: SourceId, found: &mut Diagnostics) -> Option<Tree> {
    let text =
        text.strip_prefix('\u{feff}').map_or((text, 0), |rest| (rest, '\u{feff}'.len_utf8()));
    let places = Places::new(text.0, text.1, source);
    let mut build = Build {
        places,
        found,
        tree: Tree::new(Value::Null, Span::new(source, 0..0)),
        frames: Vec::new(),
        anchors: HashMap::default(),
        alias_nodes: 0,
        has_root: false,
    };
    let mut documents = 0;
    for event in Parser::new_from_str(text.0) {
        match event {
            Err(error) => {
                let at = build.places.offset(error.marker());
                let message = format!("not YAML: {}", error.info());
                build.found.syntax(Span::new(source, at..at), message);
                return None;
            }
            Ok((Event::DocumentStart(_), marks)) => {
                documents += 1;
                if documents > 1 {
                    let span = build.places.span(marks);
                    let words = "a second document, ignored";
                    build.found.push(Severity::Warning, span, String::new(), words.into());
                    break;
                }
            }
            Ok((event, marks)) => build.event(event, marks)?,
        }
    }
    if !build.has_root {
        build.found.syntax(Span::new(source, 0..0), "not YAML: the text is empty");
        return None;
    }
    Some(build.tree)
}

type Seen = HashMap<Box<str>, Span, foldhash::fast::RandomState>;

/// An open list or mapping.
struct Frame {
    id: NodeId,
    start: Span,
    anchor: usize,
    mapping: Option<Mapping>,
}

#[derive(Default)]
struct Mapping {
    key: Option<Key>,
    seen: Seen,
    /// Values of `<<`, to be merged when the mapping ends.
    merges: Vec<(NodeId, Span)>,
}

enum Key {
    Named(Box<str>, Span),
    Merge,
}

#[derive(Clone, Copy)]
struct Anchor {
    id: NodeId,
    complete: bool,
}

struct Build<'t, 'd> {
    places: Places<'t>,
    found: &'d mut Diagnostics,
    tree: Tree,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchor, foldhash::fast::RandomState>,
    alias_nodes: usize,
    has_root: bool,
}

impl Build<'_, '_> {
    /// `None`: an error was told that ends the file.
    fn event(&mut self, event: Event<'_>, marks: Marks) -> Option<()> {
        let span = self.places.span(marks);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), span)
            }
            Event::SequenceStart(anchor, _) => self.open(Value::List, anchor, span),
            Event::MappingStart(anchor, _) => self.open(Value::Table, anchor, span),
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Some(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Option<()> {
        let plain = style == ScalarStyle::Plain;
        if let Some(mapping) = self.mapping_without_key() {
            let key = if plain && tag.is_none() && text == "<<" {
                Key::Merge
            } else {
                Key::Named(text.into(), span)
            };
            mapping.key = Some(key);
            if anchor != 0 {
                let id = self.tree.add_loose(Value::Text(text.into()), span);
                self.anchors.insert(anchor, Anchor { id, complete: true });
            }
            return self.check_key();
        }
        let value = match scalar::resolve(text, plain, tag) {
            Ok(value) => value,
            Err(message) => return self.fail(span, &message),
        };
        let id = self.place(value, span)?;
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { id, complete: true });
        }
        Some(())
    }

    fn open(&mut self, value: Value, anchor: usize, span: Span) -> Option<()> {
        if self.frames.len() >= DEPTH_MAX {
            return self.fail(span, "nested too deep");
        }
        if self.mapping_without_key().is_some() {
            return self.fail(span, "a key must be text");
        }
        let mapping = (value == Value::Table).then(Mapping::default);
        let id = self.place(value, span)?;
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { id, complete: false });
        }
        self.frames.push(Frame { id, start: span, anchor, mapping });
        Some(())
    }

    fn close(&mut self, end: Span) -> Option<()> {
        let Some(frame) = self.frames.pop() else { return Some(()) };
        let whole = Span { end: end.end.max(frame.start.end), ..frame.start };
        self.tree.set_span(frame.id, whole);
        if let Some(mut mapping) = frame.mapping {
            for (merged, span) in std::mem::take(&mut mapping.merges) {
                self.merge(frame.id, merged, span, &mut mapping.seen)?;
            }
        }
        if let Some(anchor) = self.anchors.get_mut(&frame.anchor) {
            anchor.complete = true;
        }
        Some(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Option<()> {
        let Some(target) = self.anchors.get(&anchor).copied() else {
            return self.fail(span, "not YAML: an alias without an anchor");
        };
        if !target.complete {
            return self.fail(span, "an alias inside its own anchor");
        }
        if self.mapping_without_key().is_some() {
            let key = match self.tree.at(target.id).value() {
                Value::Text(text) => text.clone(),
                Value::Number(number) => number.text().into(),
                Value::Bool(value) => value.to_string().into(),
                _ => return self.fail(span, "a key must be text"),
            };
            if let Some(mapping) = self.mapping_without_key() {
                mapping.key = Some(Key::Named(key, span));
            }
            return self.check_key();
        }
        let value = self.tree.at(target.id).value().clone();
        let at = self.tree.at(target.id).span();
        let id = self.place(value, at)?;
        self.copy_members(target.id, id, span)
    }

    /// The innermost mapping, when the next event is a key of it.
    fn mapping_without_key(&mut self) -> Option<&mut Mapping> {
        self.frames.last_mut()?.mapping.as_mut().filter(|mapping| mapping.key.is_none())
    }

    /// The key just read must be new in its mapping.
    fn check_key(&mut self) -> Option<()> {
        let frame = self.frames.last_mut()?;
        let mapping = frame.mapping.as_mut()?;
        let Some(Key::Named(name, span)) = &mapping.key else { return Some(()) };
        let Some(earlier) = mapping.seen.insert(name.clone(), *span) else { return Some(()) };
        let path = self.tree.at(frame.id).path_of(name);
        self.found
            .push(Severity::Error, *span, path, "the same key twice".into())
            .also_at(earlier, "the first one is here");
        Some(())
    }

    /// Puts a value where the parser stands: root, list element, member or value of `<<`.
    fn place(&mut self, value: Value, span: Span) -> Option<NodeId> {
        if self.tree.n_nodes() > NODES_MAX {
            return self.fail(span, "too many values");
        }
        let Some(frame) = self.frames.last_mut() else {
            if self.has_root {
                return self.fail(span, "not YAML: more than one value");
            }
            self.has_root = true;
            self.tree.replace(NodeId::ROOT, value, span);
            return Some(NodeId::ROOT);
        };
        let Some(mapping) = &mut frame.mapping else {
            return Some(self.tree.add(frame.id, None, value, span));
        };
        match mapping.key.take() {
            Some(Key::Named(name, key_span)) => {
                Some(self.tree.add(frame.id, Some((name, key_span)), value, span))
            }
            Some(Key::Merge) => {
                let id = self.tree.add_loose(value, span);
                mapping.merges.push((id, span));
                Some(id)
            }
            None => self.fail(span, "a key must be text"),
        }
    }

    fn merge(&mut self, into: NodeId, merged: NodeId, span: Span, seen: &mut Seen) -> Option<()> {
        let sources: Vec<NodeId> = match self.tree.at(merged).value() {
            Value::Table => vec![merged],
            Value::List => self.tree.at(merged).children().map(|node| node.id()).collect(),
            _ => return self.fail(span, "<< needs a mapping or a list of mappings"),
        };
        for source in sources {
            if !self.tree.at(source).is_table() {
                return self.fail(span, "<< needs a mapping or a list of mappings");
            }
            let members: Vec<NodeId> =
                self.tree.at(source).children().map(|node| node.id()).collect();
            for member in members {
                let node = self.tree.at(member);
                let (Some(key), Some(key_span)) = (node.key(), node.key_span()) else { continue };
                // What stands in the mapping itself, or was merged earlier, wins.
                if seen.contains_key(key) {
                    continue;
                }
                let key: Box<str> = key.into();
                let (value, at) = (node.value().clone(), node.span());
                seen.insert(key.clone(), key_span);
                let id = self.tree.add(into, Some((key, key_span)), value, at);
                self.copy_members(member, id, span)?;
            }
        }
        Some(())
    }

    /// Copies what is below `from` to below `to`, counted against the budget of aliases.
    fn copy_members(&mut self, from: NodeId, to: NodeId, alias: Span) -> Option<()> {
        let mut open = vec![(from, to, self.frames.len() + 1)];
        while let Some((from, to, depth)) = open.pop() {
            self.alias_nodes += 1;
            if self.alias_nodes > ALIAS_NODES_MAX || self.tree.n_nodes() > NODES_MAX {
                return self.fail(alias, "aliases make the file too large");
            }
            if depth > DEPTH_MAX {
                return self.fail(alias, "nested too deep");
            }
            let members: Vec<NodeId> =
                self.tree.at(from).children().map(|node| node.id()).collect();
            for member in members {
                let node = self.tree.at(member);
                let key = node.key().zip(node.key_span()).map(|(key, span)| (key.into(), span));
                let (value, span) = (node.value().clone(), node.span());
                let copy = self.tree.add(to, key, value, span);
                open.push((member, copy, depth + 1));
            }
        }
        Some(())
    }

    fn fail<T>(&mut self, span: Span, message: &str) -> Option<T> {
        self.found.syntax(span, message);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut found = Diagnostics::new(false);
        match parse(text, SourceId::default(), &mut found) {
            Some(tree) if !found.has_errors() => flat(tree.root()),
            _ => found.iter().map(|d| d.message.clone()).collect::<Vec<_>>().join("; "),
        }
    }

    fn flat(node: crate::config::node::Node<'_>) -> String {
        let inner: Vec<_> = node
            .children()
            .map(|child| match child.key() {
                Some(key) => format!("{key}:{}", flat(child)),
                None => flat(child),
            })
            .collect();
        match node.value() {
            Value::List => format!("[{}]", inner.join(",")),
            Value::Table => format!("{{{}}}", inner.join(",")),
            _ => node.shown(),
        }
    }

    #[test]
    fn scalars() {
        for (text, expected) in [
            ("a: 1", "{a:1}"),
            ("a: 0x1F", "{a:31}"),
            ("a: 0o17", "{a:15}"),
            ("a: 017", "{a:15}"),
            ("a: 1_000", "{a:1000}"),
            ("a: -5", "{a:-5}"),
            ("a: +.5e3", "{a:0.5e3}"),
            ("a: 1.", "{a:1}"),
            ("a: 1.50", "{a:1.50}"),
            ("a: yes", "{a:\"yes\"}"),
            ("a: True", "{a:true}"),
            ("a: ~", "{a:null}"),
            ("a:", "{a:null}"),
            ("a: '1'", "{a:\"1\"}"),
            ("a: !!str 1", "{a:\"1\"}"),
            ("a: !!int x", "not YAML: no value for !!int"),
            ("a: !mine 1", "{a:\"1\"}"),
            ("a: 2s", "{a:\"2s\"}"),
            ("a: 1e3", "{a:1e3}"),
            ("a: 1.2.3", "{a:\"1.2.3\"}"),
            ("404: x", "{404:\"x\"}"),
            ("a: |\n  x\n  y\n", "{a:\"x\\ny\\n\"}"),
            ("[a, b]", "[\"a\",\"b\"]"),
            ("\u{feff}a: \u{e9}", "{a:\"\u{e9}\"}"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn anchors_and_merges() {
        for (text, expected) in [
            ("a: &x [1, 2]\nb: *x", "{a:[1,2],b:[1,2]}"),
            ("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3", "{a:{p:1,q:2},b:{q:3,p:1}}"),
            (
                "a: &x {p: 1}\nb: &y {p: 2, r: 3}\nc: {<<: [*x, *y]}",
                "{a:{p:1},b:{p:2,r:3},c:{p:1,r:3}}",
            ),
            ("c: {<<: {p: 1}, z: 0}", "{c:{z:0,p:1}}"),
            ("a: &k key\nb: {*k : 1}", "{a:\"key\",b:{key:1}}"),
            ("c: {'<<': 1}", "{c:{<<:1}}"),
            ("c: {<<: 1}", "<< needs a mapping or a list of mappings"),
            ("a: &x [*x]", "an alias inside its own anchor"),
            ("a: 1\nb: 2\na: 3", "the same key twice"),
            ("? [a]\n: 1", "a key must be text"),
            ("", "not YAML: the text is empty"),
            ("# only a comment", "not YAML: the text is empty"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
        assert!(shown("a: *nowhere").contains("YAML"));
    }

    #[test]
    fn places_count_bytes() {
        let text = format!(
            "# {}\nk\u{e9}y:\n  b: caf\u{e9} # \u{20ac}\n  c: [\u{e9}\u{e9}, x]\n",
            "\u{e9}".repeat(700)
        );
        let mut found = Diagnostics::new(false);
        let tree = parse(&text, SourceId::default(), &mut found).expect("it is YAML");
        let inner = tree.root().get("k\u{e9}y").expect("it is there");
        assert_eq!(&text[inner.key_span().expect("a key").range()], "k\u{e9}y");
        let b = inner.get("b").expect("it is there");
        assert_eq!(&text[b.span().range()], "caf\u{e9}");
        let c: Vec<_> = inner.get("c").into_iter().flat_map(|n| n.children()).collect();
        assert_eq!(&text[c[1].span().range()], "x");
        assert_eq!(c[1].path(), "\"k\u{e9}y\".c[1]");
    }

    #[test]
    fn bombs_are_errors() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let refs = vec![format!("*a{}", level - 1); 10].join(", ");
            laughs.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        assert_eq!(shown(&laughs), "aliases make the file too large");
        for text in
            ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "? ".repeat(10_000)]
        {
            let mut found = Diagnostics::new(false);
            assert!(parse(&text, SourceId::default(), &mut found).is_none());
            assert!(found.has_errors());
        }
    }
}

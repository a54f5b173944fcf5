//! TOML into the tree. Tables are put back into the order of the file; dates read as text.

use super::{DEPTH_MAX, NODES_MAX};
use crate::config::diagnostic::Diagnostics;
use crate::config::node::{NodeId, Number, Tree, Value};
use crate::config::source::{SourceId, Span};
use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

/// Parses a TOML text; all its syntax errors are told.
pub fn parse(text: &str, source: SourceId, found: &mut Diagnostics) -> Option<Tree> {
    let (table, errors) = DeTable::parse_recoverable(text);
    // One slip can upset the parser for the rest of a long file: the first errors tell it.
    const ERRORS_MAX: usize = 20;
    for error in errors.iter().take(ERRORS_MAX) {
        let range = error.span().unwrap_or(0..0);
        let message = error.message().replace('\n', "; ");
        found.syntax(Span::new(source, range), format!("not TOML: {message}"));
    }
    if !errors.is_empty() {
        return None;
    }
    let whole = Span::new(source, 0..text.len());
    let mut tree = Tree::new(Value::Table, whole);
    let mut open = vec![(NodeId::ROOT, Inside::Table(table.get_ref()), 1_usize)];
    while let Some((id, inside, depth)) = open.pop() {
        if depth > DEPTH_MAX {
            found.syntax(tree.at(id).span(), "nested too deep");
            return None;
        }
        if tree.n_nodes() > NODES_MAX {
            found.syntax(tree.at(id).span(), "too many values");
            return None;
        }
        match inside {
            Inside::Table(table) => {
                // The parser sorts by key: the order of the file comes back from the spans.
                let mut entries: Vec<_> = table.iter().collect();
                entries.sort_by_key(|(key, _)| key.span().start);
                for (key, value) in entries {
                    let name = (key.get_ref().as_ref().into(), Span::new(source, key.span()));
                    add(&mut tree, &mut open, (id, Some(name)), value, (source, depth));
                }
            }
            Inside::List(list) => {
                for value in list {
                    add(&mut tree, &mut open, (id, None), value, (source, depth));
                }
            }
        }
    }
    Some(tree)
}

enum Inside<'v, 'i> {
    Table(&'v DeTable<'i>),
    List(&'v ::toml::de::DeArray<'i>),
}

fn add<'v, 'i>(
    tree: &mut Tree,
    open: &mut Vec<(NodeId, Inside<'v, 'i>, usize)>,
    (parent, key): (NodeId, Option<(Box<str>, Span)>),
    value: &'v Spanned<DeValue<'i>>,
    (source, depth): (SourceId, usize),
) {
    let span = Span::new(source, value.span());
    let (scalar, inside) = match value.get_ref() {
        DeValue::String(text) => (Value::Text(text.as_ref().into()), None),
        DeValue::Integer(number) => (integer(number.as_str(), number.radix()), None),
        DeValue::Float(number) => (Value::Number(Number::new(float(number.as_str()))), None),
        DeValue::Boolean(value) => (Value::Bool(*value), None),
        DeValue::Datetime(date) => (Value::Text(date.to_string().into()), None),
        DeValue::Array(list) => (Value::List, Some(Inside::List(list))),
        DeValue::Table(table) => (Value::Table, Some(Inside::Table(table))),
    };
    let id = tree.add(parent, key, scalar, span);
    if let Some(inside) = inside {
        open.push((id, inside, depth + 1));
    }
}

/// Digits of any radix as a decimal number; what does not fit stays text and is refused by its reader.
fn integer(digits: &str, radix: u32) -> Value {
    let plain = digits.replace('_', "");
    match i64::from_str_radix(&plain, radix) {
        Ok(number) => Value::Number(Number::new(number.to_string())),
        Err(_) => Value::Text(digits.into()),
    }
}

fn float(text: &str) -> String {
    text.replace('_', "").trim_start_matches('+').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_places() {
        let text = "version = 3\nport = 0x1f90\n[[endpoints]]\nendpoint = \"/a\"\n\
                    [[endpoints.backend]]\nhost = [\"http://a\"]\n[[endpoints]]\nendpoint = '/b'\nx = 1_0.5\n";
        let mut found = Diagnostics::new(false);
        let tree = parse(text, SourceId::default(), &mut found).expect("it is TOML");
        assert!(found.is_empty(), "{found:?}");
        let root = tree.root();
        assert_eq!(root.get("port").map(|n| n.shown()), Some("8080".into()));
        let keys: Vec<_> = root.children().filter_map(|n| n.key()).collect();
        assert_eq!(keys, ["version", "port", "endpoints"]);
        let paths: Vec<_> = root.get("endpoints").into_iter().flat_map(|n| n.children()).collect();
        assert_eq!(paths.len(), 2);
        let path = paths[1].get("endpoint").expect("it is there");
        assert_eq!(
            (path.path().as_str(), path.shown().as_str()),
            ("endpoints[1].endpoint", "\"/b\"")
        );
        assert_eq!(&text[path.span().range()], "'/b'");
        assert_eq!(paths[1].get("x").map(|n| n.shown()), Some("10.5".into()));
    }

    #[test]
    fn errors() {
        for text in [
            "a = ",
            "a = 1\na = 2",
            "[a",
            "= 1",
            "a = \"x",
            &format!("a = {}", "[".repeat(100_000)),
        ] {
            let mut found = Diagnostics::new(false);
            assert!(parse(text, SourceId::default(), &mut found).is_none());
            assert!(found.has_errors() && found.len() <= 20);
        }
    }
}

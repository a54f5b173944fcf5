//! `KRAKEND_*` of the environment: values that replace those of the file before it is read.
//!
//! As in KrakenD every such variable is taken: the rest of its name in lower case is the key, dots
//! lead into objects (`docs/reference/lura-core.md` 1.1). The variables make a source of their own,
//! so that a problem names the variable that caused it.

use super::diagnostic::{Diagnostics, Severity};
use super::known::{Scope, keys};
use super::node::{NodeId, Tree, Value};
use super::source::{Source, Sources, Span};

/// The prefix of the variables that count.
const PREFIX: &str = "KRAKEND_";

/// One variable, ready to be put into a tree.
struct Override<'e> {
    key: String,
    value: &'e str,
    /// Of the name and the value in the source.
    name_span: Span,
    value_span: Span,
}

/// Puts the variables of an environment into the tree of a file.
pub fn apply(
    tree: &mut Tree,
    environment: &[(String, String)],
    sources: &mut Sources,
    found: &mut Diagnostics,
) {
    let mut taken: Vec<_> =
        environment.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    if taken.is_empty() || !tree.root().is_table() {
        return;
    }
    taken.sort();
    let mut text = String::new();
    let mut list = Vec::new();
    // The text is complete before the source is added, so the id it will get is known from here.
    let source = sources.next_id();
    for (name, value) in taken {
        let at = text.len();
        text.push_str(name);
        text.push('=');
        let value_at = text.len();
        text.push_str(value);
        let value_end = text.len();
        text.push('\n');
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        list.push(Override {
            key: rest.to_lowercase(),
            value,
            name_span: Span::new(source, at..at + name.len()),
            value_span: Span::new(source, value_at..value_end),
        });
    }
    let added = sources.add(Source::new("environment", text));
    debug_assert_eq!(added, source);
    for one in list {
        put(tree, &one, found);
    }
}

fn put(tree: &mut Tree, one: &Override<'_>, found: &mut Diagnostics) {
    let mut steps = one.key.split('.').peekable();
    let first = steps.peek().copied().unwrap_or_default();
    if !keys(Scope::Root).iter().any(|row| row.key == first) {
        // Kubernetes makes such variables for every service called `krakend`: never a refusal.
        let words =
            format!("{PREFIX}{} is no key of the configuration, ignored", first.to_uppercase());
        found.push(Severity::Warning, one.name_span, String::new(), words);
        return;
    }
    let mut at = NodeId::ROOT;
    while let Some(step) = steps.next() {
        let here = tree.at(at);
        // Exact spelling, as the variables are merged into the file by exact keys; but a key of
        // other case in the file would then stand beside it, so that one is replaced.
        let child = here.exact(step).or_else(|| here.get(step)).map(|node| node.id());
        let last = steps.peek().is_none();
        let value = if last { Value::Text(one.value.into()) } else { Value::Table };
        at = match child {
            Some(id) if last => {
                tree.replace(id, value, one.value_span);
                id
            }
            Some(id) if tree.at(id).is_table() => id,
            Some(id) => {
                tree.replace(id, value, one.value_span);
                id
            }
            None => tree.add(at, Some((step.into(), one.name_span)), value, one.value_span),
        };
    }
}

//! The table of known keys and namespaces: what each does here, at every level of the file.
//!
//! One table serves the check of unknown keys, the refusals by name and the manual. A key that
//! protects or changes traffic and is not built yet refuses the file; one that only documents or
//! observes is told about; what nobody knows is a warning with the nearest spelling.

mod keys;
mod manual;
mod namespaces;

pub use keys::{Scope, keys};
pub use manual::markdown;
pub use namespaces::{Level, Namespace, namespaces};

use super::diagnostic::Diagnostics;
use super::nearest::nearest;
use super::node::{Node, Value, same_letters};

/// What happens to a known key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It does what KrakenD's does, or what its line in the manual says.
    Acts,
    /// It protects or changes traffic and is not built yet: a value that turns it on is refused.
    RefusedUntilBuilt,
    /// It has no effect here, nor on traffic: a value that turns it on is told about.
    WarnedAbout,
    /// Never looked at.
    Comment,
}

/// One key of one scope.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The key, in KrakenD's spelling.
    pub key: &'static str,
    /// What happens to it.
    pub class: Class,
    /// What it does, to follow the key in a sentence: `serves TLS`.
    pub does: &'static str,
}

/// Keys that KrakenD's schema allows everywhere for people's own notes.
pub fn is_comment(key: &str) -> bool {
    key.starts_with(['$', '@', '_', '#'])
}

/// A value that leaves its key turned off: absent, false, zero, empty.
pub fn is_off(node: Node<'_>) -> bool {
    match node.value() {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.to_f64() == 0.0,
        Value::Text(text) => matches!(&**text, "" | "0" | "false" | "False" | "FALSE" | "f" | "F"),
        Value::List | Value::Table => node.is_empty(),
    }
}

/// TLS objects act by being there, even when empty; `tls` may say of itself that it is off.
fn is_inert(node: Node<'_>, key: &str) -> bool {
    match key {
        "tls" | "client_tls" => {
            node.is_null() || node.get("disabled").is_some_and(|disabled| !is_off(disabled))
        }
        _ => is_off(node),
    }
}

/// Holds every key of a table against the known ones.
pub fn check_keys(table: Node<'_>, scope: Scope, found: &mut Diagnostics) {
    let known = keys(scope);
    for child in table.children() {
        let Some(key) = child.key() else { continue };
        let row = known
            .iter()
            .find(|row| row.key == key)
            .or_else(|| known.iter().find(|row| same_letters(row.key, key)));
        if let Some(row) = row
            && table.get(row.key).is_some_and(|used| used.id() != child.id())
        {
            found.doubt_at_key(
                child,
                format!("has no effect beside {} in another spelling", row.key),
            );
            continue;
        }
        match row {
            Some(row) if is_inert(child, row.key) => {}
            Some(row) => tell(child, row.key, row.class, row.does, found),
            None if is_comment(key) => {}
            None => {
                let near = nearest(key, known.iter().map(|row| row.key));
                found.doubt_at_key(child, "unknown key, ignored").nearest(near);
            }
        }
    }
}

/// Like [`check_keys`] for objects that are Ringway's own: what nobody knows is refused.
pub fn check_own_keys(table: Node<'_>, scope: Scope, found: &mut Diagnostics) -> bool {
    if !table.expect_table(found) {
        return false;
    }
    let known: Vec<_> = keys(scope).iter().map(|row| row.key).collect();
    table.only(&known, found);
    true
}

/// Holds every namespace of an `extra_config` against the known ones. `also` are those that the
/// program around the gateway brings along.
pub fn check_namespaces(extra: Node<'_>, level: Level, also: &[String], found: &mut Diagnostics) {
    for child in extra.children() {
        let Some(key) = child.key() else { continue };
        if is_comment(key) || child.is_null() || also.iter().any(|name| name == key) {
            continue;
        }
        let Some(row) = Namespace::named(key) else {
            let near = nearest(key, namespaces().iter().map(|row| row.alias));
            found.doubt_at_key(child, "unknown namespace, ignored").nearest(near);
            continue;
        };
        // A namespace acts by being there: `"security/cors": {}` opens the gateway to browsers.
        if row.levels.contains(&level) {
            tell(child, row.alias, row.class, row.does, found);
        } else if row.class == Class::RefusedUntilBuilt {
            found
                .error_at_key(child, format!("{} does not belong to {}", row.alias, level.words()))
                .allowed(row.where_allowed())
                .help("KrakenD ignores it here, so that it protects or changes nothing");
        } else {
            found
                .doubt_at_key(child, format!("{} has no effect in {}", row.alias, level.words()))
                .allowed(row.where_allowed());
        }
    }
}

fn tell(node: Node<'_>, key: &str, class: Class, does: &str, found: &mut Diagnostics) {
    match class {
        Class::Acts | Class::Comment => {}
        Class::RefusedUntilBuilt => {
            found
                .error_at_key(node, format!("{key} {does}: this version cannot do that yet"))
                .help("refused rather than ignored, since it protects or changes traffic");
        }
        Class::WarnedAbout => {
            found.warn_at_key(node, format!("{key} {does}: ignored"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax;

    fn checked(scope: Scope, text: &str) -> Vec<String> {
        let tree = syntax::json_for_tests(text);
        let mut found = Diagnostics::new(false);
        check_keys(tree.root(), scope, &mut found);
        found.iter().map(|d| format!("{:?} {} {}", d.severity, d.path, d.message)).collect()
    }

    #[test]
    fn keys_by_class() {
        assert_eq!(
            checked(
                Scope::Root,
                r##"{"Port": 1, "$schema": 1, "_x": 1, "#y": 1, "@z": 1, "sequential_start": false, "tls": {"disabled": true}}"##
            ),
            Vec::<String>::new()
        );
        assert_eq!(
            checked(Scope::Root, r#"{"use_h2c": true, "prot": 8080, "tls": {}}"#),
            [
                "Error use_h2c use_h2c serves HTTP/2 without TLS: this version cannot do that yet",
                "Warning prot unknown key, ignored",
                "Error tls tls serves TLS: this version cannot do that yet"
            ]
        );
    }

    #[test]
    fn no_key_is_listed_twice() {
        for scope in Scope::ALL {
            let mut names: Vec<_> = keys(scope).iter().map(|row| row.key).collect();
            names.sort_unstable();
            let n = names.len();
            names.dedup();
            assert_eq!(names.len(), n, "{scope:?}");
        }
        let mut names: Vec<_> =
            namespaces().iter().flat_map(|row| [Some(row.alias), row.internal]).flatten().collect();
        names.sort_unstable();
        let n = names.len();
        names.dedup();
        assert_eq!(names.len(), n);
    }
}

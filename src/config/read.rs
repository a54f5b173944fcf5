//! Reading nodes as Rust values with KrakenD's loose typing: `"8080"` is a port, one host is a list.
//!
//! The rules are those of `docs/reference/lura-core.md` 1.1, column koanf. What they cannot make
//! sense of is refused at its place and reads as absent, so that the rest is still checked.

use super::diagnostic::Diagnostics;
use super::duration::{DurationError, go_duration, shown};
use super::known::is_comment;
use super::nearest::nearest;
use super::node::{Node, Number, Value, same_letters};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A value that can be read from a node. Policies implement it for their own configuration.
pub trait Read: Sized {
    /// Reads the value; on a problem says so in `found` and returns `None`.
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Self>;
}

impl<'a> Node<'a> {
    /// The node as a `T`.
    pub fn read<T: Read>(self, found: &mut Diagnostics) -> Option<T> {
        T::read(self, found)
    }

    /// The member `key` as a `T`; absent and `null` are `None` without a problem.
    pub fn field<T: Read>(self, key: &str, found: &mut Diagnostics) -> Option<T> {
        self.get(key).and_then(|node| node.read(found))
    }

    /// The member `key` as a whole number within bounds.
    pub fn number_in<T>(
        self,
        key: &str,
        range: RangeInclusive<T>,
        found: &mut Diagnostics,
    ) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let node = self.get(key)?;
        let number: i64 = node.read(found)?;
        match T::try_from(number) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let allowed = format!("{} to {}", range.start(), range.end());
                found.refuse(node, "is out of range", &allowed);
                None
            }
        }
    }

    /// The member `key` as a duration from zero to `most`.
    pub fn duration(self, key: &str, most: Duration, found: &mut Diagnostics) -> Option<Duration> {
        let node = self.get(key)?;
        let Nanoseconds(ns) = node.read(found)?;
        let Ok(ns) = u64::try_from(ns) else {
            found.refuse(node, "is negative", "such as \"2s\" or \"500ms\"");
            return None;
        };
        let time = Duration::from_nanos(ns);
        if time > most {
            found.refuse(node, "is out of range", &format!("up to \"{}\"", shown(most)));
            return None;
        }
        Some(time)
    }

    /// The member `key` as one of several words; letters in any case when `any_case`.
    pub fn word<T: Copy>(
        self,
        key: &str,
        words: &[(&str, T)],
        found: &mut Diagnostics,
    ) -> Option<T> {
        let node = self.get(key)?;
        let text: String = node.read(found)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let allowed: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let near = nearest(&text, words.iter().map(|(word, _)| *word));
        found.refuse(node, "is not known here", &allowed.join(", ")).nearest(near);
        None
    }

    /// The member `key` as `true` or `false` and nothing like it: for blocks that KrakenD decodes
    /// without coercion, where a wrong type would silently turn the whole block off.
    pub fn plain_bool(self, key: &str, found: &mut Diagnostics) -> Option<bool> {
        let node = self.get(key)?;
        match node.value() {
            Value::Bool(value) => Some(*value),
            _ => {
                found.refuse(node, "is not true or false", "true, false");
                None
            }
        }
    }

    /// The member `key` as text and nothing like it.
    pub fn plain_text(self, key: &str, found: &mut Diagnostics) -> Option<&'a str> {
        let node = self.get(key)?;
        if node.text().is_none() {
            found.refuse(node, "is not text", "text");
        }
        node.text()
    }

    /// The member `key` as a list of texts and nothing like it.
    pub fn plain_texts(self, key: &str, found: &mut Diagnostics) -> Option<Vec<Node<'a>>> {
        let node = self.get(key)?;
        if !matches!(node.value(), Value::List) {
            found.refuse(node, "is not a list", "a list of texts");
            return None;
        }
        for child in node.children().filter(|child| child.text().is_none()) {
            found.refuse(child, "is not text", "text");
        }
        Some(node.children().filter(|child| child.text().is_some()).collect())
    }

    /// Is it a table? Refuses anything else by name.
    pub fn expect_table(self, found: &mut Diagnostics) -> bool {
        if !self.is_table() {
            found.refuse(self, "is not an object", "an object");
        }
        self.is_table()
    }

    /// Refuses keys that are not in the list, with the nearest spelling; comments pass.
    pub fn only(self, keys: &[&str], found: &mut Diagnostics) {
        for child in self.children() {
            let Some(key) = child.key() else { continue };
            if is_comment(key) || keys.iter().any(|known| same_letters(known, key)) {
                continue;
            }
            let near = nearest(key, keys.iter().copied());
            found.error_at_key(child, "unknown key").nearest(near).allowed(keys.join(", "));
        }
    }

    /// The members of a list; a scalar or an object counts as a list of one, an empty object as an
    /// empty list.
    pub fn elements(self) -> impl Iterator<Item = Node<'a>> {
        let (members, single) = match self.value() {
            Value::List => (Some(self.children()), None),
            Value::Null => (None, None),
            Value::Table if self.is_empty() => (None, None),
            _ => (None, Some(self)),
        };
        members.into_iter().flatten().chain(single)
    }
}

/// A signed span of time as Go counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nanoseconds(pub i64);

impl Read for Nanoseconds {
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Self> {
        const EXAMPLE: &str = "such as \"2s\" or \"500ms\"";
        match node.value() {
            Value::Text(text) => match go_duration(text) {
                Ok(ns) => return Some(Nanoseconds(ns)),
                Err(DurationError::Grammar) => found.refuse(node, "is not a duration", EXAMPLE),
                Err(DurationError::TooLong) => {
                    found.refuse(node, "is out of range", "up to about 292 years")
                }
            },
            Value::Number(number) => match number.to_i64() {
                Some(0) => return Some(Nanoseconds(0)),
                Some(ns) => {
                    found
                        .warn(node, format!("{} is taken as nanoseconds", number.text()))
                        .allowed(format!("text with a unit, {EXAMPLE}"));
                    return Some(Nanoseconds(ns));
                }
                None => found.refuse(node, "is out of range", EXAMPLE),
            },
            _ => found.refuse(node, "is not a duration", EXAMPLE),
        };
        None
    }
}

impl Read for bool {
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Self> {
        let value = match node.value() {
            Value::Bool(value) => Some(*value),
            Value::Number(number) => Some(number.to_f64() != 0.0),
            // Go's strconv.ParseBool; empty text is false.
            Value::Text(text) => match &**text {
                "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
                "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
                _ => None,
            },
            _ => None,
        };
        if value.is_none() {
            found.refuse(node, "is not true or false", "true, false");
        }
        value
    }
}

impl Read for i64 {
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Self> {
        let value = match node.value() {
            Value::Bool(value) => Some(i64::from(*value)),
            Value::Number(number) => number.to_i64(),
            Value::Text(text) => go_integer(text),
            _ => None,
        };
        if value.is_none() {
            found.refuse(node, "is not a whole number", "a number such as 8080");
        }
        value
    }
}

impl Read for f64 {
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Self> {
        let value = match node.value() {
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            Value::Number(number) => Some(number.to_f64()),
            Value::Text(text) if text.is_empty() => Some(0.0),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        let value = value.filter(|number: &f64| number.is_finite());
        if value.is_none() {
            found.refuse(node, "is not a number", "a number such as 0.5");
        }
        value
    }
}

impl Read for String {
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Self> {
        match node.value() {
            Value::Text(text) => Some(text.to_string()),
            Value::Bool(value) => Some(if *value { "1" } else { "0" }.to_owned()),
            Value::Number(number) => Some(number_text(number)),
            _ => {
                found.refuse(node, "is not text", "text");
                None
            }
        }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Self> {
        let nodes: Vec<_> = node.elements().collect();
        // Every element is read, so that each problem is told; one bad element spoils the list.
        let read: Vec<_> = nodes.iter().map(|node| node.read(found)).collect();
        read.into_iter().collect()
    }
}

/// Go's `strconv.ParseInt` with base 0: decimal, `0x`, `0o`, `0b`, a leading zero for octal, `_`
/// between digits. Empty text is zero.
pub fn go_integer(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits, prefixed) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..], true),
        [b'0', b'o', ..] => (8, &lower[2..], true),
        [b'0', b'b', ..] => (2, &lower[2..], true),
        [b'0', _, ..] => (8, &lower[1..], true),
        _ => (10, lower.as_str(), false),
    };
    // An underscore stands between two digits, or between a prefix and a digit.
    let body = if prefixed { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
    if body.is_empty()
        || body.starts_with(['_', '+', '-'])
        || body.ends_with('_')
        || body.contains("__")
    {
        return None;
    }
    let magnitude = i128::from_str_radix(&body.replace('_', ""), radix).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// A number as text, without exponent and without zeros at the end of a fraction, as Go does.
fn number_text(number: &Number) -> String {
    match number.to_i64() {
        Some(whole) if number.to_f64().fract() == 0.0 => whole.to_string(),
        _ => number.to_f64().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::json_for_tests;

    fn read<T: Read>(json: &str) -> Option<T> {
        let tree = json_for_tests(json);
        let mut found = Diagnostics::new(false);
        let value = tree.root().read(&mut found);
        assert_eq!(value.is_none(), found.has_errors(), "{json}: a problem is told, once");
        value
    }

    #[test]
    fn whole_numbers() {
        for (json, expected) in [
            ("8080", Some(8080)),
            ("\"8080\"", Some(8080)),
            ("\"0x1f90\"", Some(8080)),
            ("\"0b11\"", Some(3)),
            ("\"017\"", Some(15)),
            ("\"0o17\"", Some(15)),
            ("\"1_000\"", Some(1000)),
            ("\"-5\"", Some(-5)),
            ("\"\"", Some(0)),
            ("1.9", Some(1)),
            ("-1.9", Some(-1)),
            ("1e3", Some(1000)),
            ("true", Some(1)),
            ("\"8080.5\"", None),
            ("\" 1\"", None),
            ("\"08\"", None),
            ("\"1__0\"", None),
            ("\"_1\"", None),
            ("\"0x\"", None),
            ("1e30", None),
            ("9223372036854775808", None),
            ("[]", None),
            ("{}", None),
        ] {
            assert_eq!(read::<i64>(json), expected, "{json}");
        }
    }

    #[test]
    fn truths() {
        for (json, expected) in [
            ("true", Some(true)),
            ("\"T\"", Some(true)),
            ("\"1\"", Some(true)),
            ("1", Some(true)),
            ("0.5", Some(true)),
            ("0", Some(false)),
            ("\"\"", Some(false)),
            ("\"False\"", Some(false)),
            ("\"yes\"", None),
            ("\"tRUE\"", None),
            ("[true]", None),
        ] {
            assert_eq!(read::<bool>(json), expected, "{json}");
        }
    }

    #[test]
    fn texts() {
        for (json, expected) in [
            ("\"a\"", Some("a")),
            ("true", Some("1")),
            ("false", Some("0")),
            ("8080", Some("8080")),
            ("1.50", Some("1.5")),
            ("1e3", Some("1000")),
            ("[]", None),
            ("{}", None),
        ] {
            assert_eq!(read::<String>(json).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn numbers() {
        for (json, expected) in [
            ("0.5", Some(0.5)),
            ("\"2.5\"", Some(2.5)),
            ("\"\"", Some(0.0)),
            ("true", Some(1.0)),
            ("1e999", None),
            ("\"inf\"", None),
            ("\"x\"", None),
        ] {
            assert_eq!(read::<f64>(json), expected, "{json}");
        }
    }

    #[test]
    fn lists() {
        let words = |list: &[&str]| Some(list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        for (json, expected) in [
            ("[\"a\", 1, true]", words(&["a", "1", "1"])),
            ("\"a\"", words(&["a"])),
            ("5", words(&["5"])),
            ("{}", words(&[])),
            ("[]", words(&[])),
            ("null", words(&[])),
            ("{\"a\": 1}", None),
            ("[[\"a\"]]", None),
        ] {
            assert_eq!(read::<Vec<String>>(json), expected, "{json}");
        }
    }

    #[test]
    fn durations() {
        for (json, expected) in [
            ("\"1.5s\"", Some(1_500_000_000)),
            ("3000", Some(3000)),
            ("0", Some(0)),
            ("1.9", Some(1)),
            ("\"\"", None),
            ("true", None),
            ("1e30", None),
        ] {
            let ns = read::<Nanoseconds>(json).map(|Nanoseconds(ns)| ns);
            assert_eq!(ns, expected, "{json}");
        }
    }

    #[test]
    fn keys_match_exactly_and_then_without_case() {
        let tree = json_for_tests(r#"{"Port": 1, "HOST": 2, "host": 3, "gone": null}"#);
        let shown = |key: &str| tree.root().get(key).map(|node| node.shown());
        assert_eq!(shown("port"), Some("1".into()));
        assert_eq!(shown("host"), Some("3".into()));
        assert_eq!(shown("gone"), None);
    }
}

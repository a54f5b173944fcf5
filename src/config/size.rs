//! Amounts of bytes: a number, or text such as `64KiB`, `512MiB`, `2GiB`.

use super::diagnostic::Diagnostics;
use super::node::{Node, Value};
use super::read::Read;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Read for Bytes {
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Self> {
        let bytes = match node.value() {
            Value::Number(number) => number.to_i64().and_then(|bytes| u64::try_from(bytes).ok()),
            Value::Text(text) => parse(text),
            _ => None,
        };
        if bytes.is_none() {
            found.refuse(node, "is not an amount of bytes", "such as 65536, \"64KiB\" or \"2GiB\"");
        }
        bytes.map(Bytes)
    }
}

pub(super) fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit: u64 = match unit.trim_start_matches(' ') {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// For messages: the largest unit that divides it.
pub fn shown(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, expected) in [
            ("1", Some(1)),
            ("64KiB", Some(65_536)),
            ("2 GiB", Some(2_147_483_648)),
            ("5B", Some(5)),
            ("", None),
            ("KiB", None),
            ("1kb", None),
            ("-1", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!([shown(65_536), shown(5), shown(0)], ["64KiB", "5", "0"]);
    }
}

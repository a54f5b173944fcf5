//! Percent-decoding and -encoding with Go's rules (`net/url`), which KrakenD's URLs follow.

/// A `%` that is not followed by two hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEscape {
    /// Where the `%` stands in the text.
    pub at: usize,
}

impl BadEscape {
    /// The bytes that Go's message shows: the `%` and at most two more of the same text.
    pub fn shown<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let rest = text.get(self.at..).unwrap_or_default();
        rest.get(..3).unwrap_or(rest)
    }
}

/// What `+` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// Itself, in paths.
    Plus,
    /// A space, in queries.
    Space,
}

/// Appends the decoded text (Go's `PathUnescape`, `QueryUnescape`). After an error, what was
/// appended is cut off again.
pub fn decode(text: &[u8], plus: Plus, out: &mut Vec<u8>) -> Result<(), BadEscape> {
    let before = out.len();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        match rest {
            [] => break,
            [b'%', high, low, ..] => match hex(*high).zip(hex(*low)) {
                Some((high, low)) => {
                    out.push(high << 4 | low);
                    at += 3;
                }
                None => {
                    out.truncate(before);
                    return Err(BadEscape { at });
                }
            },
            [b'%', ..] => {
                out.truncate(before);
                return Err(BadEscape { at });
            }
            [b'+', ..] if plus == Plus::Space => {
                out.push(b' ');
                at += 1;
            }
            [byte, ..] => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    Ok(())
}

/// Whether each `%` is followed by two hex digits.
pub fn check(text: &[u8]) -> Result<(), BadEscape> {
    for at in memchr::memchr_iter(b'%', text) {
        let valid = matches!(text.get(at + 1..), Some([high, low, ..])
            if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
        if !valid {
            return Err(BadEscape { at });
        }
    }
    Ok(())
}

/// Appends `%XX` with upper-case digits.
#[inline]
pub fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&escaped(byte));
}

pub(super) fn escaped(byte: u8) -> [u8; 3] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

pub(super) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Bytes that stand for themselves everywhere in a URI (RFC 3986 section 2.3).
pub(super) const fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_and_its_errors() {
        for (text, plus, expected) in [
            ("a%20b", Plus::Plus, Ok("a b")),
            ("a+b", Plus::Plus, Ok("a+b")),
            ("a+b%2B", Plus::Space, Ok("a b+")),
            ("%e9", Plus::Plus, Err("")),
            ("%", Plus::Plus, Err("%")),
            ("a%2", Plus::Plus, Err("%2")),
            ("a%zz%20", Plus::Plus, Err("%zz")),
            ("%20%", Plus::Space, Err("%")),
        ] {
            let mut out = b"old".to_vec();
            match (decode(text.as_bytes(), plus, &mut out), expected) {
                (Ok(()), Ok(expected)) => assert_eq!(out, [b"old", expected.as_bytes()].concat()),
                (Ok(()), Err("")) => assert_eq!(out, b"old\xe9"),
                (Err(error), Err(shown)) => {
                    assert_eq!(error.shown(text.as_bytes()), shown.as_bytes(), "{text}");
                    assert_eq!(out, b"old", "{text}");
                    assert_eq!(check(text.as_bytes()), Err(error), "{text}");
                }
                (found, _) => assert_eq!(found, Ok(()), "{text}"),
            }
        }
    }
}

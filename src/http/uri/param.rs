//! Checks on the value of a path parameter before it goes anywhere (docs/reference/lura-core.md 2.5,
//! and dot segments, which every profile refuses).

use super::percent::{self, BadEscape, hex};

/// Why a value is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamError {
    /// Decoding it once more fails.
    Escape(BadEscape),
    /// It is encoded twice, or holds `?` or `#`.
    Encoded,
    /// It holds a dot segment, plain or encoded once more.
    DotSegment,
    /// It holds a NUL.
    Nul,
}

impl ParamError {
    /// Appends the body of the answer; `value` is the value that was checked.
    pub fn push_body(&self, value: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"error: ");
        match self {
            ParamError::Escape(escape) => {
                out.extend_from_slice(b"invalid URL escape ");
                push_quoted(escape.shown(value), out);
            }
            ParamError::Encoded => out.extend_from_slice(b"encoded url params"),
            ParamError::DotSegment => out.extend_from_slice(b"dot segments in url params"),
            ParamError::Nul => out.extend_from_slice(b"NUL in url params"),
        }
    }
}

/// Checks a value that was decoded once.
pub fn check(value: &[u8]) -> Result<(), ParamError> {
    percent::check(value).map_err(ParamError::Escape)?;
    // Sound escapes that are there at all always decode to something else.
    if value.iter().any(|byte| matches!(byte, b'%' | b'?' | b'#')) {
        return Err(if has_dot_segment(value) {
            ParamError::DotSegment
        } else {
            ParamError::Encoded
        });
    }
    if value.contains(&0) {
        return Err(ParamError::Nul);
    }
    if has_dot_segment(value) { Err(ParamError::DotSegment) } else { Ok(()) }
}

/// Whether a decoded value holds `.` or `..` between its ends and separators, as it is or when
/// somebody decodes it once more. `\` separates for some servers, and some cut a segment at `;`
/// before they look at it.
pub fn has_dot_segment(value: &[u8]) -> bool {
    if !value.contains(&b'.') && !value.contains(&b'%') {
        return false;
    }
    scan(value.iter().copied()) || scan(Lenient { rest: value })
}

fn scan(bytes: impl Iterator<Item = u8>) -> bool {
    // Dots since the last separator; `None` once another byte was seen.
    let mut dots = Some(0u32);
    let mut found = false;
    for byte in bytes {
        match byte {
            b'/' | b'\\' => {
                found |= matches!(dots, Some(1 | 2));
                dots = Some(0);
            }
            b'.' => dots = dots.map(|n| n.saturating_add(1)),
            b';' => {
                found |= matches!(dots, Some(1 | 2));
                dots = None;
            }
            _ => dots = None,
        }
    }
    found || matches!(dots, Some(1 | 2))
}

/// Decodes what can be decoded and passes on the rest.
struct Lenient<'a> {
    rest: &'a [u8],
}

impl Iterator for Lenient<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = match self.rest {
            [b'%', high, low, rest @ ..] => match hex(*high).zip(hex(*low)) {
                Some((high, low)) => (high << 4 | low, rest),
                None => (b'%', self.rest.get(1..)?),
            },
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        self.rest = rest;
        Some(byte)
    }
}

/// Appends text as Go's `strconv.Quote`, for the at most three bytes of a bad escape.
fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' | '\\' => out.extend_from_slice(&[b'\\', letter as u8]),
                '\x07' => out.extend_from_slice(b"\\a"),
                '\x08' => out.extend_from_slice(b"\\b"),
                '\x0c' => out.extend_from_slice(b"\\f"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\x0b' => out.extend_from_slice(b"\\v"),
                '\0'..='\x1f' | '\x7f' => push_hex(b"\\x", letter as u8, out),
                '\u{80}'..='\u{a0}' | '\u{ad}' => push_hex(b"\\u00", letter as u8, out),
                _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        chunk.invalid().iter().for_each(|byte| push_hex(b"\\x", *byte, out));
    }
    out.push(b'"');
}

fn push_hex(prefix: &[u8], byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    out.extend(percent::escaped(byte).iter().skip(1).map(u8::to_ascii_lowercase));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (value, expected) in [
            ("1", ""),
            ("hello world", ""),
            ("a+b", ""),
            ("a.b", ""),
            ("...", ""),
            ("..a", ""),
            ("", ""),
            ("a;b=c", ""),
            // The first four are recorded from KrakenD.
            ("100%", "error: invalid URL escape \"%\""),
            ("x?y", "error: encoded url params"),
            ("x#y", "error: encoded url params"),
            ("a%20b", "error: encoded url params"),
            ("%zz", "error: invalid URL escape \"%zz\""),
            ("%a\"b", "error: invalid URL escape \"%a\\\"\""),
            ("%\n1", "error: invalid URL escape \"%\\n1\""),
            ("%g\\", "error: invalid URL escape \"%g\\\\\""),
            ("%\u{e9}", "error: invalid URL escape \"%\u{e9}\""),
            ("%\u{a0}", "error: invalid URL escape \"%\\u00a0\""),
            ("..", "error: dot segments in url params"),
            ("%2e%2e", "error: dot segments in url params"),
            ("a\0", "error: NUL in url params"),
        ] {
            let mut body = Vec::new();
            if let Err(error) = check(value.as_bytes()) {
                error.push_body(value.as_bytes(), &mut body);
            }
            assert_eq!(String::from_utf8_lossy(&body), expected, "{value:?}");
        }
        let mut body = Vec::new();
        let error = check(b"%\xff1").expect_err("no escape");
        error.push_body(b"%\xff1", &mut body);
        assert_eq!(body, b"error: invalid URL escape \"%\\xff1\"");
    }

    #[test]
    fn dot_segments() {
        for (value, expected) in [
            ("", false),
            (".", true),
            ("..", true),
            ("...", false),
            ("a..b", false),
            ("a/../b", true),
            ("a/.", true),
            ("./a", true),
            ("a\\..\\b", true),
            ("..;x", true),
            ("..;", true),
            ("a;..", false),
            ("a..;", false),
            ("%2e", true),
            ("%2E%2e", true),
            (".%2e", true),
            ("%2e%2e%2fa", true),
            ("a%5c..%5cb", true),
            ("a%2f..", true),
            ("%", false),
            ("%2", false),
            ("%2ea", false),
            ("1.5", false),
        ] {
            assert_eq!(has_dot_segment(value.as_bytes()), expected, "{value}");
        }
    }
}

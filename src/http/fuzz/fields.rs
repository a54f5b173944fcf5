//! Fields: what `Connection` may take away, what text may be written, and quoting.

use super::seen;
use crate::http::h1::{HeadLimits, Progress, RequestHead, encode, parse_request};
use crate::http::{HeaderId, hop, quote};

/// Field lines of a request: what stays behind is what a naive reading of `Connection` says, and
/// never what frames, routes or authorises (docs/reference/hardening.md A14, C4).
pub fn fuzz_hop(input: &[u8]) -> u64 {
    let text = [b"GET / HTTP/1.1\r\nHost: a\r\n", input, b"\r\n\r\n"].concat();
    let mut head = RequestHead::default();
    if parse_request(&text, &HeadLimits::DEFAULT, &mut head) != Ok(Progress::Done) {
        return 0;
    }
    let fields = &head.fields;
    let nominated: Vec<String> = fields
        .values(HeaderId::Connection, &text)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|option| String::from_utf8_lossy(option).trim_matches([' ', '\t']).to_lowercase())
        .collect();
    let stripped = hop::Stripped::of(fields, &text);
    let mut kept = Vec::new();
    for field in fields {
        let name = String::from_utf8_lossy(field.name(&text)).to_lowercase();
        let expected = ALWAYS.contains(&&*name)
            || nominated.contains(&name)
                && !NEVER.contains(&&*name)
                && !name.starts_with("x-forwarded-");
        assert_eq!(stripped.contains(field, fields, &text), expected, "{name}");
        if !expected {
            kept.push(field.id);
        }
    }
    kept.dedup();
    seen((kept, nominated.len().min(3)))
}

const ALWAYS: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const NEVER: [&str; 10] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "set-cookie",
    "x-real-ip",
    "transfer-encoding",
];

/// A name and a value (after the first line feed) that a template or a token supplied: written as
/// one line that reads back the same, or not at all (docs/reference/hardening.md C9).
pub fn fuzz_field(input: &[u8]) -> u64 {
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (name, value) = (&input[..at], input.get(at + 1..).unwrap_or_default());
    let mut out = b"GET / HTTP/1.0\r\n".to_vec();
    let before = out.len();
    let written = encode::checked_field(&mut out, name, value);
    assert_eq!(written, encode::is_name(name) && encode::is_value(value));
    if !written {
        assert_eq!(out.len(), before);
        return seen((encode::is_name(name), encode::is_value(value)));
    }
    encode::end_of_head(&mut out);
    let limits = HeadLimits { bytes: usize::MAX, line: u16::MAX as usize, ..HeadLimits::DEFAULT };
    let mut head = RequestHead::default();
    // It may still say something about framing that no request may say; it is never two lines.
    if parse_request(&out, &limits, &mut head) == Ok(Progress::Done) {
        assert_eq!(head.fields.len(), 1);
        let field = &head.fields.as_slice()[0];
        assert_eq!((field.name(&out), field.value(&out)), (name, value));
    }
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 3);
    seen((HeaderId::of(name), value.is_empty()))
}

/// Quoted text holds nothing that a terminal or a log reader would obey, and loses nothing.
pub fn fuzz_quote(input: &[u8]) -> u64 {
    let mut out = Vec::new();
    quote::quote(input, &mut out);
    let text = std::str::from_utf8(&out).expect("quoted text is UTF-8");
    assert!(text.chars().all(|letter| !letter.is_control()), "{text}");
    assert_eq!(unquoted(text), input, "{text}");
    let kinds = ["\\x", "\\u", "\\U", "\\n", "\\\"", "\\\\"];
    seen(kinds.map(|kind| text.contains(kind)))
}

/// Reads Go's quoting back, letter by letter.
fn unquoted(text: &str) -> Vec<u8> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let mut letters = inner.expect("quotes around").chars();
    let mut out = Vec::new();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            assert_ne!(letter, '"');
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let kind = letters.next().expect("a letter behind a backslash");
        let mut number = |digits: usize| {
            let text: String = letters.by_ref().take(digits).collect();
            u32::from_str_radix(&text, 16).expect("hex digits")
        };
        match kind {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' | '"' => out.push(kind as u8),
            'x' => out.push(u8::try_from(number(2)).expect("two digits")),
            'u' | 'U' => {
                let code = number(if kind == 'u' { 4 } else { 8 });
                let letter = char::from_u32(code).expect("a letter");
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => panic!("an escape {other:?}"),
        }
    }
    out
}

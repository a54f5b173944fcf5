//! The answer to a path that only nearly matches: `Location` and body as gin and Go's
//! `http.Redirect` write them, always a path below our own root. Pure.
//! Sources: docs/reference/lura-core.md 2.4, docs/reference/hardening.md C5 and C12.

use super::clean::clean_rooted;
use super::params::Params;

/// What is wrong with the path that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// A slash too many or too few at its end.
    Slash,
    /// Case, doubled slashes or dot segments.
    Path,
}

/// Content type of a redirect to GET and HEAD; others carry none.
pub const REDIRECT_CONTENT_TYPE: &str = "text/html; charset=utf-8";

impl Params {
    /// Appends the `Location` of the redirect that the last lookup asked for. `asked` is the decoded
    /// path, `prefix` the first `X-Forwarded-Prefix` (gin honours it for slashes only), `query` the
    /// text after `?` as it was sent. Begins with exactly one slash; holds no control character.
    pub fn location(
        &self,
        mend: Mend,
        asked: &[u8],
        prefix: Option<&[u8]>,
        query: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let mut target = Vec::with_capacity(asked.len() + 16);
        match mend {
            Mend::Path => escape_path(&self.fixed, &mut target),
            Mend::Slash => {
                let mut path = Vec::with_capacity(asked.len() + 16);
                forwarded_prefix(prefix.unwrap_or_default(), &mut path);
                path.extend_from_slice(asked);
                if path.len() > 1 && path.ends_with(b"/") {
                    path.pop();
                } else {
                    path.push(b'/');
                }
                escape_path(&path, &mut target);
            }
        }
        let from = out.len();
        clean_rooted(&target, out);
        if target.ends_with(b"/") && out.len() > from + 1 {
            out.push(b'/');
        }
        if let Some(query) = query {
            out.push(b'?');
            for byte in query {
                if byte.is_ascii_graphic() {
                    out.push(*byte);
                } else {
                    percent(*byte, b"0123456789abcdef", out);
                }
            }
        }
    }
}

/// Appends the body of a redirect: Go's anchor, for 301 answers to GET. HEAD gets the content type
/// without a body, every other method neither.
pub fn redirect_body(location: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"<a href=\"");
    for byte in location {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            _ => out.push(*byte),
        }
    }
    out.extend_from_slice(b"\">Moved Permanently</a>.\n\n");
}

/// Letters, digits, `/` and `-` of the field's value, cleaned, with a slash behind.
fn forwarded_prefix(value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    let mut cleaned = Vec::with_capacity(value.len());
    clean_rooted(value, &mut cleaned);
    let kept = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-');
    out.extend(cleaned.into_iter().filter(kept));
    out.push(b'/');
}

/// Go's `url.URL.EscapedPath` of a decoded path.
fn escape_path(path: &[u8], out: &mut Vec<u8>) {
    for byte in path {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(*byte),
            b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@' => out.push(*byte),
            _ => percent(*byte, b"0123456789ABCDEF", out),
        }
    }
}

fn percent(byte: u8, digits: &[u8; 16], out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 0xf)]]);
}

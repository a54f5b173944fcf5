//! The chunked coding (RFC 9112 section 7.1), line by line.

use super::lines::{fields, line};
use super::{Content, Why, is_token};

/// The content at the start of a text.
pub fn content(text: &[u8]) -> Result<Content, Why> {
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let (head, after) = line(rest)?;
        let size = size(head)?;
        if size == 0 {
            let (trailers, after) = fields(after)?;
            return Ok(Content { bytes, trailers, len: text.len() - after.len() });
        }
        let Some((data, after)) =
            usize::try_from(size).ok().and_then(|n| after.split_at_checked(n))
        else {
            return Err(Why::More);
        };
        bytes.extend_from_slice(data);
        rest = match after {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Err(Why::More),
            _ => return Err(Why::Ambiguous("bytes after a chunk")),
        };
    }
}

fn size(line: &[u8]) -> Result<u64, Why> {
    let n_digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at(n_digits);
    if n_digits == 0 || n_digits > 16 {
        return Err(Why::Ambiguous("chunk size"));
    }
    let text = std::str::from_utf8(digits).map_err(|_| Why::Ambiguous("chunk size"))?;
    if !are_extensions(extensions) {
        return Err(Why::Ambiguous("chunk extension"));
    }
    u64::from_str_radix(text, 16).map_err(|_| Why::Ambiguous("chunk size"))
}

/// `*( ";" name [ "=" value ] )` without blanks.
fn are_extensions(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let Some(after) = text.strip_prefix(b";") else { return false };
        let end = after.iter().position(|byte| matches!(byte, b';' | b'=')).unwrap_or(after.len());
        if !is_token(&after[..end]) {
            return false;
        }
        text = &after[end..];
        let Some(value) = text.strip_prefix(b"=") else { continue };
        let end = match value.first() {
            Some(b'"') => match quoted_len(value) {
                Some(len) => len,
                None => return false,
            },
            _ => {
                let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
                if !is_token(&value[..end]) {
                    return false;
                }
                end
            }
        };
        text = &value[end..];
    }
    true
}

/// Length of a quoted string with its quotes.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if is_text(*text.get(at + 1)?) => at += 2,
            byte if *byte != b'\\' && is_text(*byte) => at += 1,
            _ => return None,
        }
    }
}

fn is_text(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

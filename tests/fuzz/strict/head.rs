//! Heads: start lines, and which framing the fields announce (RFC 9112 sections 3, 4 and 6).

use super::lines::{fields, line};
use super::{Field, Framing, Message, Start, Why, is_token};

/// A request head. Up to two empty lines may come before it.
pub fn request(text: &[u8]) -> Result<Message, Why> {
    let mut rest = text;
    for _ in 0..2 {
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    }
    let (first, after) = line(rest)?;
    let parts: Vec<&[u8]> = first.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else {
        return Err(Why::Malformed("not three parts"));
    };
    if !is_token(method) {
        return Err(Why::Malformed("method"));
    }
    // Bytes of UTF-8 are no URI either, but no two readers see them differently.
    if target.is_empty() || target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err(Why::Ambiguous("target"));
    }
    let minor = minor(version)?;
    let (fields, after) = fields(after)?;
    let framing = match announced(&fields, minor, false)? {
        (true, _) => Framing::Chunked,
        (false, Some(len)) => Framing::Length(len),
        (false, None) => Framing::None,
    };
    match (values(&fields, "host").len(), minor) {
        (0, 1) => return Err(Why::Malformed("no Host")),
        (0 | 1, _) => {}
        _ => return Err(Why::Ambiguous("several Hosts")),
    }
    let start = Start::Request { method: method.to_vec(), target: target.to_vec(), minor };
    Ok(Message { start, fields, framing, head_len: text.len() - after.len() })
}

/// A response head. What was asked decides whether content follows (RFC 9112 section 6.3).
pub fn response(text: &[u8], asked: &str) -> Result<Message, Why> {
    let (first, after) = line(text)?;
    let Some((version, rest)) = first.split_at_checked(8) else {
        return Err(Why::Malformed("status line"));
    };
    let minor = minor(version)?;
    let Some((code, reason)) = rest.strip_prefix(b" ").and_then(|rest| rest.split_at_checked(3))
    else {
        return Err(Why::Malformed("status code"));
    };
    let digits = code.iter().all(u8::is_ascii_digit) && code[0] != b'0';
    let status = std::str::from_utf8(code).ok().and_then(|code| code.parse().ok());
    let Some(status) = status.filter(|_| digits) else {
        return Err(Why::Malformed("status code"));
    };
    // `HTTP/1.1 200` without the space that should follow is common and clear.
    let is_text = |byte: &u8| *byte >= b' ' && *byte != 0x7f || *byte == b'\t';
    if !(reason.is_empty() || reason[0] == b' ') || !reason.iter().all(is_text) {
        return Err(Why::Malformed("reason"));
    }
    let (fields, after) = fields(after)?;
    let announced = announced(&fields, minor, true)?;
    let framing = match (asked, status) {
        ("HEAD", _) | (_, 100..=199 | 204 | 304) | ("CONNECT", 200..=299) => Framing::None,
        _ => match announced {
            (true, _) => Framing::Chunked,
            (false, Some(len)) => Framing::Length(len),
            (false, None) => Framing::UntilClose,
        },
    };
    let start = Start::Response { status, minor };
    Ok(Message { start, fields, framing, head_len: text.len() - after.len() })
}

fn minor(version: &[u8]) -> Result<u8, Why> {
    match version {
        b"HTTP/1.0" => Ok(0),
        b"HTTP/1.1" => Ok(1),
        _ => Err(Why::Malformed("version")),
    }
}

/// Whether it is chunked, and what Content-Length says; anything unclear about either is an error.
fn announced(fields: &[Field], minor: u8, may_repeat: bool) -> Result<(bool, Option<u64>), Why> {
    let codings = values(fields, "transfer-encoding");
    let chunked = match codings[..] {
        [] => false,
        [coding] if coding.eq_ignore_ascii_case(b"chunked") && minor == 1 => true,
        _ => return Err(Why::Ambiguous("Transfer-Encoding")),
    };
    let mut lengths = values(fields, "content-length");
    if may_repeat {
        lengths.dedup_by(|one, other| number(one).is_some() && number(one) == number(other));
    }
    let length = match lengths[..] {
        [] => None,
        [length] => Some(number(length).ok_or(Why::Ambiguous("Content-Length"))?),
        _ => return Err(Why::Ambiguous("several Content-Length")),
    };
    if chunked && length.is_some() {
        return Err(Why::Ambiguous("both framings"));
    }
    Ok((chunked, length))
}

/// Digits, few enough that every reader's numbers hold them.
fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = !text.is_empty() && text.len() < 20 && text.chars().all(|c| c.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn values<'a>(fields: &'a [Field], name: &str) -> Vec<&'a [u8]> {
    let named = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| value.as_slice()).collect()
}

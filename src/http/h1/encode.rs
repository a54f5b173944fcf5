//! Writes heads and chunk framing, appending to a buffer. Messages are always written from parsed
//! parts: no framing byte of a peer is ever copied.

use crate::http::tokens::{is_token, is_value_byte};
use crate::http::{HeaderId, Version};

/// Appends `method SP target SP HTTP/1.1 CRLF`. The caller vouches for method and target: the
/// parsed ones, or what the plan and `uri::path` made.
#[inline]
pub fn request_line(out: &mut Vec<u8>, method: &[u8], target: &[u8]) {
    debug_assert!(is_token(method) && target.iter().all(|byte| *byte > b' '));
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Appends `HTTP/1.1 SP status SP reason CRLF`; the reason is the standard one, or empty.
#[inline]
pub fn status_line(out: &mut Vec<u8>, version: Version, status: u16) {
    if (version, status) == (Version::H11, 200) {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(version.as_str().as_bytes());
    out.push(b' ');
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends `name: value CRLF`. The caller vouches for both: fields that were parsed, or checked by
/// `is_value` when the plan was made. For text made at run time use `checked_field`.
#[inline]
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(is_token(name) && is_value(value));
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a field under the canonical name of its id; nothing for `Other`.
#[inline]
pub fn known_field(out: &mut Vec<u8>, id: HeaderId, value: &[u8]) {
    if id != HeaderId::Other {
        field(out, id.name().as_bytes(), value);
    }
}

/// Appends a field whose text came from a claim, a script or a template. `false`, with nothing
/// written, where the name is no token, the value could end the line, or the field would frame the
/// message a second time (docs/reference/hardening.md A1, C9).
#[must_use]
pub fn checked_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> bool {
    let frames = matches!(
        HeaderId::of(name),
        HeaderId::ContentLength | HeaderId::TransferEncoding | HeaderId::Connection
    );
    let valid = !frames && is_token(name) && is_value(value);
    if valid {
        field(out, name, value);
    }
    valid
}

/// Appends `Content-Length: len CRLF`.
#[inline]
pub fn content_length(out: &mut Vec<u8>, len: u64) {
    out.extend_from_slice(b"Content-Length: ");
    decimal(out, len);
    out.extend_from_slice(b"\r\n");
}

/// Appends `Transfer-Encoding: chunked CRLF`.
#[inline]
pub fn transfer_encoding_chunked(out: &mut Vec<u8>) {
    out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
}

/// Appends `Date: … CRLF`; the text comes from `date::DateCache`.
#[inline]
pub fn date(out: &mut Vec<u8>, text: &[u8; crate::http::date::DATE_LEN]) {
    out.extend_from_slice(b"Date: ");
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// Appends the empty line after the last field.
#[inline]
pub fn end_of_head(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends the size line of a chunk. Write `len` bytes and `chunk_end` after it. Nothing is written
/// for 0, which would end the message: that is `last_chunk`.
#[inline]
pub fn chunk_head(out: &mut Vec<u8>, len: usize) {
    if len == 0 {
        return;
    }
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let n_digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    out.extend((0..n_digits).rev().map(|at| DIGITS[(len >> (4 * at)) & 15]));
    out.extend_from_slice(b"\r\n");
}

/// Appends the CRLF after a chunk's bytes.
#[inline]
pub fn chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends one whole chunk; nothing where `data` is empty.
#[inline]
pub fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    if !data.is_empty() {
        chunk_head(out, data.len());
        out.extend_from_slice(data);
        chunk_end(out);
    }
}

/// Appends the last chunk of a message without trailers.
#[inline]
pub fn last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Appends the last chunk's line; trailer fields and `end_of_head` follow.
#[inline]
pub fn last_chunk_before_trailers(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
}

/// `100 Continue`, whole.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Whether a field value may be written: no CR, LF, NUL or other control byte but tab, and no space
/// or tab at its ends, which a parser would not give back.
pub fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| is_value_byte(*byte))
        && !matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

/// Whether a field name may be written.
pub fn is_name(name: &[u8]) -> bool {
    is_token(name)
}

/// Appends a number in decimal.
#[inline]
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The reason phrase of a status as in Go's `http.StatusText`; empty for one that has none.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::date::DateCache;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_response_head() {
        let head = written(|out| {
            status_line(out, Version::H11, 200);
            known_field(out, HeaderId::Etag, b"\"a\"");
            known_field(out, HeaderId::Other, b"nothing");
            field(out, b"X-Own", b"");
            date(out, DateCache::new().at(784_111_777));
            content_length(out, 18_446_744_073_709_551_615);
            end_of_head(out);
        });
        let expected = "HTTP/1.1 200 OK\r\nEtag: \"a\"\r\nX-Own: \r\nDate: Sun, 06 Nov 1994 08:49:37 \
                        GMT\r\nContent-Length: 18446744073709551615\r\n\r\n";
        assert_eq!(head, expected);
        assert_eq!(written(|out| status_line(out, Version::H10, 599)), "HTTP/1.0 599 \r\n");
    }

    #[test]
    fn a_request_head() {
        let head = written(|out| {
            request_line(out, b"POST", b"/a?b");
            transfer_encoding_chunked(out);
            end_of_head(out);
        });
        assert_eq!(head, "POST /a?b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    }

    #[test]
    fn chunks() {
        for (len, expected) in [
            (0, ""),
            (1, "1\r\n"),
            (15, "f\r\n"),
            (16, "10\r\n"),
            (255, "ff\r\n"),
            (256, "100\r\n"),
            (65_536, "10000\r\n"),
            (usize::MAX, &*format!("{:x}\r\n", usize::MAX)),
        ] {
            assert_eq!(written(|out| chunk_head(out, len)), expected, "{len}");
        }
        let body = written(|out| {
            chunk(out, b"hello");
            chunk(out, b"");
            last_chunk_before_trailers(out);
            field(out, b"Grpc-Status", b"0");
            end_of_head(out);
        });
        assert_eq!(body, "5\r\nhello\r\n0\r\nGrpc-Status: 0\r\n\r\n");
    }

    #[test]
    fn made_values_cannot_end_their_line() {
        for (name, value, expected) in [
            ("X", "y", true),
            ("X", "", true),
            ("X", "a\tb", true),
            ("X", "caf\u{e9}", true),
            ("X", "a\r\nY: b", false),
            ("X", "a\nb", false),
            ("X", "a\rb", false),
            ("X", "a\0b", false),
            ("X", "a\x7f", false),
            ("X", " a", false),
            ("X", "a ", false),
            ("", "y", false),
            ("X Y", "y", false),
            ("X:", "y", false),
            ("X\r\n", "y", false),
        ] {
            let mut out = Vec::new();
            assert_eq!(
                checked_field(&mut out, name.as_bytes(), value.as_bytes()),
                expected,
                "{value:?}"
            );
            assert_eq!(out.is_empty(), !expected);
        }
        assert!(is_name(b"X-Y") && !is_name(b"X Y"));
    }

    #[test]
    fn reasons_are_plain_text() {
        let n_known = (0..=1000).filter(|status| !reason(*status).is_empty()).count();
        assert_eq!(n_known, 62);
        assert!((0..=1000).all(|status| is_value(reason(status).as_bytes())));
    }
}

//! Request line and status line (RFC 9112 sections 3 and 4): single spaces, no leniency.

use memchr::memchr;

use super::error::HeadError;
use super::lines::Line;
use crate::http::tokens::{is_token, is_token_byte, is_value_byte};
use crate::http::uri::target::{Target, TargetError};
use crate::http::{Method, Span, Version};

pub(super) struct RequestLine {
    pub method: Method,
    pub target: Target,
    pub version: Version,
}

/// Reads `method SP request-target SP HTTP-version`.
pub(super) fn request_line(
    buf: &[u8],
    line: Line,
    target_max: usize,
) -> Result<RequestLine, HeadError> {
    let text = buf.get(line.from..line.to).unwrap_or_default();
    let method_len = memchr(b' ', text).ok_or(HeadError::RequestLine)?;
    let (name, rest) = text.split_at(method_len);
    let rest = rest.get(1..).unwrap_or_default();
    let target_len = memchr(b' ', rest).ok_or(HeadError::RequestLine)?;
    let (raw, version) = rest.split_at(target_len);
    let version = request_version(version.get(1..).unwrap_or_default())?;
    let method = match Method::known(name) {
        Some(method) => method,
        None if is_token(name) && name.len() <= METHOD_MAX => {
            Method::Other(Span::new(line.from, name.len()).ok_or(HeadError::RequestLine)?)
        }
        None => return Err(HeadError::RequestLine),
    };
    if raw.len() > target_max {
        return Err(HeadError::TargetTooLong);
    }
    let span = Span::new(line.from + method_len + 1, raw.len()).ok_or(HeadError::TargetTooLong)?;
    let target = Target::parse(&method, span, buf).map_err(|TargetError| HeadError::Target)?;
    Ok(RequestLine { method, target, version })
}

/// The longest registered method has 17 bytes (UPDATEREDIRECTREF).
const METHOD_MAX: usize = 32;

fn request_version(text: &[u8]) -> Result<Version, HeadError> {
    match text {
        b"HTTP/1.1" => Ok(Version::H11),
        b"HTTP/1.0" => Ok(Version::H10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(HeadError::Version)
        }
        _ => Err(HeadError::RequestLine),
    }
}

/// Whether these first bytes of an unfinished request line may still become one. TLS hellos and
/// binary end here instead of waiting for a line end that never comes.
pub(super) fn may_become_request(partial: &[u8]) -> bool {
    if let [b'G', b'E', b'T', b' ', ..] | [b'P', b'O', b'S', b'T', b' ', ..] = partial {
        return true;
    }
    let name = partial.get(..METHOD_MAX + 1).unwrap_or(partial);
    let Some(space) = memchr(b' ', name) else {
        return name.len() <= METHOD_MAX && name.iter().all(|byte| is_token_byte(*byte));
    };
    space > 0 && name.iter().take(space).all(|byte| is_token_byte(*byte))
}

pub(super) struct StatusLine {
    pub version: Version,
    pub status: u16,
    pub reason: Span,
}

/// Reads `HTTP-version SP 3DIGIT [SP reason]`. Without the last space is common enough to accept.
/// Codes under 100 are refused; those over 599 are passed on, as Go does.
pub(super) fn status_line(buf: &[u8], line: Line) -> Result<StatusLine, HeadError> {
    let text = buf.get(line.from..line.to).unwrap_or_default();
    let (version, rest) = match text {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', rest @ ..] => (Version::H11, rest),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0', b' ', rest @ ..] => (Version::H10, rest),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b' ', ..]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(HeadError::Version);
        }
        _ => return Err(HeadError::StatusLine),
    };
    let (code, reason) = match rest {
        [a, b, c] => ([*a, *b, *c], [].as_slice()),
        [a, b, c, b' ', reason @ ..] => ([*a, *b, *c], reason),
        _ => return Err(HeadError::StatusLine),
    };
    if !code.iter().all(u8::is_ascii_digit) || code[0] == b'0' {
        return Err(HeadError::StatusLine);
    }
    if !reason.iter().all(|byte| is_value_byte(*byte)) {
        return Err(HeadError::StatusLine);
    }
    let status = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let reason = Span::new(line.to - reason.len(), reason.len()).ok_or(HeadError::StatusLine)?;
    Ok(StatusLine { version, status, reason })
}

/// Whether these first bytes of an unfinished status line may still become one.
pub(super) fn may_become_response(partial: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/";
    let known = partial.len().min(START.len());
    partial.get(..known) == START.get(..known)
}

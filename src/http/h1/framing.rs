//! Where a message ends, and what its connection is good for afterwards (RFC 9112 sections 6 and 9;
//! docs/reference/hardening.md A1, A2, A4, A5, A15). Whatever two readers could frame differently
//! is refused; nothing is repaired.

use super::error::HeadError;
use super::fields::Fields;
use super::head::Upgrade;
use crate::http::tokens::{is_token, list};
use crate::http::{HeaderId, Method, Version};

/// How the content of a message is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyKind {
    /// No content, and none announced.
    #[default]
    None,
    /// Exactly this many bytes; 0 where `Content-Length: 0` was said.
    Length(u64),
    /// Chunked coding, see `Decoder`.
    Chunked,
    /// Until the connection ends; responses only.
    UntilClose,
}

impl BodyKind {
    /// Whether no byte of content follows the head.
    pub fn is_empty(self) -> bool {
        matches!(self, BodyKind::None | BodyKind::Length(0))
    }
}

/// The fields that frame a message and steer its connection, as found in one pass.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub content_length: Option<u64>,
    pub chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade_nominated: bool,
    upgrade: Upgrade,
}

/// What a client may repeat of Content-Length, and what a backend may.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    Refused,
    /// Several lines with the same number count as one (RFC 9110 section 8.6), as Go reads them.
    Equal,
}

/// Reads the framing of a request. A request never lasts until the connection ends.
pub(super) fn request(
    version: Version,
    fields: &Fields,
    buf: &[u8],
) -> Result<(Found, BodyKind), HeadError> {
    let found = find(version, fields, buf, Repeated::Refused)?;
    let body = match found.content_length {
        _ if found.chunked => BodyKind::Chunked,
        Some(len) => BodyKind::Length(len),
        None => BodyKind::None,
    };
    if found.upgrade(version) != Upgrade::None && !body.is_empty() {
        return Err(HeadError::UpgradeWithBody);
    }
    Ok((found, body))
}

/// Reads the framing of a response to a request with this method (RFC 9112 section 6.3).
pub(super) fn response(
    version: Version,
    status: u16,
    request_method: Method,
    fields: &Fields,
    buf: &[u8],
) -> Result<(Found, BodyKind), HeadError> {
    let found = find(version, fields, buf, Repeated::Equal)?;
    let never = request_method == Method::Head
        || matches!(status, 100..=199 | 204 | 304)
        || request_method == Method::Connect && matches!(status, 200..=299);
    let body = match found.content_length {
        _ if never => BodyKind::None,
        _ if found.chunked => BodyKind::Chunked,
        Some(len) => BodyKind::Length(len),
        None => BodyKind::UntilClose,
    };
    Ok((found, body))
}

impl Found {
    /// Whether another message may follow on the connection (RFC 9112 section 9.3).
    pub fn keep_alive(&self, version: Version) -> bool {
        !self.close && (version == Version::H11 || self.keep_alive)
    }

    /// An upgrade counts only in HTTP/1.1 and when `Connection` names it (RFC 9110 section 7.8).
    pub fn upgrade(&self, version: Version) -> Upgrade {
        if self.upgrade_nominated && version == Version::H11 { self.upgrade } else { Upgrade::None }
    }
}

fn find(
    version: Version,
    fields: &Fields,
    buf: &[u8],
    repeated: Repeated,
) -> Result<Found, HeadError> {
    let mut found = Found::default();
    for field in fields {
        match field.id {
            HeaderId::ContentLength => {
                let len = content_length(field.value(buf))?;
                let before = found.content_length.replace(len);
                if before.is_some_and(|before| repeated == Repeated::Refused || before != len) {
                    return Err(HeadError::ContentLength);
                }
            }
            HeaderId::TransferEncoding => {
                if found.chunked || version == Version::H10 {
                    return Err(HeadError::TransferEncoding);
                }
                found.chunked = transfer_encoding(field.value(buf))?;
            }
            HeaderId::Connection => found.connection(field.value(buf)),
            HeaderId::Upgrade => found.upgrade = upgrade(found.upgrade, field.value(buf)),
            _ => {}
        }
    }
    if found.chunked && found.content_length.is_some() {
        return Err(HeadError::BothFramings);
    }
    Ok(found)
}

impl Found {
    fn connection(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade_nominated |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

/// Digits only. 19 of them always fit, and no message is longer.
fn content_length(value: &[u8]) -> Result<u64, HeadError> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::ContentLength);
    }
    Ok(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Only `chunked`, alone: a list, a parameter or a stray byte hides smuggling more often than a use.
fn transfer_encoding(value: &[u8]) -> Result<bool, HeadError> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(true);
    }
    // One honest coding that we do not have is told from garbage (RFC 9112 section 6.1: 501).
    Err(if is_token(value) { HeadError::TransferCoding } else { HeadError::TransferEncoding })
}

/// The strongest of what is offered; `h2c` is never taken and never forwarded.
fn upgrade(before: Upgrade, value: &[u8]) -> Upgrade {
    list(value).fold(before, |found, protocol| match protocol {
        _ if protocol.eq_ignore_ascii_case(b"websocket") => Upgrade::WebSocket,
        _ if found == Upgrade::None => Upgrade::Other,
        _ => found,
    })
}

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

#[cfg(test)]
mod tests {
    use super::super::head::{
        HeadLimits, Progress, RequestHead, ResponseHead, parse_request, parse_response,
    };
    use super::*;

    fn request_head(text: &str) -> RequestHead {
        let mut head = RequestHead::default();
        let progress = parse_request(text.as_bytes(), &HeadLimits::DEFAULT, &mut head);
        assert_eq!(progress, Ok(Progress::Done), "{text}");
        head
    }

    fn response_head(method: Method, text: &str) -> ResponseHead {
        let mut head = ResponseHead::default();
        let progress = parse_response(text.as_bytes(), &HeadLimits::DEFAULT, method, &mut head);
        assert_eq!(progress, Ok(Progress::Done), "{text}");
        head
    }

    #[test]
    fn request_bodies() {
        for (lines, expected) in [
            ("", BodyKind::None),
            ("Content-Length: 0\r\n", BodyKind::Length(0)),
            ("content-length:  7 \r\n", BodyKind::Length(7)),
            (
                "Content-Length: 9999999999999999999\r\n",
                BodyKind::Length(9_999_999_999_999_999_999),
            ),
            ("Transfer-Encoding: chunked\r\n", BodyKind::Chunked),
            ("TRANSFER-ENCODING: Chunked\r\n", BodyKind::Chunked),
        ] {
            for method in ["GET", "POST", "OPTIONS", "BREW"] {
                let text = format!("{method} / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
                assert_eq!(request_head(&text).body, expected, "{text}");
            }
        }
    }

    #[test]
    fn connections_of_requests() {
        for (version, lines, expected) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: keep-alive, Close\r\n", false),
            ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
            ("1.1", "Connection: closed\r\n", true),
            ("1.1", "Connection: \"close\"\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: x ,keep-alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
            ("1.0", "Keep-Alive: timeout=5\r\n", false),
        ] {
            let text = format!("GET / HTTP/{version}\r\nHost: x\r\n{lines}\r\n");
            assert_eq!(request_head(&text).keep_alive, expected, "{text}");
        }
    }

    #[test]
    fn upgrades_and_expectations() {
        for (version, lines, expected) in [
            ("1.1", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n", Upgrade::WebSocket),
            ("1.1", "Connection: upgrade\r\nUpgrade: h2c, websocket\r\n", Upgrade::WebSocket),
            ("1.1", "Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", Upgrade::Other),
            ("1.1", "Connection: upgrade\r\n", Upgrade::None),
            ("1.1", "Upgrade: websocket\r\n", Upgrade::None),
            ("1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", Upgrade::None),
            ("1.1", "Upgrade: h2c\r\nContent-Length: 5\r\n", Upgrade::None),
        ] {
            let text = format!("GET / HTTP/{version}\r\nHost: x\r\n{lines}\r\n");
            assert_eq!(request_head(&text).upgrade, expected, "{text}");
        }
        for (version, lines, expected) in [
            ("1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n", true),
            ("1.1", "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", true),
            ("1.1", "Expect: 100-continue\r\n", false),
            ("1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", false),
            ("1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n", false),
            ("1.1", "Content-Length: 5\r\n", false),
        ] {
            let text = format!("POST / HTTP/{version}\r\nHost: x\r\n{lines}\r\n");
            assert_eq!(request_head(&text).expect_continue, expected, "{text}");
        }
    }

    #[test]
    fn response_bodies_and_connections() {
        let (get, head, connect) = (Method::Get, Method::Head, Method::Connect);
        for (method, text, body, keep_alive) in [
            (get, "1.1 200 OK\r\nContent-Length: 2", BodyKind::Length(2), true),
            (
                get,
                "1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2",
                BodyKind::Length(2),
                true,
            ),
            (get, "1.1 200\r\nContent-Length: 0", BodyKind::Length(0), true),
            (get, "1.1 200 \r\nTransfer-Encoding: chunked", BodyKind::Chunked, true),
            (get, "1.1 200 OK\r\nX: y", BodyKind::UntilClose, false),
            (
                get,
                "1.1 200 OK\r\nConnection: close\r\nContent-Length: 2",
                BodyKind::Length(2),
                false,
            ),
            (get, "1.0 200 OK\r\nContent-Length: 2", BodyKind::Length(2), false),
            (
                get,
                "1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2",
                BodyKind::Length(2),
                true,
            ),
            (get, "1.0 200 OK\r\nConnection: keep-alive", BodyKind::UntilClose, false),
            (get, "1.1 204 No Content\r\nX: y", BodyKind::None, true),
            (get, "1.1 204 No Content\r\nContent-Length: 0", BodyKind::None, true),
            (get, "1.1 204 No Content\r\nContent-Length: 5", BodyKind::None, false),
            (get, "1.1 204 No Content\r\nTransfer-Encoding: chunked", BodyKind::None, false),
            (get, "1.1 304 Not Modified\r\nContent-Length: 5", BodyKind::None, true),
            (get, "1.1 103 Early Hints\r\nLink: </a>", BodyKind::None, true),
            (get, "1.1 999 Odd\r\nContent-Length: 1", BodyKind::Length(1), true),
            (head, "1.1 200 OK\r\nContent-Length: 5", BodyKind::None, true),
            (head, "1.1 200 OK\r\nTransfer-Encoding: chunked", BodyKind::None, true),
            (head, "1.1 200 OK\r\nX: y", BodyKind::None, true),
            (connect, "1.1 200 OK\r\nX: y", BodyKind::None, true),
            (connect, "1.1 403 No\r\nContent-Length: 1", BodyKind::Length(1), true),
        ] {
            let text = format!("HTTP/{text}\r\n\r\n");
            let found = response_head(method, &text);
            assert_eq!((found.body, found.keep_alive), (body, keep_alive), "{text}");
            assert_eq!(found.len, text.len());
        }
        let text = "HTTP/1.1 200 All fine\r\nContent-Length: 5\r\n\r\n";
        let found = response_head(head, text);
        assert_eq!((found.status, found.content_length), (200, Some(5)));
        assert_eq!(found.reason.of(text.as_bytes()), b"All fine");
        let text = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(response_head(get, text).upgrade, Upgrade::WebSocket);
    }
}

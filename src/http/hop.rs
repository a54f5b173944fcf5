//! Fields that belong to one connection and are not forwarded (RFC 9110 section 7.6.1).
//! Stripped in every profile, unlike KrakenD's `*` and `no-op`; what a peer may nominate in
//! `Connection` is bounded (docs/reference/hardening.md A14).

use super::h1::{Field, Fields};
use super::tokens::list;
use super::{HeaderId, HeaderSet};

/// Removed from every message whether nominated or not. The framing is written anew.
pub const HOP_BY_HOP: HeaderSet = HeaderSet::of(&[
    HeaderId::Connection,
    HeaderId::Http2Settings,
    HeaderId::KeepAlive,
    HeaderId::ProxyAuthenticate,
    HeaderId::ProxyAuthorization,
    HeaderId::ProxyConnection,
    HeaderId::Te,
    HeaderId::Trailer,
    HeaderId::TransferEncoding,
    HeaderId::Upgrade,
]);

/// Never removed because a peer says so: framing, routing, credentials, where a request came from,
/// and what the content is. `X-Forwarded-*` without an id is protected by its prefix.
const PROTECTED: HeaderSet = HeaderSet::of(&[
    HeaderId::Authorization,
    HeaderId::ContentEncoding,
    HeaderId::ContentLength,
    HeaderId::ContentType,
    HeaderId::Cookie,
    HeaderId::Forwarded,
    HeaderId::Host,
    HeaderId::SetCookie,
    HeaderId::TransferEncoding,
    HeaderId::XForwardedFor,
    HeaderId::XForwardedHost,
    HeaderId::XForwardedPort,
    HeaderId::XForwardedPrefix,
    HeaderId::XForwardedProto,
    HeaderId::XForwardedVia,
    HeaderId::XRealIp,
]);

/// What is stripped from one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripped {
    known: HeaderSet,
    /// `Connection` names something without an id.
    named: bool,
}

impl Stripped {
    /// Reads the nominations of a message's `Connection` fields.
    pub fn of(fields: &Fields, buf: &[u8]) -> Stripped {
        let mut stripped = Stripped { known: HOP_BY_HOP, named: false };
        if !fields.ids().contains(HeaderId::Connection) {
            return stripped;
        }
        for option in fields.values(HeaderId::Connection, buf).flat_map(list) {
            match HeaderId::of(option) {
                // The frequent option that names no field.
                HeaderId::Other if option.eq_ignore_ascii_case(b"close") => {}
                HeaderId::Other => stripped.named = true,
                id if PROTECTED.contains(id) => {}
                id => stripped.known.insert(id),
            }
        }
        stripped
    }

    /// Whether this field of the same message stays behind.
    #[inline]
    pub fn contains(&self, field: &Field, fields: &Fields, buf: &[u8]) -> bool {
        match field.id {
            HeaderId::Other => self.named && is_nominated(field.name(buf), fields, buf),
            id => self.known.contains(id),
        }
    }

    /// The ids that stay behind.
    pub fn known(&self) -> HeaderSet {
        self.known
    }
}

/// Rare enough to read `Connection` again instead of keeping a list.
fn is_nominated(name: &[u8], fields: &Fields, buf: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    let protected =
        name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    !protected
        && fields
            .values(HeaderId::Connection, buf)
            .flat_map(list)
            .any(|option| option.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::h1::{HeadLimits, Progress, RequestHead, parse_request};

    /// The names that are forwarded.
    fn forwarded(lines: &str) -> Vec<String> {
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
        let buf = text.as_bytes();
        let mut head = RequestHead::default();
        assert_eq!(
            parse_request(buf, &HeadLimits::DEFAULT, &mut head),
            Ok(Progress::Done),
            "{lines}"
        );
        let stripped = Stripped::of(&head.fields, buf);
        let kept = head.fields.iter().filter(|field| !stripped.contains(field, &head.fields, buf));
        kept.map(|field| String::from_utf8_lossy(field.name(buf)).into_owned()).collect()
    }

    #[test]
    fn hop_by_hop_fields_stay_behind() {
        let lines = "Connection: x\r\nKeep-Alive: 1\r\nProxy-Connection: y\r\nTE: trailers\r\n\
                     Trailer: a\r\nUpgrade: h2c\r\nHTTP2-Settings: b\r\nProxy-Authorization: c\r\n\
                     Proxy-Authenticate: d\r\nTransfer-Encoding: chunked\r\nAccept: */*\r\nX-A: b\r\n";
        assert_eq!(forwarded(lines), ["Host", "Accept", "X-A"]);
    }

    #[test]
    fn nominated_fields_stay_behind() {
        let lines = "Connection: close, x-one\r\nConnection: ACCEPT ,, X-Two\r\nAccept: a\r\n\
                     X-One: b\r\nX-TWO: c\r\nX-Three: d\r\n";
        assert_eq!(forwarded(lines), ["Host", "X-Three"]);
    }

    /// hardening.md A14.
    #[test]
    fn some_fields_cannot_be_nominated() {
        let lines = "Connection: Transfer-Encoding, Content-Length, Host, Authorization, \
                     X-Forwarded-For, X-Forwarded-Own, Forwarded, Cookie, Content-Type, X-Real-IP\r\n\
                     Content-Length: 1\r\nAuthorization: a\r\nX-Forwarded-For: b\r\n\
                     X-Forwarded-Own: c\r\nForwarded: d\r\nCookie: e\r\nContent-Type: f\r\nX-Real-Ip: g\r\n";
        let kept = [
            "Host",
            "Content-Length",
            "Authorization",
            "X-Forwarded-For",
            "X-Forwarded-Own",
            "Forwarded",
            "Cookie",
            "Content-Type",
            "X-Real-Ip",
        ];
        assert_eq!(forwarded(lines), kept);
    }
}

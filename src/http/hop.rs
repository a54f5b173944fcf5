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
        for option in fields.values(HeaderId::Connection, buf).flat_map(list) {
            match HeaderId::of(option) {
                // `close` and `keep-alive` are options, not names; the latter is both.
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

//! Which address is the client's: `trusted_proxies`, `remote_ip_headers`, `forwarded_by_client_ip`.
//! Source: docs/reference/lura-core.md 2.1, 2.6; docs/reference/hardening.md C5.

use std::net::IpAddr;

use crate::http::{HeaderId, HeaderSet};

/// An address block, such as `10.0.0.0/8`; a bare address is its own block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: u128,
    mask: u128,
    is_v6: bool,
}

impl Cidr {
    /// Reads `10.0.0.0/8`, `::1/128` or a bare address.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => {
                if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                (address, Some(length.parse::<u32>().ok()?))
            }
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv6() { 128 } else { 32 };
        let length = length.unwrap_or(width);
        (length <= width).then(|| Cidr::new(address, length as u8))
    }

    /// A block from its parts; bits behind the prefix are ignored, a prefix over the width is cut.
    pub fn new(address: IpAddr, prefix: u8) -> Cidr {
        let (bits, is_v6) = bits(address);
        let width = if is_v6 { 128 } else { 32 };
        let length = u32::from(prefix).min(width);
        let mask = if length == 0 { 0 } else { u128::MAX << (width - length) };
        let mask = if is_v6 { mask } else { mask & u128::from(u32::MAX) };
        Cidr { base: bits & mask, mask, is_v6 }
    }

    /// Whether an address lies in the block. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, is_v6) = bits(address);
        is_v6 == self.is_v6 && bits & self.mask == self.base
    }
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), false),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => (u128::from(u32::from(v4)), false),
            None => (u128::from(v6), true),
        },
    }
}

/// Whether a field says where a request came from: `Forwarded`, `X-Real-Ip`, `X-Forwarded-…`.
pub fn is_forwarding(id: HeaderId, name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    let starts = || name.get(..PREFIX.len()).is_some_and(|s| s.eq_ignore_ascii_case(PREFIX));
    matches!(id, HeaderId::Forwarded | HeaderId::XRealIp) || starts()
}

/// The compiled rule.
#[derive(Clone, Debug)]
pub struct ClientIp {
    /// `forwarded_by_client_ip`: whether forwarding fields are looked at.
    pub by_forwarding_fields: bool,
    /// Peers whose forwarding fields are believed.
    pub trusted: Vec<Cidr>,
    /// The fields, in the order tried, lower case, with their ids.
    pub fields: Vec<(HeaderId, String)>,
    ids: HeaderSet,
    /// Profile `safe`: what others say about where a request came from ends here, so that no
    /// backend believes it either (`Forwarded`, `X-Real-Ip`, `X-Forwarded-…`).
    pub hides_untrusted: bool,
}

impl ClientIp {
    /// A rule from its parts; `fields` in any case.
    pub fn new(by_forwarding_fields: bool, trusted: Vec<Cidr>, fields: &[String]) -> ClientIp {
        let fields: Vec<_> = fields
            .iter()
            .map(|name| (HeaderId::of(name.as_bytes()), name.to_ascii_lowercase()))
            .collect();
        let mut ids = HeaderSet::EMPTY;
        fields.iter().for_each(|(id, _)| ids.insert(*id));
        ClientIp { by_forwarding_fields, trusted, fields, ids, hides_untrusted: false }
    }

    /// With `hides_untrusted`.
    #[must_use]
    pub fn hiding(self, hides_untrusted: bool) -> ClientIp {
        ClientIp { hides_untrusted, ..self }
    }

    /// Whether one of the fields may be among those with these ids. The usual request has none.
    pub fn may_be_in(&self, ids: HeaderSet) -> bool {
        self.ids.intersects(ids)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|block| block.contains(address))
    }

    /// Whether the peer's word counts (`None`: unix socket).
    pub fn trusts_peer(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|peer| self.trusts(peer))
    }

    /// Whether the fields need to be looked at for a request from `peer` (`None`: unix socket).
    pub fn reads_fields(&self, peer: Option<IpAddr>) -> bool {
        self.by_forwarding_fields && self.trusts_peer(peer)
    }

    /// The client's address in one forwarding field, all its values joined with `,`: walked from
    /// the right, the first entry that is not a trusted proxy, or the leftmost one. An entry that
    /// is no address makes the field worthless.
    pub fn in_field(&self, joined: &str) -> Option<IpAddr> {
        if joined.is_empty() {
            return None;
        }
        let mut last = None;
        for item in joined.rsplit(',') {
            let address: IpAddr = item.trim().parse().ok()?;
            last = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        for (block, address, inside) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("2001:db8::/32", "2001:db8::1", true),
        ] {
            let cidr = Cidr::parse(block).expect(block);
            assert_eq!(cidr.contains(address.parse().expect(address)), inside, "{block} {address}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "a", "1.2.3.4/", "1.2.3.4/-1", "::/129"] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn walks_from_the_right() {
        let rule = |trusted: &[&str]| {
            let trusted = trusted.iter().filter_map(|t| Cidr::parse(t)).collect();
            ClientIp::new(true, trusted, &["X-Forwarded-For".into()])
        };
        let everyone = rule(&["0.0.0.0/0", "::/0"]);
        let some = rule(&["10.0.0.0/8"]);
        for (case, rule, field, expected) in [
            ("everyone trusted: leftmost", &everyone, "1.2.3.4, 5.6.7.8", Some("1.2.3.4")),
            ("junk anywhere", &everyone, "junk, 5.6.7.8", None),
            ("first untrusted", &some, "1.2.3.4, 5.6.7.8, 10.0.0.1", Some("5.6.7.8")),
            ("junk left of the answer is not reached", &some, "junk, 5.6.7.8", Some("5.6.7.8")),
            ("empty", &everyone, "", None),
            ("IPv6", &everyone, "2001:db8::1", Some("2001:db8::1")),
        ] {
            let expected = expected.map(|e| e.parse::<IpAddr>().expect(e));
            assert_eq!(rule.in_field(field), expected, "{case}");
        }
        assert!(some.reads_fields("10.0.0.9".parse().ok()));
        assert!(!some.reads_fields("9.0.0.9".parse().ok()));
        assert!(some.reads_fields(None), "a unix socket's peer is trusted");
    }
}

//! Authorities: `host[:port]` without userinfo (RFC 3986 section 3.2, RFC 9110 section 7.2).
//! Narrower than the RFC: no percent-encoding, no sub-delims (`a,b`), no empty port.

use std::net::Ipv6Addr;

use memchr::memrchr;

use super::percent::is_unreserved;
use super::target::Scheme;

/// Whether the text is `name`, `name:port`, `[v6]` or `[v6]:port` with a port of 1–65535.
pub fn is_authority(text: &[u8]) -> bool {
    let (host, port) = split_port(text);
    is_host(host) && port.is_none_or(|port| port_number(port).is_some())
}

/// Splits at the colon before the port; colons inside brackets do not count.
pub fn split_port(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(colon) = memrchr(b':', text) else { return (text, None) };
    if text.get(colon..).is_some_and(|tail| tail.contains(&b']')) {
        return (text, None);
    }
    let (host, port) = text.split_at(colon);
    (host, port.get(1..))
}

/// A port of 1–65535 in at most five digits.
pub fn port_number(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 5 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    u16::try_from(number).ok().filter(|port| *port != 0)
}

/// The port that may be left out.
pub fn default_port(scheme: Option<Scheme>) -> u16 {
    match scheme {
        Some(Scheme::Https) => 443,
        Some(Scheme::Http) | None => 80,
    }
}

/// Whether two valid authorities mean the same, whatever their case and a written default port.
pub fn same_authority(one: &[u8], other: &[u8], default_port: u16) -> bool {
    let ((host, port), (other_host, other_port)) = (split_port(one), split_port(other));
    let number = |port: Option<&[u8]>| port.map_or(Some(default_port), port_number);
    host.eq_ignore_ascii_case(other_host) && number(port) == number(other_port)
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [b'[', address @ .., b']'] => {
            std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
        }
        [] => false,
        _ => host.len() <= HOST_MAX && host.iter().all(|byte| NAME[usize::from(*byte)]),
    }
}

/// A DNS name has at most 253 bytes and a final dot.
const HOST_MAX: usize = 255;

/// Letters, digits, `-`, `.`, `~`, and `_`, which container names use.
const NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_unreserved(byte as u8);
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        for (text, expected) in [
            ("a", true),
            ("a.example.", true),
            ("A-1_b.example:8080", true),
            ("127.0.0.1:1", true),
            ("[::1]", true),
            ("[::1]:65535", true),
            ("", false),
            (":80", false),
            ("a:", false),
            ("a:0", false),
            ("a:99999", false),
            ("a:65536", false),
            ("a:000080", false),
            ("a:+80", false),
            ("a@b", false),
            ("a,b", false),
            ("a b", false),
            ("a/b", false),
            ("a:b:80", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]x", false),
            ("[::g]", false),
            ("[]", false),
            ("[fe80::1%25eth0]", false),
            ("caf\u{e9}", false),
            ("a%2eb", false),
        ] {
            assert_eq!(is_authority(text.as_bytes()), expected, "{text}");
        }
        assert!(!is_authority(&[b'a'; 256]));
    }

    #[test]
    fn equal_authorities() {
        for (one, other, expected) in [
            ("a", "A", true),
            ("a", "a:80", true),
            ("a:080", "a:80", true),
            ("a", "a:81", false),
            ("a", "b", false),
            ("[::1]", "[::1]:80", true),
        ] {
            assert_eq!(
                same_authority(one.as_bytes(), other.as_bytes(), 80),
                expected,
                "{one} {other}"
            );
        }
    }
}

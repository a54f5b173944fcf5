//! Entry points for fuzzing of what the plan decides about a client's bytes: whose address counts,
//! and what a value can do to the URL of a backend.

use std::net::{IpAddr, Ipv4Addr};

use super::{Cidr, ClientIp, UrlTemplate, Values};
use crate::config::url_template;
use crate::http::fuzz::{about, seen};
use crate::http::uri::{param, percent, query};

/// A forwarding field and, behind a line feed, a trusted block: the address is what a naive walk
/// from the right finds, whoever is trusted, and an untrusted peer is never believed
/// (docs/reference/hardening.md C5).
pub fn fuzz_client_ip(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let (field, block) = text.split_once('\n').unwrap_or((&text, "10.0.0.0/8"));
    let trusted: Vec<Cidr> = block.split(' ').filter_map(Cidr::parse).collect();
    let rule = ClientIp::new(true, trusted, &[]);
    let is_trusted = |address: IpAddr| rule.trusted.iter().any(|block| block.contains(address));
    let items: Vec<Option<IpAddr>> =
        field.split(',').map(|item| item.trim().parse().ok()).collect();
    // Everything right of the answer is trusted; the answer is not, or stands at the very left.
    let from = items.iter().rposition(|item| !item.is_some_and(is_trusted)).unwrap_or(0);
    let expected = if field.is_empty() { None } else { items[from] };
    assert_eq!(rule.in_field(field), expected, "{field:?} {block:?}");
    for block in &rule.trusted {
        let v4_in_v6 = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
        assert_eq!(block.contains(Ipv4Addr::LOCALHOST.into()), block.contains(v4_in_v6));
    }
    let stranger = IpAddr::from([203, 0, 113, 7]);
    assert_eq!(rule.reads_fields(Some(stranger)), is_trusted(stranger));
    let kind = expected.map(|address| (address.is_ipv6(), address.is_loopback()));
    seen((kind, items.len().min(4), from.min(3), about(rule.trusted.len())))
}

/// Values for the holes of a template: each stays in its place. The path keeps its segments, the
/// query its parameters, and no byte ends the request line (docs/reference/hardening.md C2).
pub fn fuzz_url(input: &[u8]) -> u64 {
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let given = Given { param: &input[..at], named: input.get(at + 1..).unwrap_or_default() };
    let names = ["id".to_owned()];
    let mut outcomes = Vec::new();
    for pattern in
        ["/a/{id}/b", "/{id}", "/x/{JWT.sub}/y?n={JWT.sub}&m={id}", "/p-{id}-[s]/{JWT.sub}"]
    {
        let parsed = url_template::UrlTemplate::parse(pattern, &names, &names);
        let template = UrlTemplate::new(&parsed.expect("the pattern is good"));
        let mut out = Vec::new();
        template.write(b"", &given, &mut out);
        assert!(out.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'), "{pattern}");
        let question = out.iter().position(|byte| *byte == b'?').unwrap_or(out.len());
        let (path, rest) = out.split_at(question);
        assert_eq!(question < out.len(), pattern.contains('?'), "{pattern}");
        let mut decoded = Vec::new();
        assert_eq!(percent::decode(path, percent::Plus::Plus, &mut decoded), Ok(()));
        // What the router's own check lets through as a parameter has no slash and no dots.
        let is_plain = param::check(given.param).is_ok() && !given.param.contains(&b'/');
        if is_plain && !given.param.is_empty() {
            let slashes = |text: &[u8]| text.iter().filter(|byte| **byte == b'/').count();
            let before_query = pattern.split('?').next().unwrap_or_default();
            assert_eq!(slashes(path), slashes(before_query.as_bytes()), "{pattern}");
            assert!(!path.split(|b| *b == b'/').any(param::has_dot_segment), "{pattern}");
        }
        if let Some(written) = rest.get(1..) {
            let values: Vec<Vec<u8>> = query::pairs(written)
                .map(|pair| {
                    let mut value = Vec::new();
                    pair.push_value(&mut value);
                    value
                })
                .collect();
            assert_eq!(values, [given.named, given.param], "{pattern}");
        }
        outcomes.push((is_plain, path.contains(&b'%'), path.windows(6).any(|w| w == b"%7B%7B")));
    }
    seen(outcomes)
}

struct Given<'a> {
    param: &'a [u8],
    named: &'a [u8],
}

impl Values for Given<'_> {
    fn param(&self, _: u16) -> &[u8] {
        self.param
    }

    fn named(&self, _: &str) -> Option<&[u8]> {
        Some(self.named)
    }
}

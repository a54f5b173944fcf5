//! Hosts of backends: KrakenD's cleaning and what is connected to in the end.
//! Source: docs/reference/lura-core.md 1.7, 3.3.

use super::diagnostic::Diagnostics;
use super::node::{Node, NodeId};
use std::net::Ipv6Addr;

/// How a backend is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

/// One host, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// As it goes in front of the path: `http://users.local:8000`, with a prefix when it was not
    /// to be cleaned (`http://users.local/v1`).
    pub text: String,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Name or address, IPv6 without brackets.
    pub name: String,
    /// Port, 80 or 443 when none is written.
    pub port: u16,
    /// What goes into the `Host` field: name and port as written, IPv6 in brackets.
    pub authority: String,
    /// Path in front of every `url_pattern`, as written; empty for cleaned hosts.
    pub prefix: String,
    /// The text in the file.
    pub at: NodeId,
}

impl Host {
    /// A host of the service, or of a backend without `disable_host_sanitize`: cleaned.
    pub fn cleaned(node: Node<'_>, found: &mut Diagnostics) -> Option<Host> {
        let text: String = node.read(found)?;
        let Some(cleaned) = clean(&text) else {
            found
                .error(node, format!("host {text} not valid: invalid host"))
                .allowed("scheme, name and port, such as \"http://users.local:8000\"")
                .help("a path, IPv6 or another scheme needs \"disable_host_sanitize\": true");
            return None;
        };
        Host::parsed(cleaned, node, found)
    }

    /// A host of a backend with `disable_host_sanitize`: taken as it is written.
    pub fn verbatim(node: Node<'_>, found: &mut Diagnostics) -> Option<Host> {
        let text: String = node.read(found)?;
        Host::parsed(text, node, found)
    }

    fn parsed(text: String, node: Node<'_>, found: &mut Diagnostics) -> Option<Host> {
        match parse(&text) {
            Ok(parts) => Some(Host {
                scheme: parts.scheme,
                name: parts.name.to_owned(),
                port: parts.port,
                authority: parts.authority.to_owned(),
                prefix: parts.prefix.to_owned(),
                at: node.id(),
                text,
            }),
            Err(why) => {
                found
                    .error(node, format!("host {text} not valid: {why}"))
                    .allowed("such as \"http://users.local:8000\"");
                None
            }
        }
    }
}

/// KrakenD's cleaning: there must be exactly one match of
/// `(https?://)?([a-zA-Z0-9._-]+)(:[0-9]{2,6})?/?` in the text; junk around it is dropped.
pub(super) fn clean(text: &str) -> Option<String> {
    let mut only = None;
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or("");
        match host_match(rest) {
            None => at += rest.chars().next().map_or(1, char::len_utf8),
            Some((cleaned, len)) => {
                if only.replace(cleaned).is_some() {
                    return None;
                }
                at += len;
            }
        }
    }
    only
}

/// The match at the very start of a text and its length.
fn host_match(text: &str) -> Option<(String, usize)> {
    let name_len = |text: &str| {
        text.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"._-".contains(b)).count()
    };
    let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme));
    // A scheme without a name behind it is a name itself, as a regular expression backtracks.
    let scheme = scheme.filter(|scheme| name_len(&text[scheme.len()..]) > 0);
    let from = scheme.map_or(0, str::len);
    let mut len = from + name_len(&text[from..]);
    if len == from {
        return None;
    }
    if let Some(port) = text[len..].strip_prefix(':') {
        let digits = port.bytes().take_while(u8::is_ascii_digit).take(6).count();
        if digits >= 2 {
            len += 1 + digits;
        }
    }
    let cleaned = format!("{}{}", scheme.unwrap_or("http://"), &text[from..len]);
    if text[len..].starts_with('/') {
        len += 1;
    }
    Some((cleaned, len))
}

/// No resolver knows a longer one, and no server takes it as `Host` (`uri::authority`).
const NAME_MAX: usize = 255;

pub(super) struct Parts<'a> {
    pub scheme: Scheme,
    pub authority: &'a str,
    pub name: &'a str,
    pub port: u16,
    pub prefix: &'a str,
}

pub(super) fn parse(text: &str) -> Result<Parts<'_>, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("no scheme")?;
    let scheme = match scheme {
        s if s.eq_ignore_ascii_case("http") => Scheme::Http,
        s if s.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => return Err("this version calls http and https alone"),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, prefix) = rest.split_at(end);
    if prefix.contains(['?', '#']) {
        return Err("a query or fragment does not belong to a host");
    }
    if !prefix.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the path holds a character that has to be escaped");
    }
    if authority.contains('@') {
        return Err("a user name or password in a host is not supported");
    }
    let (name, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']').ok_or("no ] behind the address")?;
            name.parse::<Ipv6Addr>().map_err(|_| "no IPv6 address between [ and ]")?;
            (name, port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or("no port")?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    if name.is_empty() {
        return Err("no name");
    }
    if name.len() > NAME_MAX {
        return Err("a name is at most 255 bytes long");
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-~:".contains(&b);
    if !name.bytes().all(plain) {
        return Err("a name has letters, digits, dots and hyphens (others in punycode)");
    }
    let port = match (port, scheme) {
        ("", Scheme::Http) => 80,
        ("", Scheme::Https) => 443,
        // More digits than a port has are taken by few, and our own codec is not among them.
        (digits, _) if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).ok_or("a port is 1 to 65535")?
        }
        (digits, _) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            return Err("a port is 1 to 65535");
        }
        _ => return Err("a port is a number"),
    };
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    Ok(Parts { scheme, authority, name, port, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning() {
        for (text, expected) in [
            ("supu", Some("http://supu")),
            ("127.0.0.1", Some("http://127.0.0.1")),
            ("https://supu.local/", Some("https://supu.local")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("supu_42.local:8080/", Some("http://supu_42.local:8080")),
            (" example.com ", Some("http://example.com")),
            ("!!example.com", Some("http://example.com")),
            ("http://", Some("http://http")),
            ("host/path", None),
            ("http://127.0.0.1:8081/echo", None),
            ("user:pass@host", None),
            ("http://[::1]:8080", None),
            ("host:8", None),
            ("host:1234567", None),
            ("ftp://x", None),
            ("amqp://x:5672", None),
            ("http://ahttp://b", None),
            ("", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(clean(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn parts() {
        for (text, expected) in [
            ("http://a", Ok(("a", "a", 80, ""))),
            ("HTTPS://a:8443/v1/", Ok(("a:8443", "a", 8443, "/v1/"))),
            ("http://[::1]:80", Ok(("[::1]:80", "::1", 80, ""))),
            ("https://[::1]", Ok(("[::1]", "::1", 443, ""))),
            ("http://a:", Ok(("a", "a", 80, ""))),
            ("a:80", Err("no scheme")),
            ("ws://a", Err("this version calls http and https alone")),
            ("http://u:p@a", Err("a user name or password in a host is not supported")),
            ("http://a:99999", Err("a port is 1 to 65535")),
            ("http://a:0", Err("a port is 1 to 65535")),
            ("http://a:008000", Err("a port is 1 to 65535")),
            ("http://a:x", Err("a port is a number")),
            ("http://", Err("no name")),
            ("http://:80", Err("no name")),
            (&format!("http://{}", "a".repeat(256)), Err("a name is at most 255 bytes long")),
            (
                "http://a b",
                Err("a name has letters, digits, dots and hyphens (others in punycode)"),
            ),
            ("http://a?x", Err("a query or fragment does not belong to a host")),
            ("http://a/\n", Err("the path holds a character that has to be escaped")),
            ("http://[::1", Err("no ] behind the address")),
            ("http://[::1]x", Err("no port")),
            ("http://[x]", Err("no IPv6 address between [ and ]")),
        ] {
            let got = parse(text).map(|p| (p.authority, p.name, p.port, p.prefix));
            assert_eq!(got, expected, "{text:?}");
        }
    }
}

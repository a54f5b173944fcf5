//! Where backends live: origins, deduplicated over the whole plan, so that 30,000 backends on ten
//! hosts share ten pools. Source: docs/reference/lura-core.md 1.7, 3.3; RFC 9110 section 4.3.1.

use std::collections::HashMap;
use std::sync::Arc;

/// Index of an origin in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OriginId(pub u32);

/// What makes two hosts the same origin. Pools carry over a reload by this.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginKey {
    /// `https` speaks TLS with the service's `client_tls`.
    pub is_tls: bool,
    /// Name or address, lower case, without brackets.
    pub host: Box<str>,
    /// TCP port.
    pub port: u16,
}

impl OriginKey {
    /// What stands in `Host`: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let default = if self.is_tls { 443 } else { 80 };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_string()
        };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// Reads `scheme://host[:port][/path]` as configured; also gives the path, which is put before
    /// the backend's own. The error says what is wrong.
    pub fn parse(url: &str) -> Result<(OriginKey, &str), &'static str> {
        let (is_tls, rest) = if let Some(rest) = url.strip_prefix("http://") {
            (false, rest)
        } else if let Some(rest) = url.strip_prefix("https://") {
            (true, rest)
        } else {
            return Err("has no http:// or https:// scheme");
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if path.contains(['?', '#']) {
            return Err("has a query or a fragment");
        }
        if authority.contains('@') {
            return Err("carries user information");
        }
        let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
            let (host, after) = inner.split_once(']').ok_or("has a bracket that is not closed")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| "is not an IPv6 address")?;
            (host, after.strip_prefix(':'))
        } else {
            match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            }
        };
        let is_name =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(is_name) {
            return Err("has no valid host name");
        }
        let port = match port {
            None | Some("") => {
                if is_tls {
                    443
                } else {
                    80
                }
            }
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => match text.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return Err("has a port outside 1 to 65535"),
            },
            Some(_) => return Err("has a port that is not a number"),
        };
        Ok((OriginKey { is_tls, host: host.to_ascii_lowercase().into(), port }, path))
    }
}

/// One origin of a plan.
#[derive(Clone, Debug)]
pub struct OriginSpec {
    /// Its identity.
    pub key: OriginKey,
    /// The bytes of the `Host` field.
    pub authority: Box<str>,
}

/// All origins of a plan, built while backends are compiled.
#[derive(Default, Debug)]
pub struct Origins {
    list: Vec<Arc<OriginSpec>>,
    by_key: HashMap<OriginKey, OriginId>,
}

impl Origins {
    /// The id of an origin, which is added when it is new.
    pub fn id(&mut self, key: OriginKey) -> OriginId {
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let id = OriginId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.by_key.insert(key.clone(), id);
        let authority = key.authority().into();
        self.list.push(Arc::new(OriginSpec { key, authority }));
        id
    }

    /// Them all, by id.
    pub fn into_list(self) -> Vec<Arc<OriginSpec>> {
        self.list
    }

    /// One of them.
    pub fn get(&self, id: OriginId) -> Option<&Arc<OriginSpec>> {
        self.list.get(id.0 as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, expected) in [
            ("http://a", Ok((false, "a", 80, ""))),
            ("https://a", Ok((true, "a", 443, ""))),
            ("http://A.example:8080/x", Ok((false, "a.example", 8080, "/x"))),
            ("http://[::1]:81", Ok((false, "::1", 81, ""))),
            ("127.0.0.1:80", Err("has no http:// or https:// scheme")),
            ("http://a:0", Err("has a port outside 1 to 65535")),
            ("http://a:x", Err("has a port that is not a number")),
            ("http://u@a", Err("carries user information")),
            ("http://", Err("has no valid host name")),
            ("http://a?x", Err("has a query or a fragment")),
        ] {
            let got = OriginKey::parse(text).map(|(k, path)| (k, path.to_owned()));
            let expected = expected.map(|(is_tls, host, port, path): (bool, &str, u16, &str)| {
                (OriginKey { is_tls, host: host.into(), port }, path.to_owned())
            });
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn the_same_origin_has_one_id() {
        let mut origins = Origins::default();
        let key = |port| OriginKey { is_tls: false, host: "a".into(), port };
        assert_eq!(origins.id(key(80)), origins.id(key(80)));
        assert_ne!(origins.id(key(80)), origins.id(key(81)));
        let list = origins.into_list();
        assert_eq!(list.iter().map(|o| &*o.authority).collect::<Vec<_>>(), ["a", "a:81"]);
    }
}

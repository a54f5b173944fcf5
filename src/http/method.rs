//! Request methods (RFC 9110 section 9). Names are case-sensitive: `get` is not `GET`.

use super::Span;

/// A method by id; what is not in the registry of RFC 9110 or RFC 5789 keeps its place in the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Connect,
    Trace,
    /// Any other token, as a span of the buffer that held the head.
    Other(Span),
}

impl Method {
    /// The registered method of this name.
    pub fn known(name: &[u8]) -> Option<Method> {
        Some(match name {
            b"GET" => Method::Get,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"HEAD" => Method::Head,
            b"PATCH" => Method::Patch,
            b"DELETE" => Method::Delete,
            b"OPTIONS" => Method::Options,
            b"CONNECT" => Method::Connect,
            b"TRACE" => Method::Trace,
            _ => return None,
        })
    }

    /// The name as on the wire; `buf` is the buffer that held the head.
    pub fn as_bytes<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        match self {
            Method::Get => b"GET",
            Method::Head => b"HEAD",
            Method::Post => b"POST",
            Method::Put => b"PUT",
            Method::Patch => b"PATCH",
            Method::Delete => b"DELETE",
            Method::Options => b"OPTIONS",
            Method::Connect => b"CONNECT",
            Method::Trace => b"TRACE",
            Method::Other(span) => span.of(buf),
        }
    }

    /// Safe to send twice as far as the method goes (RFC 9110 section 9.2.1).
    pub fn is_safe(&self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options | Method::Trace)
    }

    /// Whether a request without content still says `Content-Length: 0` (RFC 9110 section 8.6).
    pub fn expects_content(&self) -> bool {
        matches!(self, Method::Post | Method::Put | Method::Patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for name in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"]
        {
            let method = Method::known(name.as_bytes()).expect("registered");
            assert_eq!(method.as_bytes(b""), name.as_bytes());
        }
        assert_eq!(Method::known(b"get"), None);
        assert_eq!(Method::Other(Span { at: 0, len: 5 }).as_bytes(b"PURGE /"), b"PURGE");
    }
}

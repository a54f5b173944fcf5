//! The head of a request to a backend, written straight into an output block from what the plan
//! knows and what the client sent. The hot path of every call: no allocation, one pass over the
//! client's fields. Source: docs/reference/lura-core.md 2.6, 3.3, 3.7, 4.1.

use std::cell::RefCell;

use super::endpoint::{Backend, Host};
use super::forward::{Names, QueryFilter};
use super::url_template::Values;
use crate::http::h1::{RequestHead, encode};
use crate::http::uri::query::QueryEncoder;
use crate::http::{HeaderId, HeaderSet, canonical_name, hop};

/// What the request of the client contributes.
pub struct Incoming<'a> {
    /// Bytes that the head's spans refer to.
    pub bytes: &'a [u8],
    /// The client's head.
    pub head: &'a RequestHead,
    /// The query as sent, without `?`.
    pub query: &'a [u8],
    /// Memory for filtering it.
    pub encoder: &'a RefCell<QueryEncoder>,
    /// Values for the holes of the URL.
    pub values: &'a dyn Values,
    /// The client's address as text; empty when it is not known.
    pub client_ip: &'a str,
    /// `Host` of the client's request.
    pub host: &'a [u8],
    /// Fields that policies set, in place of the client's; an empty value removes one.
    pub edits: &'a [(String, Vec<u8>)],
}

/// Which content goes with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The client sent none.
    None,
    /// Some, of a length that only the client's `Content-Length` tells, which is announced where
    /// that field is forwarded; chunked otherwise, as Go does.
    Some(Option<u64>),
}

/// What the head that was written implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// We asked for gzip ourselves, so the answer is decoded before anyone sees it.
    pub asked_for_gzip: bool,
    /// The content goes chunked.
    pub is_chunked: bool,
    /// The client's `Expect: 100-continue` went along.
    pub expects_continue: bool,
}

/// The fixed fields of this build.
const USER_AGENT: &str = concat!("User-Agent: Ringway ", env!("CARGO_PKG_VERSION"), "\r\n");
const FORWARDED_VIA: &str = concat!("X-Forwarded-Via: Ringway ", env!("CARGO_PKG_VERSION"), "\r\n");

impl Backend {
    /// Appends the head for one call. `asks_for_gzip` is off with `disable_compression`;
    /// `keeps_alive` is off with `disable_keep_alives`.
    pub fn write_head(
        &self,
        host: &Host,
        incoming: &Incoming<'_>,
        content: Content,
        options: WireOptions,
        out: &mut Vec<u8>,
    ) -> Written {
        self.write_line(host, incoming, out);
        self.write_fields(incoming, content, options, out)
    }

    /// The request line and `Host`.
    fn write_line(&self, host: &Host, incoming: &Incoming<'_>, out: &mut Vec<u8>) {
        if let Some(fixed) = &host.fixed_line
            && (self.query == QueryFilter::None || incoming.query.is_empty())
        {
            out.extend_from_slice(fixed);
            return;
        }
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        self.write_target(host, incoming, out);
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(host.authority.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Path and query as they go on the wire.
    pub fn write_target(&self, host: &Host, incoming: &Incoming<'_>, out: &mut Vec<u8>) {
        self.url.write(&host.prefix, incoming.values, out);
        if self.query == QueryFilter::None || incoming.query.is_empty() {
            return;
        }
        let before = out.len();
        out.push(if self.url.has_query() { b'&' } else { b'?' });
        let start = out.len();
        let keep = |name: &[u8]| self.query.contains(name);
        if incoming.encoder.borrow_mut().encode(incoming.query, keep, out) == 0 {
            debug_assert_eq!(out.len(), start);
            out.truncate(before);
        }
    }

    /// Everything after `Host`, with the blank line.
    fn write_fields(
        &self,
        incoming: &Incoming<'_>,
        content: Content,
        options: WireOptions,
        out: &mut Vec<u8>,
    ) -> Written {
        let plain = Redirected { method: &self.method, referer: None, drops_credentials: false };
        self.write_redirected_fields(incoming, content, options, plain, out)
    }

    /// The same for a request that follows a redirect.
    pub fn write_redirected_fields(
        &self,
        incoming: &Incoming<'_>,
        content: Content,
        options: WireOptions,
        redirected: Redirected<'_>,
        out: &mut Vec<u8>,
    ) -> Written {
        let filter = &self.fields;
        let mut written =
            Written { asked_for_gzip: false, is_chunked: false, expects_continue: false };
        let mut has_user_agent = false;
        let mut may_ask_for_gzip = options.asks_for_gzip && redirected.method != "HEAD";
        let mut length = None;
        let tells_via = filter.forwarded_via
            && filter.client_user_agent
            && incoming.head.find(HeaderId::UserAgent, incoming.bytes).is_some();
        if !filter.client.is_empty() {
            let fields = &incoming.head.fields;
            let stripped = hop::Stripped::of(fields, incoming.bytes);
            for field in fields.iter() {
                let name = field.name(incoming.bytes);
                if !filter.client.contains(field.id, name) {
                    continue;
                }
                // First, so that what does not pass changes nothing of what we add below.
                if stripped.contains(field, fields, incoming.bytes)
                    || aliases_ours(name)
                    || replaced(incoming.edits, name)
                {
                    continue;
                }
                match field.id {
                    HeaderId::ContentLength => {
                        length = match content {
                            Content::Some(known) => known,
                            Content::None => None,
                        };
                        continue;
                    }
                    // Ours below, or the connection's own business.
                    HeaderId::Host | HeaderId::XForwardedFor | HeaderId::XForwardedHost => continue,
                    HeaderId::XForwardedVia if tells_via => continue,
                    HeaderId::Expect => {
                        if content == Content::None {
                            continue;
                        }
                        written.expects_continue = true;
                    }
                    HeaderId::AcceptEncoding | HeaderId::Range => may_ask_for_gzip = false,
                    HeaderId::UserAgent => has_user_agent = true,
                    // Go sets its own, and keeps credentials from other sites.
                    HeaderId::Referer if redirected.referer.is_some() => continue,
                    HeaderId::Authorization | HeaderId::Cookie | HeaderId::WwwAuthenticate
                        if redirected.drops_credentials =>
                    {
                        continue;
                    }
                    _ => {}
                }
                write_name(field.id, name, out);
                out.extend_from_slice(b": ");
                out.extend_from_slice(field.value(incoming.bytes));
                out.extend_from_slice(b"\r\n");
            }
        }
        for (name, value) in incoming.edits {
            if value.is_empty() || !filter.passes_edit(name) {
                continue;
            }
            match HeaderId::of(name.as_bytes()) {
                HeaderId::Host => continue,
                HeaderId::UserAgent => has_user_agent = true,
                HeaderId::AcceptEncoding | HeaderId::Range => may_ask_for_gzip = false,
                _ => {}
            }
            let _ = encode::checked_field(out, name.as_bytes(), value);
        }
        if let Some(referer) = redirected.referer {
            let _ = encode::checked_field(out, b"Referer", referer.as_bytes());
        }
        if !has_user_agent {
            out.extend_from_slice(USER_AGENT.as_bytes());
        }
        if tells_via {
            out.extend_from_slice(FORWARDED_VIA.as_bytes());
        }
        if filter.forwarded_for {
            out.extend_from_slice(b"X-Forwarded-For: ");
            out.extend_from_slice(incoming.client_ip.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if filter.forwarded_host {
            out.extend_from_slice(b"X-Forwarded-Host: ");
            out.extend_from_slice(incoming.host);
            out.extend_from_slice(b"\r\n");
        }
        if may_ask_for_gzip {
            out.extend_from_slice(b"Accept-Encoding: gzip\r\n");
            written.asked_for_gzip = true;
        }
        if !options.keeps_alive {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        match (content, length) {
            (Content::Some(_), Some(length)) => {
                encode::content_length(out, length);
            }
            (Content::Some(_), None) => {
                encode::transfer_encoding_chunked(out);
                written.is_chunked = true;
            }
            (Content::None, _) if matches!(redirected.method, "POST" | "PUT" | "PATCH") => {
                out.extend_from_slice(b"Content-Length: 0\r\n");
            }
            (Content::None, _) => {}
        }
        out.extend_from_slice(b"\r\n");
        written
    }
}

/// What following a redirect changes.
#[derive(Clone, Copy, Debug)]
pub struct Redirected<'a> {
    /// The method of this hop.
    pub method: &'a str,
    /// The URL that redirected here.
    pub referer: Option<&'a str>,
    /// The chain of redirects has left the first site.
    pub drops_credentials: bool,
}

/// What the transport wants of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireOptions {
    /// Not `disable_compression`.
    pub asks_for_gzip: bool,
    /// Not `disable_keep_alives`.
    pub keeps_alive: bool,
}

/// Go canonicalises names before it sends them; so do we.
fn write_name(id: HeaderId, name: &[u8], out: &mut Vec<u8>) {
    match id {
        HeaderId::Other => canonical_name(name, out),
        known => out.extend_from_slice(known.name().as_bytes()),
    }
}

/// Fields that we set, that end at the gateway, or that say where a request came from.
const SET: HeaderSet = hop::HOP_BY_HOP.union(HeaderSet::of(&[
    HeaderId::AcceptEncoding,
    HeaderId::ContentLength,
    HeaderId::Forwarded,
    HeaderId::Host,
    HeaderId::Referer,
    HeaderId::UserAgent,
    HeaderId::XForwardedFor,
    HeaderId::XForwardedHost,
    HeaderId::XForwardedPort,
    HeaderId::XForwardedPrefix,
    HeaderId::XForwardedProto,
    HeaderId::XForwardedVia,
    HeaderId::XRealIp,
]));

/// A name with `_` that some backends read as one of those fields (docs/reference/hardening.md C3).
fn aliases_ours(name: &[u8]) -> bool {
    HeaderId::aliased(name).is_some_and(|id| SET.contains(id))
}

/// Whether a policy set or removed this field; an alias of its name with `_` is the same field to
/// some backends, so it does not pass beside the policy's.
fn replaced(edits: &[(String, Vec<u8>)], name: &[u8]) -> bool {
    edits.iter().any(|(own, _)| is_same_field(own.as_bytes(), name))
}

fn is_same_field(one: &[u8], other: &[u8]) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| folded(*a) == folded(*b))
}

impl super::forward::FieldFilter {
    /// Fields that policies set reach the backend unless the backend's own list strips them.
    fn passes_edit(&self, name: &str) -> bool {
        !self.is_backend_list
            || match &self.client {
                Names::All => true,
                names => names.contains(HeaderId::of(name.as_bytes()), name.as_bytes()),
            }
    }
}

//! A request as the composition sees it: parsed, routed, allowed. Borrowed from the exchange for as
//! long as backends are called.

use std::cell::RefCell;
use std::net::IpAddr;

use crate::http::h1::RequestHead;
use crate::http::uri::query::QueryEncoder;
use crate::plan::policy::{Edits, Locals, RequestCx};
use crate::plan::router::Params;
use crate::plan::{Endpoint, Incoming, Values};
use crate::upstream::BodySource;

/// A request on its way to the backends.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Bytes that the head's spans refer to.
    pub bytes: &'a [u8],
    /// The parsed head.
    pub head: &'a RequestHead,
    /// The path, decoded once.
    pub path: &'a [u8],
    /// The query as sent.
    pub query: &'a [u8],
    /// The path parameters of the route.
    pub params: &'a Params,
    /// Memory for filtering the query.
    pub encoder: &'a RefCell<QueryEncoder>,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// The client's address as text.
    pub client_ip: &'a str,
    /// What policies changed.
    pub edits: &'a Edits,
}

impl<'a> Request<'a> {
    /// `Host` of the request.
    pub fn host(&self) -> &'a [u8] {
        self.head.host.map(|span| span.of(self.bytes)).unwrap_or_default()
    }

    /// What goes into the head of a call.
    pub fn incoming<'b>(&'b self, edits: &'b Edits, values: &'b dyn Values) -> Incoming<'b> {
        Incoming {
            bytes: self.bytes,
            head: self.head,
            query: self.query,
            encoder: self.encoder,
            values,
            client_ip: self.client_ip,
            host: self.host(),
            edits: &edits.to_backend,
        }
    }
}

/// What the policies of a stage see of a request. One place makes their context, whatever the stage.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Bytes that the head's spans refer to.
    pub bytes: &'a [u8],
    /// The parsed head.
    pub head: &'a RequestHead,
    /// The path, decoded once.
    pub path: &'a [u8],
    /// The query as far as the stage may see it.
    pub query: &'a [u8],
    /// The path parameters; none before routing.
    pub params: Option<&'a Params>,
    /// The content, where it is held.
    pub body: Option<&'a [u8]>,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// The endpoint, once it is known.
    pub endpoint: Option<&'a Endpoint>,
    /// The place of the backend in its endpoint, for the stages around a call.
    pub backend: Option<u16>,
}

impl Seen<'_> {
    /// Lends a context for the length of one step.
    pub fn lend(
        &self,
        edits: &mut Edits,
        locals: &RefCell<Locals>,
        step: &mut dyn FnMut(&mut RequestCx<'_>),
    ) {
        let Seen { bytes, head, path, query, params, body, peer, endpoint, backend } = *self;
        step(&mut RequestCx {
            bytes,
            head,
            path,
            query,
            params: &|at| {
                let params = params?;
                let name = match endpoint {
                    Some(endpoint) => &**endpoint.params.get(at)?,
                    None => "",
                };
                (at < params.spans().len()).then(|| (name, params.value(at, path)))
            },
            body,
            peer,
            route: endpoint.map_or("", |endpoint| &endpoint.path),
            backend,
            edits,
            locals: &mut locals.borrow_mut(),
        });
    }
}

/// Values for the holes of a URL: the route's parameters, then what policies gave.
pub struct RequestValues<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// What policies gave.
    pub edits: &'a Edits,
}

impl Values for RequestValues<'_> {
    fn param(&self, at: u16) -> &[u8] {
        self.request.params.value(usize::from(at), self.request.path)
    }

    fn named(&self, name: &str) -> Option<&[u8]> {
        let found = self.edits.params.iter().rev().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_slice())
    }
}

/// The content of the client's request.
pub enum RequestBody<'a> {
    /// None.
    Empty,
    /// All of it, collected.
    Held(&'a [u8]),
    /// Still with the client; for one backend.
    Streamed {
        /// Where it comes from.
        source: &'a mut dyn BodySource,
        /// `Content-Length`, where the client gave one.
        length: Option<u64>,
    },
}

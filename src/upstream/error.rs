//! Why one backend call gave no usable response: small, `Copy`, with whose fault it is and whether
//! a replay is safe. `proxy/outcome.rs` gives each its status and label.

use crate::net::connect::ConnectFailure;
use crate::net::tls::HandshakeFault;

/// Why one backend call gave no usable response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The backend has no host at all.
    NoHosts,
    /// The host's name could not be resolved.
    NameNotFound,
    /// No connection within `dialer_timeout`.
    ConnectTimeout,
    /// Nobody listens there.
    ConnectRefused,
    /// Any other reason why no connection came about; the `errno`, or 0.
    ConnectFailed(i32),
    /// Too many calls already wait for a connection to this origin.
    PoolBusy,
    /// The TLS handshake failed.
    Tls(HandshakeFault),
    /// No response head within `response_header_timeout`.
    HeadTimeout,
    /// The exchange's deadline passed.
    Deadline,
    /// Closed before the first byte of a response.
    Closed,
    /// Reset before the response was complete; `at_start` when no byte of it had come.
    Reset {
        /// No byte of the response had come.
        at_start: bool,
    },
    /// Closed before the message was complete (RFC 9112 section 8); `received` in bytes of content.
    Truncated {
        /// Bytes of content that did come.
        received: u64,
    },
    /// The response head breaks RFC 9112, or the limits of the service.
    BadHead,
    /// More interim responses than allowed, in number or bytes, or one that nobody asked for.
    BadInterim,
    /// The chunked coding of the content is broken.
    BadChunk,
    /// The content is over `limits.backend_body_bytes`, or that of all backends of the request over
    /// `limits.answer_bytes`.
    TooLarge,
    /// The content does not fit into what is left of `ringway.memory`.
    OverBudget,
    /// The content is not the gzip that it says it is.
    BadGzip,
    /// The gzip content grows over the ratio or the size that is allowed.
    GzipBomb,
    /// More than ten redirects.
    TooManyRedirects,
    /// A redirect to something that is no `http` or `https` URL.
    BadRedirect,
    /// The request's content could not be read from the client.
    RequestBody(super::BodyError),
}

impl CallError {
    /// No connection was made, so nothing was sent and another host may be tried.
    pub fn is_connect(self) -> bool {
        matches!(
            self,
            CallError::NameNotFound
                | CallError::ConnectTimeout
                | CallError::ConnectRefused
                | CallError::ConnectFailed(_)
                | CallError::Tls(_)
        )
    }

    /// No connection was made because this side ran out of something, such as descriptors: another
    /// host would not do better, and this one is not to blame.
    pub fn is_ours(self) -> bool {
        matches!(self, CallError::ConnectFailed(errno) if ConnectFailure::is_of_our_side(errno))
    }

    /// The connection died before any byte of a response: where it was a reused one, the request
    /// may be replayed once.
    pub fn is_before_response(self) -> bool {
        matches!(self, CallError::Closed | CallError::Reset { at_start: true })
    }
}

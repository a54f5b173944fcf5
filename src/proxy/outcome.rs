//! The one table of outcomes: what each failure is called in metrics and what the client gets.
//! KrakenD answers 500 to nearly everything; `statuses: "rfc"` (profile `safe`) tells a bad backend
//! (502) from a slow one (504). Source: docs/reference/lura-core.md 5.5; docs/reference/hardening.md.

use crate::json::error::JsonError;
use crate::net::tls::HandshakeFault;
use crate::upstream::{BodyError, CallError};

/// How an exchange or a backend call ended, as metrics tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Status in KrakenD's profile.
    pub status: u16,
    /// Status under `statuses: "rfc"`.
    pub rfc_status: u16,
    /// Index into [`LABELS`].
    pub label: Label,
}

macro_rules! labels {
    ($($name:ident = $text:literal: $meaning:literal,)*) => {
        /// What tells an outcome apart in metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Label {
            $(#[doc = $meaning] $name,)*
        }
        /// The texts of all labels, by index.
        pub const LABELS: &[&str] = &[$($text,)*];
        const ALL: &[Label] = &[$(Label::$name,)*];
        /// What each means, for the manual.
        pub const MEANINGS: &[(&str, &str)] = &[$(($text, $meaning),)*];
    };
}

labels! {
    Ok = "ok": "The answer is complete.",
    Partial = "partial": "Some backends failed, others answered.",
    Incomplete = "incomplete": "The backends answered, with nothing in it.",
    NotFound = "not_found": "No route has this path.",
    MethodNotAllowed = "method_not_allowed": "The path has routes, none of this method.",
    Redirect = "redirect": "Trailing slash or case of the path were mended by a redirect.",
    Builtin = "builtin": "Health, debug, echo or OPTIONS.",
    Policy = "policy": "A policy answered.",
    BadParameter = "bad_parameter": "A path parameter is encoded twice or holds a dot segment.",
    BadRequest = "bad_request": "The request breaks HTTP.",
    HeadTooLarge = "head_too_large": "Request line or fields are over their limits.",
    RequestTimeout = "request_timeout": "The request did not arrive in time.",
    BodyTooLarge = "body_too_large": "A request body that has to be held is over its limit.",
    TooManyParameters = "too_many_parameters": "The query has more parameters than allowed.",
    ClientLeft = "client_left": "The client went away, or stopped reading, before the answer was complete.",
    Overload = "overload": "The memory limit is nearly reached: answered 503.",
    Panic = "panic": "The gateway failed; the connection was closed.",
    NoHosts = "no_hosts": "The backend has no host.",
    NameNotFound = "backend_name_not_found": "The backend's name could not be resolved.",
    ConnectTimeout = "backend_connect_timeout": "No connection within `dialer_timeout`.",
    ConnectRefused = "backend_connect_refused": "Nobody listens at the backend's address.",
    ConnectFailed = "backend_connect_failed": "No connection for another reason.",
    PoolBusy = "backend_pool_busy": "Too many calls wait for a connection.",
    TlsExpired = "backend_tls_expired": "The backend's certificate is out of its time.",
    TlsWrongName = "backend_tls_wrong_name": "The backend's certificate is for other names.",
    TlsUntrusted = "backend_tls_untrusted": "The backend's certificate is signed by nobody known.",
    TlsVersion = "backend_tls_version": "No TLS version or suite in common with the backend.",
    TlsTimeout = "backend_tls_timeout": "The TLS handshake with the backend took 10 s.",
    TlsFailed = "backend_tls_failed": "The TLS handshake with the backend failed for another reason.",
    HeadTimeout = "backend_head_timeout": "No response head within `response_header_timeout`.",
    Deadline = "backend_timeout": "The endpoint's timeout passed.",
    Closed = "backend_closed": "The backend closed without a response.",
    Reset = "backend_reset": "The backend reset the connection.",
    Truncated = "backend_truncated": "The response ended before its end.",
    BadHead = "backend_bad_head": "The response head breaks HTTP or its limits.",
    BadInterim = "backend_bad_interim": "Too many interim responses, or an unasked upgrade.",
    BadChunk = "backend_bad_chunk": "The response's chunked coding is broken.",
    TooLarge = "backend_body_too_large": "The response body is over its limit.",
    OverBudget = "backend_over_budget": "The response does not fit into what is left of `ringway.memory`.",
    BadGzip = "backend_bad_gzip": "The response is not the gzip it says it is.",
    GzipBomb = "backend_gzip_bomb": "The response grows too much when decoded.",
    TooManyRedirects = "backend_too_many_redirects": "More than ten redirects.",
    BadRedirect = "backend_bad_redirect": "A redirect that cannot be followed.",
    BadStatus = "backend_bad_status": "A status other than 200 or 201.",
    BadJson = "backend_bad_json": "The response is not the JSON that was asked for.",
    Cancelled = "cancelled": "The call was given up: a faster twin, or the client left.",
    Several = "backends_failed": "All backends failed, in different ways.",
}

impl Label {
    /// The label of a policy's answer: its own where it has one here.
    pub fn of_policy(text: &str) -> Label {
        let known = LABELS.iter().position(|label| *label == text);
        known.and_then(|at| ALL.get(at)).copied().unwrap_or(Label::Policy)
    }

    /// The text in metrics.
    pub fn text(self) -> &'static str {
        LABELS[self as usize]
    }
}

impl Outcome {
    /// The same status in both profiles.
    pub const fn new(status: u16, label: Label) -> Outcome {
        Outcome { status, rfc_status: status, label }
    }

    const fn backend(rfc_status: u16, label: Label) -> Outcome {
        Outcome { status: 500, rfc_status, label }
    }

    /// The status in force.
    pub fn status(self, uses_rfc: bool) -> u16 {
        if uses_rfc { self.rfc_status } else { self.status }
    }
}

/// Why a backend gave nothing to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The call itself failed.
    Call(CallError),
    /// A status other than 200 or 201, shown or not.
    Status(u16),
    /// Not the JSON that the decoder wants.
    Json(JsonError),
    /// A policy of the stages `Backend` or `Executor` answered instead.
    Policy(u16),
    /// Several backends failed.
    Several,
}

/// The table.
pub fn outcome(cause: Cause) -> Outcome {
    match cause {
        Cause::Call(error) => call_outcome(error),
        Cause::Status(_) => Outcome::backend(502, Label::BadStatus),
        Cause::Json(_) => Outcome::backend(502, Label::BadJson),
        Cause::Policy(status) => Outcome::new(status, Label::Policy),
        Cause::Several => Outcome::backend(502, Label::Several),
    }
}

fn call_outcome(error: CallError) -> Outcome {
    match error {
        CallError::NoHosts => Outcome::backend(502, Label::NoHosts),
        CallError::NameNotFound => Outcome::backend(502, Label::NameNotFound),
        CallError::ConnectTimeout => Outcome::backend(504, Label::ConnectTimeout),
        CallError::ConnectRefused => Outcome::backend(502, Label::ConnectRefused),
        CallError::ConnectFailed(_) => Outcome::backend(502, Label::ConnectFailed),
        CallError::PoolBusy => Outcome::backend(503, Label::PoolBusy),
        CallError::Tls(fault) => match fault {
            HandshakeFault::Expired => Outcome::backend(502, Label::TlsExpired),
            HandshakeFault::WrongName => Outcome::backend(502, Label::TlsWrongName),
            HandshakeFault::Untrusted => Outcome::backend(502, Label::TlsUntrusted),
            HandshakeFault::Version => Outcome::backend(502, Label::TlsVersion),
            HandshakeFault::Late => Outcome::backend(504, Label::TlsTimeout),
            HandshakeFault::Other => Outcome::backend(502, Label::TlsFailed),
        },
        CallError::HeadTimeout => Outcome::backend(504, Label::HeadTimeout),
        CallError::Deadline => Outcome::backend(504, Label::Deadline),
        CallError::Closed => Outcome::backend(502, Label::Closed),
        CallError::Reset { .. } => Outcome::backend(502, Label::Reset),
        CallError::Truncated { .. } => Outcome::backend(502, Label::Truncated),
        CallError::BadHead => Outcome::backend(502, Label::BadHead),
        CallError::BadInterim => Outcome::backend(502, Label::BadInterim),
        CallError::BadChunk => Outcome::backend(502, Label::BadChunk),
        CallError::TooLarge => Outcome::backend(502, Label::TooLarge),
        CallError::OverBudget => Outcome::backend(502, Label::OverBudget),
        CallError::BadGzip => Outcome::backend(502, Label::BadGzip),
        CallError::GzipBomb => Outcome::backend(502, Label::GzipBomb),
        CallError::TooManyRedirects => Outcome::backend(502, Label::TooManyRedirects),
        CallError::BadRedirect => Outcome::backend(502, Label::BadRedirect),
        CallError::RequestBody(BodyError::ClientLeft) => Outcome::new(500, Label::ClientLeft),
        CallError::RequestBody(BodyError::Malformed) => Outcome::new(400, Label::BadRequest),
        CallError::RequestBody(BodyError::TooSlow) => Outcome::new(408, Label::RequestTimeout),
        CallError::RequestBody(BodyError::TooLarge) => Outcome::new(413, Label::BodyTooLarge),
        CallError::RequestBody(BodyError::Overload) => Outcome::new(503, Label::Overload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_distinct() {
        let mut texts = LABELS.to_vec();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), LABELS.len());
        assert_eq!(Label::Several.text(), "backends_failed");
        assert_eq!(Label::of_policy("bad_parameter"), Label::BadParameter);
        assert_eq!(Label::of_policy("a program's own"), Label::Policy);
    }

    #[test]
    fn statuses_by_profile() {
        for (cause, krakend, rfc) in [
            (Cause::Call(CallError::Deadline), 500, 504),
            (Cause::Call(CallError::ConnectRefused), 500, 502),
            (Cause::Status(404), 500, 502),
            (Cause::Call(CallError::RequestBody(BodyError::TooLarge)), 413, 413),
        ] {
            let outcome = outcome(cause);
            assert_eq!((outcome.status(false), outcome.status(true)), (krakend, rfc), "{cause:?}");
        }
    }
}

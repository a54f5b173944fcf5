//! A failure with what logs and `return_error_msg` say about it. Texts are KrakenD's own and the
//! frequent ones of Go's HTTP client. Source: docs/reference/lura-core.md 4.4, 5.5.

use super::outcome::{Cause, Outcome, outcome};
use crate::net::tls::HandshakeFault;
use crate::plan::policy::Answer;
use crate::upstream::CallError;

/// Why an exchange or one of its backends failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What happened.
    pub cause: Cause,
    /// One line for logs and, if switched on, for the client.
    pub text: String,
    /// `return_error_code`: what the client gets instead of an empty 500.
    pub reply: Option<Box<Reply>>,
    /// A policy's own answer.
    pub answer: Option<Box<Answer>>,
}

/// The answer of a backend that is shown although it is a failure.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its content.
    pub body: Vec<u8>,
    /// Its content type; may be empty.
    pub content_type: Vec<u8>,
}

impl Failure {
    /// The endpoint's timeout, or a share of it, passed.
    pub fn deadline() -> Failure {
        Failure::plain(Cause::Call(CallError::Deadline), "context deadline exceeded")
    }

    /// A failure with its text.
    pub fn plain(cause: Cause, text: impl Into<String>) -> Failure {
        Failure { cause, text: text.into(), reply: None, answer: None }
    }

    /// A policy answered in the place of a backend.
    pub fn policy(answer: Answer) -> Failure {
        Failure {
            cause: Cause::Policy(answer.status),
            text: answer.label.to_owned(),
            reply: None,
            answer: Some(Box::new(answer)),
        }
    }

    /// Status and label.
    pub fn outcome(&self) -> Outcome {
        outcome(self.cause)
    }

    /// A call that failed: `method` and `url` as Go's client names them.
    pub fn call(error: CallError, method: &str, url: &str, address: &str) -> Failure {
        let detail = match error {
            CallError::Deadline => return Failure::deadline(),
            CallError::NoHosts => return Failure::plain(Cause::Call(error), "no hosts available"),
            CallError::Truncated { .. } => {
                return Failure::plain(Cause::Call(error), "unexpected EOF");
            }
            CallError::TooLarge => {
                return Failure::plain(Cause::Call(error), "response body too large");
            }
            CallError::OverBudget => {
                return Failure::plain(Cause::Call(error), "out of memory for responses");
            }
            CallError::BadGzip => {
                return Failure::plain(Cause::Call(error), "gzip: invalid header");
            }
            CallError::GzipBomb => {
                return Failure::plain(Cause::Call(error), "gzip: content grows too much");
            }
            CallError::BadChunk => {
                return Failure::plain(Cause::Call(error), "invalid byte in chunk length");
            }
            CallError::RequestBody(crate::upstream::BodyError::ClientLeft) => {
                return Failure::plain(Cause::Call(error), "context canceled");
            }
            CallError::RequestBody(_) => {
                return Failure::plain(Cause::Call(error), "the request body could not be read");
            }
            CallError::NameNotFound => {
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                format!("dial tcp: lookup {host}: no such host")
            }
            CallError::ConnectTimeout => format!("dial tcp {address}: i/o timeout"),
            CallError::ConnectRefused => {
                format!("dial tcp {address}: connect: connection refused")
            }
            CallError::ConnectFailed(errno) => {
                let reason = std::io::Error::from_raw_os_error(errno);
                format!("dial tcp {address}: connect: {reason}")
            }
            CallError::PoolBusy => format!("dial tcp {address}: too many calls wait"),
            CallError::Tls(fault) => match fault {
                HandshakeFault::Expired => "tls: failed to verify certificate: x509: certificate \
                                            has expired or is not yet valid"
                    .to_owned(),
                HandshakeFault::WrongName => "tls: failed to verify certificate: x509: \
                                              certificate is not valid for this name"
                    .to_owned(),
                HandshakeFault::Untrusted => "tls: failed to verify certificate: x509: \
                                              certificate signed by unknown authority"
                    .to_owned(),
                HandshakeFault::Version => {
                    "remote error: tls: protocol version not supported".to_owned()
                }
                HandshakeFault::Late => "net/http: TLS handshake timeout".to_owned(),
                HandshakeFault::Other => format!("tls: handshake with {address} failed"),
            },
            CallError::HeadTimeout => "net/http: timeout awaiting response headers".to_owned(),
            CallError::Closed => "EOF".to_owned(),
            CallError::Reset { .. } => {
                format!("read tcp {address}: read: connection reset by peer")
            }
            CallError::BadHead => "malformed HTTP response".to_owned(),
            CallError::BadInterim => "net/http: too many 1xx informational responses".to_owned(),
            CallError::TooManyRedirects => "stopped after 10 redirects".to_owned(),
            CallError::BadRedirect => "failed to parse Location header".to_owned(),
        };
        let mut verb = method.to_ascii_lowercase();
        if let Some(first) = verb.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Failure::plain(Cause::Call(error), format!("{verb} \"{url}\": {detail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let text = |error| Failure::call(error, "GET", "http://h:9/x", "h:9").text;
        for (error, expected) in [
            (CallError::Deadline, "context deadline exceeded"),
            (CallError::Closed, "Get \"http://h:9/x\": EOF"),
            (
                CallError::ConnectRefused,
                "Get \"http://h:9/x\": dial tcp h:9: connect: connection refused",
            ),
            (CallError::NoHosts, "no hosts available"),
            (CallError::Truncated { received: 3 }, "unexpected EOF"),
            (CallError::NameNotFound, "Get \"http://h:9/x\": dial tcp: lookup h: no such host"),
        ] {
            assert_eq!(text(error), expected);
        }
    }
}

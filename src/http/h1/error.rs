//! Why a head was refused. The same list serves both directions: of a backend's head only the text
//! and the name are used, its status is decided above.

/// What is wrong with a head. After it the connection cannot be used any more: where the next
/// message would begin is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadError {
    /// No request line: HTTP/0.9, a TLS hello, binary, a bad method, a second space (RFC 9112, 3).
    RequestLine,
    /// No status line (RFC 9112 section 4).
    StatusLine,
    /// More empty lines before the request line than allowed.
    LeadingLines,
    /// HTTP of another version than 1.0 and 1.1.
    Version,
    /// The request target or its line is over the limit.
    TargetTooLong,
    /// The request target has a form, scheme or byte that is not allowed, userinfo or a fragment.
    Target,
    /// A line ends in LF without CR, or a CR stands alone (RFC 9112 section 2.2).
    LineEnd,
    /// A field line continues the one before (obs-fold, RFC 9112 section 5.2).
    Folded,
    /// A field line without colon, with an empty or bad name, or with a control byte.
    Field,
    /// More field lines than allowed.
    TooManyFields,
    /// A field line over the limit.
    LineTooLong,
    /// The head as a whole is over the limit.
    HeadTooLong,
    /// HTTP/1.1 without Host (RFC 9112 section 3.2).
    HostMissing,
    /// More than one Host.
    HostRepeated,
    /// Host or authority is not `name`, `name:port`, `[v6]` or `[v6]:port`.
    Host,
    /// The authority of an absolute target is not the Host.
    HostMismatch,
    /// Content-Length is not one number of at most 19 digits.
    ContentLength,
    /// Transfer-Encoding is repeated, or is not `chunked` alone, or stands in HTTP/1.0.
    TransferEncoding,
    /// One transfer coding, but not `chunked`.
    TransferCoding,
    /// Content-Length and Transfer-Encoding together.
    BothFramings,
    /// Expect is something else than `100-continue`.
    Expectation,
    /// Upgrade with content: where the tunnel begins would be ambiguous.
    UpgradeWithBody,
}

impl HeadError {
    /// The status that tells a client.
    pub fn status(self) -> u16 {
        match self {
            HeadError::TargetTooLong => 414,
            HeadError::Expectation => 417,
            HeadError::TooManyFields | HeadError::LineTooLong | HeadError::HeadTooLong => 431,
            HeadError::TransferCoding => 501,
            HeadError::Version => 505,
            HeadError::RequestLine
            | HeadError::StatusLine
            | HeadError::LeadingLines
            | HeadError::Target
            | HeadError::LineEnd
            | HeadError::Folded
            | HeadError::Field
            | HeadError::HostMissing
            | HeadError::HostRepeated
            | HeadError::Host
            | HeadError::HostMismatch
            | HeadError::ContentLength
            | HeadError::TransferEncoding
            | HeadError::BothFramings
            | HeadError::UpgradeWithBody => 400,
        }
    }

    /// What to log; never holds anything the peer sent.
    pub fn text(self) -> &'static str {
        match self {
            HeadError::RequestLine => "malformed request line",
            HeadError::StatusLine => "malformed status line",
            HeadError::LeadingLines => "too many empty lines before the request",
            HeadError::Version => "unsupported HTTP version",
            HeadError::TargetTooLong => "request target too long",
            HeadError::Target => "invalid request target",
            HeadError::LineEnd => "line does not end in CRLF",
            HeadError::Folded => "folded header line",
            HeadError::Field => "malformed header field",
            HeadError::TooManyFields => "too many header fields",
            HeadError::LineTooLong => "header line too long",
            HeadError::HeadTooLong => "header section too long",
            HeadError::HostMissing => "missing Host header",
            HeadError::HostRepeated => "several Host headers",
            HeadError::Host => "invalid Host",
            HeadError::HostMismatch => "Host differs from the request target",
            HeadError::ContentLength => "invalid Content-Length",
            HeadError::TransferEncoding => "invalid Transfer-Encoding",
            HeadError::TransferCoding => "unsupported transfer coding",
            HeadError::BothFramings => "Content-Length together with Transfer-Encoding",
            HeadError::Expectation => "unsupported expectation",
            HeadError::UpgradeWithBody => "upgrade request with a body",
        }
    }
}

impl std::fmt::Display for HeadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for HeadError {}

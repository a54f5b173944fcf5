//! The head of a message: start line and fields as spans of the buffer it was read into.
//! `parse_request` and `parse_response` are called again with the grown buffer until they say
//! `Done`; a head keeps its memory from message to message. See LIFECYCLE.md.

use super::error::HeadError;
use super::fields::Fields;
use super::framing::{self, BodyKind};
use super::host;
use super::lines::Lines;
use super::start_line::{
    StatusLine, may_become_request, may_become_response, request_line, status_line,
};
use crate::http::uri::target::Target;
use crate::http::{HeaderId, Method, Span, Version};

/// What a head may cost. Source: docs/reference/hardening.md section 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The whole head in bytes, empty lines before it not counted. Default 64 KiB, at most 16 MiB.
    pub bytes: usize,
    /// Field lines. Default 100, at most 256.
    pub fields: usize,
    /// One line in bytes, its CRLF counted. Default 16 KiB, at most 65,535.
    pub line: usize,
    /// The request target in bytes. Default 8 KiB.
    pub target: usize,
    /// Empty lines before a request. Default 2.
    pub leading_crlf: usize,
}

impl HeadLimits {
    pub const DEFAULT: HeadLimits = HeadLimits {
        bytes: 64 * 1024,
        fields: 100,
        line: 16 * 1024,
        target: 8 * 1024,
        leading_crlf: 2,
    };
}

impl Default for HeadLimits {
    fn default() -> Self {
        HeadLimits::DEFAULT
    }
}

/// Whether a head is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again with the same buffer and more bytes at its end.
    NeedMore,
    /// The head is complete; `len` bytes of the buffer belong to it.
    Done,
}

/// The protocol that a message would switch to. `Connection: upgrade` must name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    #[default]
    None,
    WebSocket,
    /// Something else, such as `h2c`; never forwarded.
    Other,
}

/// The head of a request.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    pub method: Method,
    pub target: Target,
    pub version: Version,
    pub fields: Fields,
    /// Bytes of the buffer up to the content: skipped empty lines, head, empty line at its end.
    pub len: usize,
    pub body: BodyKind,
    /// Whether the client wants another message on this connection.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the content.
    pub expect_continue: bool,
    /// The one authority: of an absolute target, else of Host. `None` only in HTTP/1.0.
    pub host: Option<Span>,
    pub upgrade: Upgrade,
    walk: Walk,
}

/// The head of a response.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    pub status: u16,
    /// May be empty.
    pub reason: Span,
    pub version: Version,
    pub fields: Fields,
    /// Bytes of the buffer up to the content.
    pub len: usize,
    pub body: BodyKind,
    /// What Content-Length says, also where no content follows (HEAD, 304).
    pub content_length: Option<u64>,
    /// Whether the connection may be used again once the content ended.
    pub keep_alive: bool,
    pub upgrade: Upgrade,
    walk: Walk,
}

/// How far the reading of a head has come.
#[derive(Clone, Copy, Debug, Default)]
struct Walk {
    lines: Lines,
    finished: bool,
}

impl RequestHead {
    /// Forgets the message, keeps the memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = RequestHead { fields, ..RequestHead::default() };
    }

    /// The first value of this id. `buf` is the buffer that was parsed, here and below.
    #[inline]
    pub fn find<'b>(&self, id: HeaderId, buf: &'b [u8]) -> Option<&'b [u8]> {
        self.fields.find(id, buf)
    }

    /// All values of this id, in order.
    pub fn values<'a, 'b: 'a>(
        &'a self,
        id: HeaderId,
        buf: &'b [u8],
    ) -> impl Iterator<Item = &'b [u8]> + 'a {
        self.fields.values(id, buf)
    }
}

impl ResponseHead {
    /// Says that the next parse begins another message: what `clear` is for, without its work.
    pub fn retire(&mut self) {
        self.walk.finished = true;
    }

    /// Forgets the message, keeps the memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = ResponseHead { fields, ..ResponseHead::default() };
    }

    /// The first value of this id. `buf` is the buffer that was parsed, here and below.
    #[inline]
    pub fn find<'b>(&self, id: HeaderId, buf: &'b [u8]) -> Option<&'b [u8]> {
        self.fields.find(id, buf)
    }

    /// All values of this id, in order.
    pub fn values<'a, 'b: 'a>(
        &'a self,
        id: HeaderId,
        buf: &'b [u8],
    ) -> impl Iterator<Item = &'b [u8]> + 'a {
        self.fields.values(id, buf)
    }
}

/// All else is written before `Done` is said.
fn start_over(fields: &mut Fields, walk: &mut Walk) {
    fields.clear();
    *walk = Walk::default();
}

/// Reads a request head from the start of `buf`. After `NeedMore`, call it with the same head and
/// the same bytes plus more; after `Done` or an error it starts over.
pub fn parse_request(
    buf: &[u8],
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<Progress, HeadError> {
    if head.walk.finished || !head.walk.lines.fits(buf.len()) {
        start_over(&mut head.fields, &mut head.walk);
    }
    let progress = request(buf, limits, head);
    head.walk.finished = progress != Ok(Progress::NeedMore);
    progress
}

fn request(buf: &[u8], limits: &HeadLimits, head: &mut RequestHead) -> Result<Progress, HeadError> {
    let lines = &mut head.walk.lines;
    if lines.fields_at == 0 {
        if lines.skip_empty(buf, limits.leading_crlf)? == Progress::NeedMore {
            return Ok(Progress::NeedMore);
        }
        if !may_become_request(lines.partial(buf, limits)) {
            return Err(HeadError::RequestLine);
        }
        // Read at once rather than with the fields: HTTP/0.9 and HTTP/2 prefaces never get those.
        let Some(line) = lines.start_line(buf, limits, HeadError::TargetTooLong)? else {
            return Ok(Progress::NeedMore);
        };
        let line = request_line(buf, line, limits.target)?;
        (head.method, head.target, head.version) = (line.method, line.target, line.version);
    }
    let Some(len) = fields(buf, limits, lines, &mut head.fields)? else {
        return Ok(Progress::NeedMore);
    };
    head.len = len;
    let (found, body) = framing::request(head.version, &head.fields, buf)?;
    head.host = host::authority(&head.target, head.version, &head.fields, buf)?;
    head.body = body;
    head.keep_alive = found.keep_alive(head.version);
    head.upgrade = found.upgrade(head.version);
    head.expect_continue = expectation(head, buf)?;
    Ok(Progress::Done)
}

/// Reads the field lines and returns the offset after the head.
fn fields(
    buf: &[u8],
    limits: &HeadLimits,
    lines: &mut Lines,
    fields: &mut Fields,
) -> Result<Option<usize>, HeadError> {
    // Heads mostly come whole and well-formed. Tried once, so that a dripped head costs no more.
    if !lines.tried_at_once {
        lines.tried_at_once = true;
        let end = fields.read_at_once(buf, lines.fields_at, lines.head_end_max(limits), limits);
        if end.is_some() {
            return Ok(end);
        }
    }
    if lines.fields(buf, limits)? == Progress::NeedMore {
        return Ok(None);
    }
    fields.read(buf, lines.fields_at, lines.end(), lines.n_fields)?;
    Ok(Some(lines.end()))
}

/// RFC 9110 section 10.1.1: one expectation exists; HTTP/1.0 and empty requests do not wait for it.
fn expectation(head: &RequestHead, buf: &[u8]) -> Result<bool, HeadError> {
    let mut values = head.values(HeaderId::Expect, buf);
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        (Some(value), None) if value.eq_ignore_ascii_case(b"100-continue") => {
            Ok(head.version == Version::H11 && !head.body.is_empty())
        }
        _ => Err(HeadError::Expectation),
    }
}

/// Reads a response head from the start of `buf`, as `parse_request` does. `request_method` decides
/// whether content follows. No empty line may come before it: surplus bytes of an earlier response
/// are never skipped. A 1xx head is followed by another head at `len`.
pub fn parse_response(
    buf: &[u8],
    limits: &HeadLimits,
    request_method: Method,
    head: &mut ResponseHead,
) -> Result<Progress, HeadError> {
    if head.walk.finished || !head.walk.lines.fits(buf.len()) {
        start_over(&mut head.fields, &mut head.walk);
    }
    let progress = response(buf, limits, request_method, head);
    head.walk.finished = progress != Ok(Progress::NeedMore);
    progress
}

fn response(
    buf: &[u8],
    limits: &HeadLimits,
    request_method: Method,
    head: &mut ResponseHead,
) -> Result<Progress, HeadError> {
    let lines = &mut head.walk.lines;
    if lines.fields_at == 0 {
        if !may_become_response(lines.partial(buf, limits)) {
            return Err(HeadError::StatusLine);
        }
        let Some(line) = lines.start_line(buf, limits, HeadError::LineTooLong)? else {
            return Ok(Progress::NeedMore);
        };
        let StatusLine { version, status, reason } = status_line(buf, line)?;
        (head.version, head.status, head.reason) = (version, status, reason);
    }
    let Some(len) = fields(buf, limits, lines, &mut head.fields)? else {
        return Ok(Progress::NeedMore);
    };
    head.len = len;
    let (found, body) =
        framing::response(head.version, head.status, request_method, &head.fields, buf)?;
    head.body = body;
    head.content_length = found.content_length;
    head.keep_alive = found.keep_alive(head.version)
        && body != BodyKind::UntilClose
        && !(has_no_content(head.status) && announces_content(&found));
    head.upgrade = found.upgrade(head.version);
    Ok(Progress::Done)
}

/// Statuses that end at the head, where announced content can only be a lie (RFC 9112 section 6.3).
fn has_no_content(status: u16) -> bool {
    matches!(status, 100..=199 | 204)
}

fn announces_content(found: &framing::Found) -> bool {
    found.chunked || found.content_length.is_some_and(|len| len > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[u8] = b"\r\nGET /a?b=c HTTP/1.1\r\nhost: example.org\r\nAccept:\t*/* \r\n\
        X-Own: \r\nSet-Cookie: a\r\nX-Own:b\r\nset-cookie: caf\xc3\xa9\r\n\r\nGET /next";

    fn parsed(text: &[u8]) -> RequestHead {
        let mut head = RequestHead::default();
        assert_eq!(parse_request(text, &HeadLimits::DEFAULT, &mut head), Ok(Progress::Done));
        head
    }

    #[test]
    fn a_request() {
        let head = parsed(SAMPLE);
        assert_eq!((head.method, head.version), (Method::Get, Version::H11));
        assert_eq!(head.target.raw.of(SAMPLE), b"/a?b=c");
        assert_eq!(
            (head.target.path(SAMPLE), head.target.query(SAMPLE)),
            (&b"/a"[..], &b"b=c"[..])
        );
        assert_eq!(&SAMPLE[head.len..], b"GET /next");
        assert_eq!(head.host.map(|host| host.of(SAMPLE)), Some(&b"example.org"[..]));
        assert_eq!(head.find(HeaderId::Accept, SAMPLE), Some(&b"*/*"[..]));
        assert_eq!(head.find(HeaderId::Cookie, SAMPLE), None);
        let cookies: Vec<_> = head.values(HeaderId::SetCookie, SAMPLE).collect();
        assert_eq!(cookies, [&b"a"[..], b"caf\xc3\xa9"]);
        let own: Vec<_> = head.fields.values_named(b"x-OWN", SAMPLE).collect();
        assert_eq!(own, [&b""[..], b"b"]);
        assert_eq!(head.fields.find_named(b"x-ow", SAMPLE), None);
        let names: Vec<_> = head.fields.iter().map(|field| field.name(SAMPLE)).collect();
        assert_eq!(
            names,
            [&b"host"[..], b"Accept", b"X-Own", b"Set-Cookie", b"X-Own", b"set-cookie"]
        );
    }

    #[test]
    fn absolute_targets_name_the_host() {
        for (text, host) in [
            ("GET http://A:80/x HTTP/1.1\r\nHost: a\r\n\r\n", Some("A:80")),
            ("GET https://a/x HTTP/1.1\r\nHost: a:443\r\n\r\n", Some("a")),
            ("GET http://a HTTP/1.0\r\n\r\n", Some("a")),
            ("GET / HTTP/1.0\r\n\r\n", None),
            ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Some("a:443")),
            ("OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", Some("[::1]:8080")),
        ] {
            let found = parsed(text.as_bytes()).host;
            assert_eq!(
                found.map(|span| span.of(text.as_bytes())),
                host.map(str::as_bytes),
                "{text}"
            );
        }
    }

    #[test]
    fn heads_are_reused() {
        let mut head = parsed(SAMPLE);
        let capacity = head.fields.as_slice().as_ptr();
        let next = b"PURGE / HTTP/1.0\r\nA: b\r\n\r\n";
        assert_eq!(parse_request(next, &HeadLimits::DEFAULT, &mut head), Ok(Progress::Done));
        assert_eq!(head.fields.len(), 1);
        assert_eq!(head.method.as_bytes(next), b"PURGE");
        assert_eq!((head.host, head.keep_alive), (None, false));
        assert_eq!(head.fields.as_slice().as_ptr(), capacity, "the memory stays");
        assert!(parse_request(b"\0", &HeadLimits::DEFAULT, &mut head).is_err());
        assert_eq!(
            parse_request(b"GET /", &HeadLimits::DEFAULT, &mut head),
            Ok(Progress::NeedMore)
        );
        // A shorter buffer cannot be the one from before.
        assert_eq!(parse_request(b"P", &HeadLimits::DEFAULT, &mut head), Ok(Progress::NeedMore));
        head.clear();
        assert_eq!(parse_request(SAMPLE, &HeadLimits::DEFAULT, &mut head), Ok(Progress::Done));
    }

    #[test]
    fn limits_hold_exactly_and_before_more_is_asked_for() {
        let limits = HeadLimits { bytes: 60, fields: 2, line: 30, target: 10, leading_crlf: 1 };
        let start = "GET / HTTP/1.1\r\n";
        for (case, text, expected) in [
            ("target fits", "GET /345678910 HTTP/1.1\r\n".to_owned(), Ok(Progress::NeedMore)),
            ("target", "GET /3456789101 HTTP/1.1\r\n".to_owned(), Err(HeadError::TargetTooLong)),
            ("start line", format!("GET /{}", "a".repeat(25)), Err(HeadError::TargetTooLong)),
            ("start line fits", format!("GET /{}", "a".repeat(24)), Ok(Progress::NeedMore)),
            ("line fits", format!("{start}A: {}\r\n", "b".repeat(25)), Ok(Progress::NeedMore)),
            ("line", format!("{start}A: {}", "b".repeat(27)), Err(HeadError::LineTooLong)),
            (
                "line, complete",
                format!("{start}A: {}\r\n", "b".repeat(27)),
                Err(HeadError::LineTooLong),
            ),
            ("fields fit", format!("{start}Host:a\r\nB:b\r\n\r\n"), Ok(Progress::Done)),
            ("fields", format!("{start}Host:a\r\nB:b\r\nC:c\r\n"), Err(HeadError::TooManyFields)),
            (
                "head fits",
                format!("{start}Host:a\r\nA: {}\r\n\r\nmore", "b".repeat(25)),
                Ok(Progress::Done),
            ),
            (
                "head",
                format!("{start}Host:abcdefgh\r\nA: {}\r\n\r\n", "b".repeat(25)),
                Err(HeadError::HeadTooLong),
            ),
            // The byte after the limit must not be looked at, else one read would say `LineEnd`.
            (
                "lone CR at the limit",
                format!("{start}Host:abcdefgh\r\nA: {}\r\n\rX", "b".repeat(23)),
                Err(HeadError::HeadTooLong),
            ),
            ("empty lines", "\r\n\r\n".to_owned(), Err(HeadError::LeadingLines)),
            ("empty line", format!("\r\n{start}Host: a\r\n\r\n"), Ok(Progress::Done)),
        ] {
            let (mut whole, mut cut) = (RequestHead::default(), RequestHead::default());
            assert_eq!(parse_request(text.as_bytes(), &limits, &mut whole), expected, "{case}");
            let last = (1..=text.len())
                .map(|end| parse_request(&text.as_bytes()[..end], &limits, &mut cut))
                .find(|verdict| *verdict != Ok(Progress::NeedMore));
            assert_eq!(last.unwrap_or(Ok(Progress::NeedMore)), expected, "{case}, byte by byte");
        }
        for (error, status) in [
            (HeadError::TargetTooLong, 414),
            (HeadError::LineTooLong, 431),
            (HeadError::TooManyFields, 431),
            (HeadError::HeadTooLong, 431),
            (HeadError::TransferCoding, 501),
        ] {
            assert_eq!(error.status(), status);
        }
    }

    #[test]
    fn default_limits() {
        let fields = |n: usize| {
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(n - 1)).into_bytes()
        };
        let mut head = RequestHead::default();
        for (n, expected) in
            [(16, true), (17, true), (32, true), (33, true), (100, true), (101, false)]
        {
            let verdict = parse_request(&fields(n), &HeadLimits::DEFAULT, &mut head);
            assert_eq!(verdict == Ok(Progress::Done), expected, "{n} fields");
        }
        let most = HeadLimits { fields: 10_000, ..HeadLimits::DEFAULT };
        assert_eq!(parse_request(&fields(256), &most, &mut head), Ok(Progress::Done));
        assert_eq!(head.fields.len(), 256);
        assert_eq!(parse_request(&fields(257), &most, &mut head), Err(HeadError::TooManyFields));
    }
}

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

/// Reads a request head from the start of `buf`. After `NeedMore`, call it with the same head and
/// the same bytes plus more; after `Done` or an error it starts over.
pub fn parse_request(
    buf: &[u8],
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<Progress, HeadError> {
    if head.walk.finished || !head.walk.lines.fits(buf.len()) {
        head.clear();
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
        if !may_become_request(lines.partial(buf)) {
            return Err(HeadError::RequestLine);
        }
        // Read at once rather than with the fields: HTTP/0.9 and HTTP/2 prefaces never get those.
        let Some(line) = lines.start_line(buf, limits, HeadError::TargetTooLong)? else {
            return Ok(Progress::NeedMore);
        };
        let line = request_line(buf, line, limits.target)?;
        (head.method, head.target, head.version) = (line.method, line.target, line.version);
    }
    if lines.fields(buf, limits)? == Progress::NeedMore {
        return Ok(Progress::NeedMore);
    }
    head.len = lines.end();
    head.fields.read(buf, lines.fields_at, head.len, lines.n_fields)?;
    let (found, body) = framing::request(head.version, &head.fields, buf)?;
    head.host = host::authority(&head.target, head.version, &head.fields, buf)?;
    head.body = body;
    head.keep_alive = found.keep_alive(head.version);
    head.upgrade = found.upgrade(head.version);
    head.expect_continue = expectation(head, buf)?;
    Ok(Progress::Done)
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
        head.clear();
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
        if !may_become_response(lines.partial(buf)) {
            return Err(HeadError::StatusLine);
        }
        let Some(line) = lines.start_line(buf, limits, HeadError::LineTooLong)? else {
            return Ok(Progress::NeedMore);
        };
        let StatusLine { version, status, reason } = status_line(buf, line)?;
        (head.version, head.status, head.reason) = (version, status, reason);
    }
    if lines.fields(buf, limits)? == Progress::NeedMore {
        return Ok(Progress::NeedMore);
    }
    head.len = lines.end();
    head.fields.read(buf, lines.fields_at, head.len, lines.n_fields)?;
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

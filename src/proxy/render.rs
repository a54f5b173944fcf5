//! The answer's bytes: head and body together, written once. Small answers are one contiguous
//! block; of large ones the long ranges go out from where they are.
//! Source: docs/reference/lura-core.md 5.1, 5.2, 5.4, 5.5; design: life of a request, step 7.

use super::compose::Parts;
use super::core::Core;
use super::data::Data;
use super::failure::Failure;
pub use super::message::Message;
use crate::http::h1::{BodyKind, Fields, ResponseHead, encode};
use crate::http::{HeaderId, Version, hop};
use crate::json::merge::{RANGE_MIN, RenderOptions, Renderer, Sink};
use crate::json::part::Part;
use crate::net::{Block, WriteList, clock};
use crate::plan::Endpoint;
use crate::plan::policy::{Answer, Edits};

/// Up to here an answer is one block and one send.
const CONTIGUOUS_MAX: usize = 16 * 1024;

/// What frames an answer beside its own content.
#[derive(Clone, Copy)]
pub struct Frame {
    /// The request was HEAD: the head speaks of a body that does not follow.
    pub is_head: bool,
    /// The connection closes after it.
    pub closes: bool,
    /// The version of the request.
    pub version: Version,
}

impl Frame {
    /// `Connection`, where it says something.
    fn connection(self, out: &mut Vec<u8>) {
        if self.closes {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if self.version == Version::H10 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
    }
}

/// What every answer is written with.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// This core.
    pub core: &'a Core,
    /// The `X-Krakend` line.
    pub banner: &'a str,
    /// What policies add.
    pub edits: &'a Edits,
    /// How it is framed.
    pub frame: Frame,
}

/// A short answer of the gateway's own.
pub struct Plain<'a> {
    /// Status code.
    pub status: u16,
    /// The `X-Krakend` line, and with it `X-Krakend-Completed: false`.
    pub banner: Option<&'a str>,
    /// `Content-Type`; empty for none.
    pub content_type: &'a [u8],
    /// Further complete lines.
    pub lines: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

/// How the content of a streamed answer is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFraming {
    /// No content follows.
    None,
    /// `Content-Length` is known.
    Length,
    /// Chunked.
    Chunked,
    /// By the end of the connection (HTTP/1.0 clients).
    Close,
}

impl Writer<'_> {
    /// Renders the parts of a successful or partial answer.
    pub fn data(
        &self,
        endpoint: &Endpoint,
        options: &RenderOptions,
        renderer: &mut Renderer,
        parts: Parts,
        is_complete: bool,
    ) -> Message {
        let list = parts.as_slice();
        // "Complete" takes data: an empty object is neither complete nor cached.
        let has_data = list.iter().any(|data| !data.part.is_empty());
        let head = if is_complete && has_data {
            &endpoint.head_complete
        } else {
            &endpoint.head_incomplete
        };
        let hint: usize = list.iter().map(|data| data.part.len_hint()).sum();
        let room = head.len() + 256;
        let mut out = Block::with_capacity((room + hint).min(CONTIGUOUS_MAX));
        out.extend_from_slice(head);
        self.added_fields(&mut out);
        self.frame.connection(&mut out);
        self.date(&mut out);
        if hint <= CONTIGUOUS_MAX || self.frame.is_head {
            let at = begin_length(hint, &mut out);
            let body_at = out.len();
            with_slices(list, |slices| renderer.render(slices, options, &mut *out));
            end_length(at, body_at, &mut out);
            if self.frame.is_head {
                let end = memchr::memmem::find(&out, b"\r\n\r\n").map_or(out.len(), |at| at + 4);
                out.truncate(end);
            }
            out.settle();
            return Message::Block(out);
        }
        let mut gather = Gather { copies: Block::medium(), pieces: Vec::new(), len: 0 };
        with_slices(list, |slices| renderer.render(slices, options, &mut gather));
        encode::content_length(&mut out, gather.len as u64);
        encode::end_of_head(&mut out);
        out.settle();
        Message::List(gather.into_list(out, parts))
    }

    /// Writes a short answer.
    pub fn plain(&self, plain: &Plain<'_>) -> Block {
        let room = 512 + plain.lines.len() + plain.body.len();
        let mut out = Block::with_capacity(room);
        encode::status_line(&mut out, Version::H11, plain.status);
        if !plain.content_type.is_empty() {
            let _ = encode::checked_field(&mut out, b"Content-Type", plain.content_type);
        }
        if let Some(banner) = plain.banner {
            out.extend_from_slice(banner.as_bytes());
            out.extend_from_slice(b"X-Krakend-Completed: false\r\n");
        }
        out.extend_from_slice(plain.lines);
        self.added_fields(&mut out);
        self.frame.connection(&mut out);
        self.date(&mut out);
        let has_no_content = matches!(plain.status, 204 | 304);
        if !has_no_content {
            encode::content_length(&mut out, plain.body.len() as u64);
        }
        encode::end_of_head(&mut out);
        if !self.frame.is_head && !has_no_content {
            out.extend_from_slice(plain.body);
        }
        out.settle();
        out
    }

    /// A policy's answer.
    pub fn policy_answer(&self, answer: &Answer) -> Block {
        let mut lines = Vec::new();
        for (name, value) in &answer.fields {
            let _ = encode::checked_field(&mut lines, name.as_bytes(), value.as_bytes());
        }
        self.plain(&Plain {
            status: answer.status,
            banner: answer.banner.then_some(self.banner),
            content_type: answer.content_type.as_bytes(),
            lines: &lines,
            body: &answer.body,
        })
    }

    /// A total failure: an empty body, unless the backend's own answer is shown or errors are told.
    pub fn failed(&self, failures: &[Failure], status: u16, tells: bool) -> Block {
        if let [Failure { answer: Some(answer), .. }] = failures {
            return self.policy_answer(answer);
        }
        let mut text = String::new();
        let (mut status, mut body, mut content_type): (u16, &[u8], &[u8]) = (status, b"", b"");
        match failures {
            [Failure { reply: Some(reply), .. }] => {
                status = reply.status;
                if tells {
                    (body, content_type) = (&reply.body, &reply.content_type);
                    if content_type.is_empty() && !body.is_empty() {
                        content_type = b"text/plain; charset=utf-8";
                    }
                }
            }
            _ if tells => {
                for failure in failures {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(&failure.text);
                }
                (body, content_type) = (text.as_bytes(), b"text/plain; charset=utf-8");
            }
            _ => {}
        }
        self.plain(&Plain { status, banner: Some(self.banner), content_type, lines: b"", body })
    }

    /// The head of a `no-op` answer: the backend's status and fields without those of its connection.
    pub fn stream_head(
        &self,
        head: &ResponseHead,
        head_bytes: &[u8],
        inflates: bool,
        out: &mut Vec<u8>,
    ) -> StreamFraming {
        let frame = self.frame;
        encode::status_line(out, Version::H11, head.status);
        out.extend_from_slice(self.banner.as_bytes());
        out.extend_from_slice(b"X-Krakend-Completed: false\r\n");
        let stripped = hop::Stripped::of(&head.fields, head_bytes);
        let has_date =
            backend_fields(&head.fields, head_bytes, head.status, inflates, stripped, out);
        self.added_fields(out);
        if !has_date {
            self.date(out);
        }
        let has_no_content = matches!(head.status, 204 | 304) || frame.is_head;
        // A backend that was asked with HEAD announces what it does not send.
        let known = match head.body {
            BodyKind::None | BodyKind::Length(0) if !frame.is_head => Some(0),
            _ => head.content_length.filter(|_| !inflates),
        };
        let framing = match (has_no_content, known) {
            (true, length) => {
                if let Some(length) = length.filter(|_| head.status != 204) {
                    encode::content_length(out, length);
                }
                StreamFraming::None
            }
            (false, Some(length)) => {
                encode::content_length(out, length);
                StreamFraming::Length
            }
            (false, None) if frame.version == Version::H10 => StreamFraming::Close,
            (false, None) => {
                encode::transfer_encoding_chunked(out);
                StreamFraming::Chunked
            }
        };
        Frame { closes: frame.closes || framing == StreamFraming::Close, ..frame }.connection(out);
        encode::end_of_head(out);
        framing
    }

    /// Fields that policies added to the answer.
    fn added_fields(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.edits.to_client {
            let _ = encode::checked_field(out, name.as_bytes(), value);
        }
    }

    /// `Date`, formatted once a second.
    fn date(&self, out: &mut Vec<u8>) {
        encode::date(out, self.core.date.borrow_mut().at(clock::wall_seconds()));
    }
}

fn with_slices(list: &[Data], render: impl FnOnce(&[(&Part, &[u8])])) {
    match list {
        [one] => render(&[(&one.part, one.content())]),
        [a, b] => render(&[(&a.part, a.content()), (&b.part, b.content())]),
        [a, b, c] => {
            render(&[(&a.part, a.content()), (&b.part, b.content()), (&c.part, c.content())]);
        }
        many => {
            let slices: Vec<(&Part, &[u8])> =
                many.iter().map(|data| (&*data.part, data.content())).collect();
            render(&slices);
        }
    }
}

/// Writes `Content-Length` with as many digits as the hint has, to be filled in once the body
/// stands behind it.
fn begin_length(hint: usize, out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(b"Content-Length: ");
    let at = out.len();
    encode::decimal(out, hint as u64);
    out.extend_from_slice(b"\r\n\r\n");
    at
}

/// Puts the true length in; the body moves only where the hint had another number of digits.
fn end_length(at: usize, body_at: usize, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(out.len() - body_at).as_bytes();
    let reserved = body_at - 4 - at;
    if digits.len() == reserved {
        out[at..at + reserved].copy_from_slice(digits);
    } else {
        out.splice(at..at + reserved, digits.iter().copied());
    }
}

/// Collects a large answer as copies and ranges.
struct Gather {
    copies: Block,
    pieces: Vec<Piece>,
    len: usize,
}

enum Piece {
    Copied(std::ops::Range<usize>),
    Of { source: usize, at: usize, len: usize },
}

impl Sink for Gather {
    fn copy(&mut self, bytes: &[u8]) {
        let from = self.copies.len();
        self.copies.reserve(bytes.len());
        self.copies.extend_from_slice(bytes);
        self.len += bytes.len();
        match self.pieces.last_mut() {
            Some(Piece::Copied(range)) if range.end == from => range.end = self.copies.len(),
            _ => self.pieces.push(Piece::Copied(from..self.copies.len())),
        }
    }

    fn range(&mut self, source: u16, at: u32, bytes: &[u8]) {
        if bytes.len() < RANGE_MIN {
            return self.copy(bytes);
        }
        self.len += bytes.len();
        self.pieces.push(Piece::Of {
            source: usize::from(source),
            at: at as usize,
            len: bytes.len(),
        });
    }
}

impl Gather {
    fn into_list(mut self, head: Block, parts: Parts) -> WriteList {
        let mut list = WriteList::new();
        list.push_block(head);
        self.copies.settle();
        let copies = list.own(self.copies);
        let bodies = match parts {
            Parts::One(data) => vec![data],
            Parts::Many(data) => data,
        };
        let bodies: Vec<(usize, usize)> =
            bodies.into_iter().map(|data| (data.content.start, list.own(data.block))).collect();
        for piece in self.pieces {
            match piece {
                Piece::Copied(range) => list.push(copies, range),
                Piece::Of { source, at, len } => {
                    if let Some((start, block)) = bodies.get(source) {
                        list.push(*block, start + at..start + at + len);
                    }
                }
            }
        }
        list
    }
}

/// Copies the backend's fields; tells whether `Date` was among them.
fn backend_fields(
    fields: &Fields,
    bytes: &[u8],
    status: u16,
    inflates: bool,
    stripped: hop::Stripped,
    out: &mut Vec<u8>,
) -> bool {
    let mut has_date = false;
    for field in fields.iter() {
        match field.id {
            // Framing is written anew; the banner of a gateway behind us is not repeated.
            HeaderId::ContentLength | HeaderId::XKrakend | HeaderId::XKrakendCompleted => continue,
            HeaderId::ContentEncoding if inflates => continue,
            // Go's server drops it (docs/reference/lura-core.md 12 item 8).
            HeaderId::ContentType if status == 304 => continue,
            HeaderId::Date => has_date = true,
            _ => {}
        }
        if stripped.contains(field, fields, bytes) {
            continue;
        }
        let name = field.name(bytes);
        match field.id {
            HeaderId::Other => crate::http::canonical_name(name, out),
            known => out.extend_from_slice(known.name().as_bytes()),
        }
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value(bytes));
        out.extend_from_slice(b"\r\n");
    }
    has_date
}

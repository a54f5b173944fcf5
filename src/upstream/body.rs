//! The content of a response: collected into one block, or handed on piece by piece.
//! A connection goes back to its pool only when the message ended exactly where it said.
//! Source: docs/reference/hardening.md A15, 4.1; RFC 9112 sections 6 to 8.

use std::cell::Cell;
use std::io;
use std::ops::{Deref, DerefMut, Range};

use super::error::CallError;
use super::heads::PooledHead;
use super::pool::Lease;
use crate::http::HeaderId;
use crate::http::h1::{BodyKind, Decoder, InPlace, ResponseHead, Step, encode};
use crate::net::placed::{Placed, place};
use crate::net::{Block, budget};

/// Memory for content is taken as it comes, never as announced: this much at first.
const FIRST_CAPACITY: usize = 64 * 1024;

/// Up to this much of an unwanted body is read so that its connection can be kept.
const DRAIN_MAX: usize = 16 * 1024;

/// A response whose head is complete. In pooled memory: it passes through several hands, each of
/// which would copy it.
pub struct Response(Placed<Incoming>);

/// A response as it is read.
pub struct Incoming {
    lease: Option<Lease>,
    head: PooledHead,
    head_block: Block,
    /// What came after the head with it.
    surplus: Range<usize>,
    framing: Framing,
    is_reusable: bool,
    received: u64,
    /// Trailer fields that may be passed on (docs/reference/hardening.md A12).
    trailers: Vec<(HeaderId, Vec<u8>)>,
}

/// Makes room for content that is held, within the memory of the process: what does not fit fails
/// this call and no other (docs/reference/hardening.md E6).
fn make_room(block: &mut Block, more: usize) -> Result<(), CallError> {
    if block.room() < more {
        // What it moves out of stays charged until it has moved.
        if !budget::fits((block.len() + more).next_power_of_two()) {
            return Err(CallError::OverBudget);
        }
        block.reserve(more);
    }
    Ok(())
}

fn keep_trailers(kept: &mut Vec<(HeaderId, Vec<u8>)>, decoder: &Decoder) {
    kept.extend(decoder.trailers().iter().map(|(id, value)| (id, value.to_vec())));
}

/// What a response under way has of what is left for all responses of its request. One that fails or
/// is given up gives it back: the others may still be completed.
struct Taken<'a> {
    left: &'a Cell<usize>,
    bytes: usize,
}

impl Taken<'_> {
    fn more(&mut self, bytes: usize) -> Result<(), CallError> {
        take(self.left, bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.left.set(self.left.get() + self.bytes);
    }
}

/// Takes bytes of what is left for all responses of a request.
fn take(left: &Cell<usize>, bytes: usize) -> Result<(), CallError> {
    left.set(left.get().checked_sub(bytes).ok_or(CallError::TooLarge)?);
    Ok(())
}

enum Framing {
    Length(u64),
    Chunked(Box<Decoder>),
    UntilClose,
    Ended,
}

/// Whether all content is here already.
pub enum Whole {
    /// Yes, and the connection is back in its pool.
    All(Collected),
    /// No: the rest is to be waited for.
    Partly(Response),
}

/// All content of a response.
pub struct Collected {
    block: Block,
    content: Range<usize>,
}

impl Collected {
    /// The content, with no transfer coding.
    pub fn content(&self) -> &[u8] {
        self.block.get(self.content.clone()).unwrap_or_default()
    }

    /// The block that holds the content, and where in it.
    pub fn into_content(self) -> (Block, Range<usize>) {
        (self.block, self.content)
    }
}

impl Deref for Response {
    type Target = Incoming;

    fn deref(&self) -> &Incoming {
        &self.0
    }
}

impl DerefMut for Response {
    fn deref_mut(&mut self) -> &mut Incoming {
        &mut self.0
    }
}

impl Response {
    pub(super) fn new(
        lease: Lease,
        head: PooledHead,
        block: Block,
        at: usize,
        is_reusable: bool,
    ) -> Response {
        let framing = match head.body {
            BodyKind::None | BodyKind::Length(0) => Framing::Ended,
            BodyKind::Length(length) => Framing::Length(length),
            BodyKind::Chunked => Framing::Chunked(Box::default()),
            BodyKind::UntilClose => Framing::UntilClose,
        };
        let is_reusable = is_reusable && head.keep_alive && head.body != BodyKind::UntilClose;
        let surplus = at..block.len();
        let mut response = Response(place(Incoming {
            lease: Some(lease),
            head,
            head_block: block,
            surplus,
            framing,
            is_reusable,
            received: 0,
            trailers: Vec::new(),
        }));
        if matches!(response.framing, Framing::Ended) {
            let is_exact = response.surplus.is_empty();
            response.end(is_exact);
        }
        response
    }

    /// All content, at most `max` bytes, and at most what is `left` for all responses of a request,
    /// from which it is taken. The connection is back in its pool when this returns.
    pub async fn collect(self, max: usize, left: &Cell<usize>) -> Result<Collected, CallError> {
        match self.collect_at_once(max, left)? {
            Whole::All(collected) => Ok(collected),
            // The state of a longer body is not part of every call's.
            Whole::Partly(response) => place(response.gather(max, left)).await,
        }
    }

    /// The usual case without waiting: everything came with the head in one read. Gives itself back
    /// where it did not.
    pub fn collect_at_once(mut self, max: usize, left: &Cell<usize>) -> Result<Whole, CallError> {
        let max = max.min(left.get());
        if let Framing::Length(length) = self.framing
            && length > max as u64
        {
            return Err(CallError::TooLarge);
        }
        let came = self.surplus.len();
        match &self.framing {
            Framing::Ended => return Ok(Whole::All(self.in_place(0))),
            Framing::Length(length) if *length <= came as u64 => {
                let length = *length as usize;
                self.end(length == came);
                take(left, length)?;
                return Ok(Whole::All(self.in_place(length)));
            }
            Framing::Chunked(_) if came > 0 && came <= max => {
                if let Some(collected) = self.chunked_in_place()? {
                    take(left, collected.content().len())?;
                    return Ok(Whole::All(collected));
                }
            }
            _ => {}
        }
        Ok(Whole::Partly(self))
    }

    async fn gather(mut self, max: usize, left: &Cell<usize>) -> Result<Collected, CallError> {
        let max = max.min(left.get());
        let came = self.surplus.len();
        let mut taken = Taken { left, bytes: 0 };
        let (mut block, mut len) = match &self.framing {
            Framing::Length(length) => {
                let capacity = usize::try_from(*length).unwrap_or(max).min(FIRST_CAPACITY);
                (Block::with_capacity(capacity.max(came)), 0)
            }
            _ => (Block::with_capacity(FIRST_CAPACITY), 0),
        };
        while let Some((piece, range)) = self.next().await? {
            let bytes = &piece[range];
            len += bytes.len();
            if len > max {
                return Err(CallError::TooLarge);
            }
            taken.more(bytes.len())?;
            if block.is_empty()
                && block.capacity() <= piece.capacity()
                && bytes.len() == piece.len()
            {
                block = piece;
                continue;
            }
            make_room(&mut block, bytes.len())?;
            block.extend_from_slice(bytes);
        }
        taken.keep();
        let content = 0..block.len();
        Ok(Collected { block, content })
    }

    fn in_place(mut self, length: usize) -> Collected {
        let content = self.surplus.start..self.surplus.start + length;
        Collected { block: std::mem::take(&mut self.head_block), content }
    }

    /// Reads a short rest so that the connection can be kept; closes it where the rest is long.
    pub async fn discard(mut self) {
        let mut drained = self.surplus.len();
        if let Framing::Length(length) = self.framing
            && length > DRAIN_MAX as u64
        {
            return;
        }
        while drained <= DRAIN_MAX {
            match self.next().await {
                Ok(Some((_, range))) => drained += range.len(),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

impl Incoming {
    /// The bytes that the head's spans refer to.
    pub fn head_bytes(&self) -> &[u8] {
        &self.head_block
    }

    /// Status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The parsed head.
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// Whether all content has been handed out.
    pub fn is_ended(&self) -> bool {
        matches!(self.framing, Framing::Ended)
    }

    /// The connection's work is done: back to the pool, or closed.
    fn end(&mut self, is_exact: bool) {
        self.framing = Framing::Ended;
        if let Some(lease) = self.lease.take()
            && is_exact
            && self.is_reusable
        {
            lease.release();
        }
    }

    async fn recv(&mut self) -> Result<Block, CallError> {
        let Some(lease) = &mut self.lease else {
            return Err(CallError::Truncated { received: self.received });
        };
        match lease.stream().recv.recv().await {
            Ok(block) => {
                lease.count_received(block.len());
                Ok(block)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(CallError::Truncated { received: self.received })
            }
            Err(_) => Err(CallError::Reset { at_start: false }),
        }
    }

    /// The next piece of content and where it stands in its block; `None` at the exact end.
    /// After an error the response is useless.
    pub async fn next(&mut self) -> Result<Option<(Block, Range<usize>)>, CallError> {
        loop {
            if matches!(self.framing, Framing::Ended) {
                return Ok(None);
            }
            let (block, from) = if self.surplus.is_empty() {
                (self.recv().await?, 0)
            } else {
                // What came with the head; the head itself is still read from its block.
                let block = Block::copy_of(&self.head_block[self.surplus.clone()]);
                self.surplus = 0..0;
                (block, 0)
            };
            if let Some(piece) = self.piece(block, from)? {
                return Ok(Some(piece));
            }
        }
    }

    /// Whether content came with the head, at most `max` bytes of it.
    pub fn has_surplus(&self, max: usize) -> bool {
        !self.surplus.is_empty() && self.surplus.len() <= max
    }

    /// Appends the content that came with the head.
    pub fn append_surplus(&mut self, out: &mut Vec<u8>) -> Result<(), CallError> {
        let from = out.len();
        let range = std::mem::replace(&mut self.surplus, 0..0);
        let len = range.len();
        out.extend_from_slice(&self.head_block[range]);
        let (end, is_end) = match &mut self.framing {
            Framing::Ended => (0, None),
            Framing::UntilClose => (len, None),
            Framing::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(len);
                *left -= take as u64;
                (take, (*left == 0).then_some(take == len))
            }
            Framing::Chunked(decoder) => match decoder.decode_in_place(out, from) {
                Ok(InPlace::NeedMore) => (out.len() - from, None),
                Ok(InPlace::End { content_end }) => {
                    keep_trailers(&mut self.trailers, decoder);
                    (content_end - from, Some(content_end == out.len()))
                }
                Err(_) => return Err(CallError::BadChunk),
            },
        };
        out.truncate(from + end);
        self.received += end as u64;
        if let Some(is_exact) = is_end {
            self.end(is_exact);
        }
        Ok(())
    }

    /// Appends the last chunk of the same message for the client, with the trailers that pass.
    pub fn write_last_chunk(&self, out: &mut Vec<u8>) {
        if self.trailers.is_empty() {
            encode::last_chunk(out);
            return;
        }
        encode::last_chunk_before_trailers(out);
        for (id, value) in &self.trailers {
            encode::known_field(out, *id, value);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Takes the framing off what was received.
    fn piece(
        &mut self,
        mut block: Block,
        from: usize,
    ) -> Result<Option<(Block, Range<usize>)>, CallError> {
        let len = block.len() - from;
        match &mut self.framing {
            Framing::Ended => Ok(None),
            Framing::UntilClose => {
                if len == 0 {
                    self.end(true);
                    return Ok(None);
                }
                self.received += len as u64;
                Ok(Some((block, from..from + len)))
            }
            _ if len == 0 => Err(CallError::Truncated { received: self.received }),
            Framing::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(len);
                *left -= take as u64;
                let (is_end, is_exact) = (*left == 0, take == len);
                self.received += take as u64;
                if is_end {
                    self.end(is_exact);
                }
                Ok(Some((block, from..from + take)))
            }
            Framing::Chunked(decoder) => {
                let (end, is_end) = match decoder.decode_in_place(&mut block, from) {
                    Ok(InPlace::NeedMore) => (block.len(), None),
                    Ok(InPlace::End { content_end }) => {
                        keep_trailers(&mut self.trailers, decoder);
                        (content_end, Some(content_end == block.len()))
                    }
                    Err(_) => return Err(CallError::BadChunk),
                };
                self.received += (end - from) as u64;
                if let Some(is_exact) = is_end {
                    self.end(is_exact);
                }
                Ok((end > from).then_some((block, from..end)))
            }
        }
    }

    /// A chunked message that came whole with its head; `None` where it did not.
    fn chunked_in_place(&mut self) -> Result<Option<Collected>, CallError> {
        let Framing::Chunked(decoder) = &mut self.framing else { return Ok(None) };
        // A trial on a copy of the decoder: the bytes are moved only when the end is there.
        let mut trial = Decoder::default();
        let mut at = self.surplus.start;
        let is_whole = loop {
            match trial.step(&self.head_block[at..]) {
                Ok(Step::Data { skip, len }) => at += skip + len,
                Ok(Step::End { .. }) => break true,
                Ok(Step::NeedMore) => break false,
                Err(_) => return Err(CallError::BadChunk),
            }
        };
        if !is_whole {
            return Ok(None);
        }
        let from = self.surplus.start;
        match decoder.decode_in_place(&mut self.head_block, from) {
            Ok(InPlace::End { content_end }) => {
                self.end(content_end == self.head_block.len());
                let block = std::mem::take(&mut self.head_block);
                Ok(Some(Collected { block, content: from..content_end }))
            }
            Ok(InPlace::NeedMore) | Err(_) => Err(CallError::BadChunk),
        }
    }
}

//! The content of a client's request: read from what came with the head, then from the connection;
//! framing removed, pace watched. Source: docs/reference/hardening.md sections 1, A7, A9 to A12.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::pace::{Pace, TooSlow};
use crate::config::model::Limits;
use crate::http::h1::{BodyKind, Decoder, InPlace, encode};
use crate::net::clock::{self, Tick};
use crate::net::pump::Slot;
use crate::net::{Block, SendHalf, budget, timer};
use crate::upstream::{BodyError, BodySource};

/// The client's connection, as far as content needs it.
pub struct Client<'a> {
    /// What it sends.
    pub slot: &'a Slot,
    /// The other direction, for `100 Continue` and for the answer.
    pub send: &'a mut SendHalf,
    /// It waits for `100 Continue`, which is sent once somebody wants the content.
    pub waits: bool,
}

/// Reads one request's content.
pub struct Content<'a> {
    /// The block that holds the head, and whatever came with it.
    input: &'a [u8],
    at: usize,
    slot: &'a Slot,
    framing: Framing,
    pace: Pace,
    /// When the pace is looked at while nothing comes; `NEVER`: the client is not waited for.
    judged: timer::Deadline,
    /// What was unframed ahead of its reader, see [`Content::check_first`].
    first: Option<Block>,
    received: u64,
    /// Bytes that came from the connection while it was read, framing included.
    came: u64,
    /// The other direction, for `100 Continue` and for the answer.
    send: &'a mut SendHalf,
    /// The client waits for `100 Continue`, which is sent once somebody wants the content.
    waits: bool,
}

enum Framing {
    Ended,
    Length(u64),
    Chunked(Box<Decoder>),
    /// Broken or left: nothing more can be read.
    Failed(BodyError),
}

impl<'a> Content<'a> {
    /// The content that begins at `at` of `input`.
    pub fn new(
        kind: BodyKind,
        (input, at): (&'a [u8], usize),
        client: Client<'a>,
        limits: &Limits,
        total: Option<Tick>,
    ) -> Content<'a> {
        let Client { slot, send, waits } = client;
        let framing = match kind {
            BodyKind::None | BodyKind::Length(0) | BodyKind::UntilClose => Framing::Ended,
            BodyKind::Length(length) => Framing::Length(length),
            BodyKind::Chunked => Framing::Chunked(Box::default()),
        };
        Content {
            input,
            at,
            slot,
            framing,
            pace: Pace::new(limits.body_idle, limits.body_rate_min, total),
            judged: timer::Deadline::never(),
            first: None,
            received: 0,
            came: 0,
            send,
            waits,
        }
    }

    /// Tells a client that waits for it to send its content (RFC 9110 section 10.1.1). Whether it
    /// is still there shows when the content is read.
    pub async fn welcome(&mut self) {
        let came = self.input.len() - self.at.min(self.input.len());
        let is_missing = match &self.framing {
            Framing::Ended | Framing::Failed(_) => false,
            Framing::Length(left) => (came as u64) < *left,
            Framing::Chunked(_) => came == 0 && self.received == 0,
        };
        if std::mem::take(&mut self.waits) && is_missing {
            let mut block = Block::small();
            block.extend_from_slice(encode::CONTINUE);
            let _ = self.send.send(block).await;
        }
    }

    /// Bytes that came from the connection while it was read, framing included.
    pub fn came(&self) -> u64 {
        self.came
    }

    /// Whether all of it was read, so that the next request can follow.
    pub fn is_ended(&self) -> bool {
        matches!(self.framing, Framing::Ended) && self.first.is_none()
    }

    /// Whether it was broken, too slow or cut, so that nothing can follow it.
    pub fn has_failed(&self) -> bool {
        matches!(self.framing, Framing::Failed(_))
    }

    /// Takes the chunked coding off what came with the head, before anybody is called: a message
    /// that is broken there costs no backend half a request (docs/reference/hardening.md A9, A10).
    pub fn check_first(&mut self) -> Result<(), BodyError> {
        if !matches!(self.framing, Framing::Chunked(_)) || self.at >= self.input.len() {
            return Ok(());
        }
        match self.take_input() {
            Ok(first) => {
                self.first = first;
                Ok(())
            }
            Err(error) => {
                self.framing = Framing::Failed(error);
                Err(error)
            }
        }
    }

    /// Bytes of the head's block that belong to this request.
    pub fn consumed(&self) -> usize {
        self.at
    }

    /// The other direction, for the answer.
    pub fn sender(&mut self) -> &mut SendHalf {
        self.send
    }

    /// Collects it all, at most `max` bytes.
    pub async fn collect(&mut self, max: usize) -> Result<Block, BodyError> {
        if let Framing::Length(length) = self.framing
            && length > max as u64
        {
            return Err(BodyError::TooLarge);
        }
        let mut all = Block::empty();
        while let Some(piece) = std::future::poll_fn(|cx| self.poll_next(cx)).await? {
            if all.len() + piece.len() > max {
                return Err(BodyError::TooLarge);
            }
            // Growing holds the old memory and the new for a moment.
            if all.room() < piece.len() && !budget::fits(2 * all.len() + piece.len()) {
                return Err(BodyError::Overload);
            }
            if all.is_empty() {
                all = piece;
            } else {
                all.reserve(piece.len());
                all.extend_from_slice(&piece);
            }
        }
        Ok(all)
    }

    /// Reads what nobody wants, so that the connection can be used again: at most `bytes` within
    /// `time`. `false`: the connection has to close.
    pub async fn drain(&mut self, bytes: u64, time: Duration) -> bool {
        if let Framing::Length(length) = self.framing
            && length > bytes
        {
            return false;
        }
        let from = self.received;
        let until = clock::now() + time;
        let drained = timer::timeout_at(until, async {
            loop {
                match std::future::poll_fn(|cx| self.poll_next(cx)).await {
                    Ok(None) => return true,
                    Ok(Some(_)) if self.received - from <= bytes => {}
                    Ok(Some(_)) | Err(_) => return false,
                }
            }
        });
        drained.await.unwrap_or(false)
    }

    /// Takes the framing off a block that was just received; what follows the content goes back.
    fn unframe(&mut self, mut block: Block) -> Result<Option<Block>, BodyError> {
        self.came += block.len() as u64;
        let end = match &mut self.framing {
            Framing::Ended | Framing::Failed(_) => 0,
            Framing::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(block.len());
                *left -= take as u64;
                if *left == 0 {
                    self.framing = Framing::Ended;
                }
                take
            }
            Framing::Chunked(decoder) => match decoder.decode_in_place(&mut block, 0) {
                Ok(InPlace::NeedMore) => block.len(),
                Ok(InPlace::End { content_end }) => {
                    self.framing = Framing::Ended;
                    content_end
                }
                Err(_) => return Err(BodyError::Malformed),
            },
        };
        if block.len() > end {
            self.came -= (block.len() - end) as u64;
            self.slot.put_back(Block::copy_of(&block[end..]));
            block.truncate(end);
        }
        self.received += end as u64;
        Ok((end > 0).then_some(block))
    }

    /// The content that came with the head. The surplus stays where it is.
    fn take_input(&mut self) -> Result<Option<Block>, BodyError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let mut block = Block::copy_of(rest);
        let (used, end) = match &mut self.framing {
            Framing::Ended | Framing::Failed(_) => (0, 0),
            Framing::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(block.len());
                *left -= take as u64;
                if *left == 0 {
                    self.framing = Framing::Ended;
                }
                (take, take)
            }
            Framing::Chunked(decoder) => match decoder.decode_in_place(&mut block, 0) {
                Ok(InPlace::NeedMore) => (rest.len(), block.len()),
                Ok(InPlace::End { content_end }) => {
                    self.framing = Framing::Ended;
                    let surplus = block.len() - content_end;
                    (rest.len() - surplus, content_end)
                }
                Err(_) => return Err(BodyError::Malformed),
            },
        };
        self.at += used;
        block.truncate(end);
        self.received += end as u64;
        Ok((end > 0).then_some(block))
    }

    /// Ready when the client, which is waited for, is too slow.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        if self.judged.when() == Tick::NEVER {
            self.judged.reset(self.pace.waits(clock::now()));
        }
        while std::future::Future::poll(Pin::new(&mut self.judged), cx).is_ready() {
            match self.pace.judge(clock::now()) {
                Ok(next) => self.judged.reset(next),
                Err(TooSlow) => return Poll::Ready(BodyError::TooSlow),
            }
        }
        Poll::Pending
    }

    /// Notes bytes that came from the connection.
    fn note(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.judged.reset(Tick::NEVER);
        self.pace.came(clock::now(), bytes).map_err(|TooSlow| BodyError::TooSlow)
    }
}

impl BodySource for Content<'_> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Block>, BodyError>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Ok(Some(first)));
        }
        loop {
            match self.framing {
                Framing::Ended => return Poll::Ready(Ok(None)),
                Framing::Failed(error) => return Poll::Ready(Err(error)),
                Framing::Length(_) | Framing::Chunked(_) => {}
            }
            let piece = if self.at < self.input.len() {
                self.take_input()
            } else {
                match self.slot.poll_block(cx) {
                    Poll::Pending => match self.poll_pace(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(error) => Err(error),
                    },
                    Poll::Ready(Err(_)) => Err(BodyError::ClientLeft),
                    Poll::Ready(Ok(block)) => match self.note(block.len()) {
                        Ok(()) => self.unframe(block),
                        Err(error) => Err(error),
                    },
                }
            };
            match piece {
                Ok(None) => {}
                Ok(Some(block)) => return Poll::Ready(Ok(Some(block))),
                Err(error) => {
                    self.framing = Framing::Failed(error);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

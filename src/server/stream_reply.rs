//! A `no-op` answer on its way: head, then each piece as it comes, no more than one piece ahead of
//! the client. An idle deadline watches each step; a cut response never ends cleanly.
//! Source: docs/reference/lura-core.md 5.4; design: differences, row 10.

use std::cell::Cell;
use std::time::Duration;

use super::connection::CloseReason;
use super::write::{Sent, Write};
use crate::http::h1::encode;
use crate::net::placed::place;
use crate::net::pump::Slot;
use crate::net::{Block, SendHalf, WriteList, clock, failpoint, timer};
use crate::plan::Plan;
use crate::plan::policy::Edits;
use crate::proxy::outcome::{Cause, Label, outcome};
use crate::proxy::render::{self, Frame, StreamFraming};
use crate::proxy::{Bounds, Core, Gunzip, Streamed};
use crate::telemetry::names::Count;
use crate::upstream::{CallError, Response};

/// A first piece up to this size goes out with the head.
const JOINED_MAX: usize = 14 * 1024;

/// Decoded output between two sends.
const INFLATED: usize = 64 * 1024;

/// What a stream needs of its connection.
pub struct Setting<'a> {
    /// This core.
    pub core: &'a Core,
    /// The plan.
    pub plan: &'a Plan,
    /// What policies add to the head.
    pub edits: &'a Edits,
    /// How the answer is framed.
    pub frame: Frame,
    /// Longest pause of the backend.
    pub idle: Duration,
    /// Tells of a client that left while nothing is written.
    pub slot: &'a Slot,
    /// What the break of an answer is called that turned out to be [`CloseReason::Broken`].
    pub fault: &'a Cell<Label>,
}

impl Setting<'_> {
    /// The backend did not give all that it announced.
    fn broken(&self, error: CallError) -> CloseReason {
        self.fault.set(outcome(Cause::Call(error)).label);
        CloseReason::Broken
    }
}

/// Sends it all.
pub async fn send(
    setting: Setting<'_>,
    streamed: Streamed,
    send: &mut SendHalf,
    write: Write<'_>,
) -> Result<Sent, CloseReason> {
    let is_open_ended = setting.frame.version == crate::http::Version::H10;
    match stream(setting, streamed, send, write).await {
        // Without a length the client takes the end of the connection for the end of the answer.
        Err(CloseReason::Broken) if is_open_ended => Err(CloseReason::BrokenOpenEnded),
        other => other,
    }
}

async fn stream(
    setting: Setting<'_>,
    streamed: Streamed,
    send: &mut SendHalf,
    write: Write<'_>,
) -> Result<Sent, CloseReason> {
    let mut response = streamed.response;
    let mut out = Block::medium();
    let head = render::Writer {
        core: setting.core,
        banner: &setting.plan.banner,
        edits: setting.edits,
        frame: setting.frame,
    };
    let (parsed, bytes) = (response.head(), response.head_bytes());
    let framing = head.stream_head(parsed, bytes, streamed.inflates, &mut out);
    let cells = &setting.core.cells;
    let mut writer = Writer { setting: &setting, send, write, framing, sent: 0 };
    if framing == StreamFraming::None {
        writer.put(out).await?;
        cells.count(Count::ClientSent, writer.sent);
        crate::proxy::discard(response);
        return Ok(Sent::KeepAlive);
    }
    // What came with the head goes out with ours.
    if !streamed.inflates && response.has_surplus(JOINED_MAX) {
        let from = out.len();
        let room = writer.begin_chunk(&mut out);
        if let Err(error) = response.append_surplus(&mut out) {
            out.truncate(from);
            writer.put(out).await?;
            return Err(setting.broken(error));
        }
        writer.end_chunk(&mut out, from, room);
    }
    if response.is_ended() && !streamed.inflates {
        if framing == StreamFraming::Chunked {
            response.write_last_chunk(&mut out);
        }
        writer.put(out).await?;
    } else {
        // The state of a longer stream is not part of every exchange's.
        place(rest(&mut writer, response, streamed.inflates, out)).await?;
    }
    cells.count(Count::ClientSent, writer.sent);
    Ok(if framing == StreamFraming::Close { Sent::Closes } else { Sent::KeepAlive })
}

/// Everything behind what came with the head.
async fn rest(
    writer: &mut Writer<'_, '_>,
    mut response: Response,
    inflates: bool,
    out: Block,
) -> Result<(), CloseReason> {
    let setting = writer.setting;
    let mut inflate = inflates.then(Gunzip::new);
    let bounds = Bounds::of(&setting.plan.limits);
    writer.put(out).await?;
    while !response.is_ended() {
        failpoint("stream");
        let piece = match next(setting, &mut response).await {
            Ok(Some((block, range))) => (block, range),
            Ok(None) => break,
            Err(reason) => return Err(reason),
        };
        match &mut inflate {
            None => writer.piece(piece.0, piece.1).await?,
            Some(inflate) => {
                let coded = &piece.0[piece.1];
                let mut used = 0;
                while used < coded.len() {
                    let mut plain = Block::large();
                    match inflate.step(&coded[used..], &mut plain, INFLATED, bounds) {
                        Ok(n) => used += n,
                        Err(error) => return Err(setting.broken(error)),
                    }
                    plain.settle();
                    let range = 0..plain.len();
                    if !range.is_empty() {
                        writer.piece(plain, range).await?;
                    }
                }
            }
        }
    }
    if inflate.is_some_and(|inflate| !inflate.is_complete()) {
        return Err(setting.broken(CallError::Truncated { received: 0 }));
    }
    if writer.framing == StreamFraming::Chunked {
        let mut last = Block::small();
        response.write_last_chunk(&mut last);
        writer.put(last).await?;
    }
    Ok(())
}

/// The backend's next piece, unless it pauses too long or the client leaves.
async fn next(
    setting: &Setting<'_>,
    response: &mut crate::upstream::Response,
) -> Result<Option<(Block, std::ops::Range<usize>)>, CloseReason> {
    use crate::net::pump::Closed;
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;
    let until = clock::now() + setting.idle;
    let mut next = pin!(response.next());
    let mut closed = pin!(setting.slot.wait_closed());
    let step = poll_fn(|cx| {
        if let Poll::Ready(piece) = next.as_mut().poll(cx) {
            return Poll::Ready(Some(piece));
        }
        // A client that only ended its own side may still read.
        match closed.as_mut().poll(cx) {
            Poll::Ready(Closed::Reset) => Poll::Ready(None),
            Poll::Ready(Closed::Fin) | Poll::Pending => Poll::Pending,
        }
    });
    match timer::timeout_at(until, step).await {
        Ok(Some(Ok(piece))) => Ok(piece),
        Ok(Some(Err(error))) => {
            debug_assert!(error != CallError::NoHosts);
            Err(setting.broken(error))
        }
        Ok(None) => Err(CloseReason::ClientAbort),
        Err(_) => Err(setting.broken(CallError::Deadline)),
    }
}

struct Writer<'a, 'b> {
    setting: &'a Setting<'b>,
    send: &'a mut SendHalf,
    /// Deadlines of writes.
    write: Write<'a>,
    framing: StreamFraming,
    sent: u64,
}

/// Hex digits of a chunk's size when it is written before its content: up to 64 KiB.
const SIZE_DIGITS: usize = 4;

impl Writer<'_, '_> {
    async fn put(&mut self, mut block: Block) -> Result<(), CloseReason> {
        block.settle();
        self.sent += block.len() as u64;
        self.write.block(self.send, block).await
    }

    /// Room for a chunk's size line; what follows is its content.
    fn begin_chunk(&self, out: &mut Vec<u8>) -> usize {
        if self.framing != StreamFraming::Chunked {
            return 0;
        }
        out.extend_from_slice(&[b'0'; SIZE_DIGITS]);
        out.extend_from_slice(b"\r\n");
        SIZE_DIGITS
    }

    /// Fills the size in, or takes the line back where the chunk is empty.
    fn end_chunk(&self, out: &mut Vec<u8>, from: usize, room: usize) {
        if room == 0 {
            return;
        }
        let len = out.len() - from - room - 2;
        if len == 0 {
            out.truncate(from);
            return;
        }
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for (at, digit) in out[from..from + room].iter_mut().rev().enumerate() {
            *digit = HEX[len >> (4 * at) & 0xf];
        }
        encode::chunk_end(out);
    }

    async fn piece(
        &mut self,
        block: Block,
        range: std::ops::Range<usize>,
    ) -> Result<(), CloseReason> {
        if range.is_empty() {
            return Ok(());
        }
        if self.framing == StreamFraming::Chunked {
            // The piece stays where it is: copying it would hold it twice.
            let mut list = WriteList::new();
            let mut line = Block::small();
            encode::chunk_head(&mut line, range.len());
            list.push_block(line);
            let piece = list.own(block);
            list.push(piece, range);
            list.push_static(b"\r\n");
            self.sent += list.len() as u64;
            return self.write.list(self.send, list).await;
        }
        if range == (0..block.len()) {
            return self.put(block).await;
        }
        let copy = Block::copy_of(&block[range]);
        self.put(copy).await
    }
}

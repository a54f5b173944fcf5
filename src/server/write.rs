//! Answers on their way to a client, and when it is too slow to take them.
//! Source: docs/reference/hardening.md 4.2 (slow read); docs/limits.md, `write_idle`.

use std::pin::pin;
use std::time::Duration;

use super::connection::CloseReason;
use crate::net::clock::{self, Tick};
use crate::net::placed::place;
use crate::net::stream::Progress;
use crate::net::timer;
use crate::net::{Block, SendHalf, WriteList};
use crate::proxy::render::Message;

/// A write makes this much progress within `write_idle`, or is over, or the client is too slow: one
/// that takes a byte now and then would keep its answer for ever.
const WRITE_STEP: usize = 64 * 1024;

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Complete; the connection may go on.
    KeepAlive,
    /// Complete, with the end of the connection as its end.
    Closes,
}

/// Deadlines of writes.
#[derive(Clone, Copy)]
pub struct Write {
    /// Longest time without progress.
    pub idle: Duration,
    /// `write_timeout`.
    pub total: Option<Tick>,
}

/// One write under way.
struct Writing {
    write: Write,
    progress: Progress,
    /// Bytes that had left when the time began.
    sent: u64,
    until: Tick,
}

impl Writing {
    /// The time is over: another one for a client that made progress.
    fn next(&mut self) -> Result<(), CloseReason> {
        let (now, sent) = (clock::now(), self.progress.sent());
        let is_late = self.write.total.is_some_and(|total| now >= total);
        if is_late || sent.wrapping_sub(self.sent) < WRITE_STEP as u64 {
            return Err(CloseReason::WriteTimeout);
        }
        self.sent = sent;
        self.until = self.write.until(now);
        Ok(())
    }
}

impl Write {
    fn until(self, now: Tick) -> Tick {
        self.total.map_or(now + self.idle, |total| total.min(now + self.idle))
    }

    fn begin(self, send: &SendHalf) -> Writing {
        let progress = send.progress();
        let sent = progress.sent();
        Writing { write: self, progress, sent, until: self.until(clock::now()) }
    }

    /// Sends a block.
    pub async fn block(self, send: &mut SendHalf, block: Block) -> Result<(), CloseReason> {
        let mut writing = self.begin(send);
        let mut sending = pin!(send.send(block));
        loop {
            match timer::timeout_at(writing.until, sending.as_mut()).await {
                Ok((Ok(()), _)) => return Ok(()),
                Ok((Err(_), _)) => return Err(CloseReason::ClientAbort),
                Err(_) => writing.next()?,
            }
        }
    }

    /// Sends ranges of blocks.
    pub async fn list(self, send: &mut SendHalf, list: WriteList) -> Result<(), CloseReason> {
        let mut writing = self.begin(send);
        let mut sending = place(send.send_list(list));
        loop {
            match timer::timeout_at(writing.until, &mut sending).await {
                Ok((Ok(()), _)) => return Ok(()),
                Ok((Err(_), _)) => return Err(CloseReason::ClientAbort),
                Err(_) => writing.next()?,
            }
        }
    }

    /// Sends a whole answer.
    pub async fn message(self, send: &mut SendHalf, message: Message) -> Result<Sent, CloseReason> {
        match message {
            Message::Block(block) => self.block(send, block).await?,
            Message::List(list) => self.list(send, list).await?,
        }
        Ok(Sent::KeepAlive)
    }
}

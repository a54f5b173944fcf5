//! Answers on their way to a client, and when it is too slow to take them.
//! Source: docs/reference/hardening.md 4.2 (slow read); docs/limits.md, `write_idle`.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use super::connection::CloseReason;
use crate::net::clock::{self, Tick};
use crate::net::placed::place;
use crate::net::stream::Progress;
use crate::net::timer::Deadline;
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
pub struct Write<'a> {
    /// Longest time without progress.
    pub idle: Duration,
    /// `write_timeout`.
    pub total: Option<Tick>,
    /// The connection's deadline, which watches each write.
    pub deadline: &'a mut Deadline,
}

/// One write under way.
struct Writing {
    progress: Progress,
    /// Bytes that had left when the time began.
    sent: u64,
}

impl Write<'_> {
    fn until(&self, now: Tick) -> Tick {
        self.total.map_or(now + self.idle, |total| total.min(now + self.idle))
    }

    fn begin(&mut self, send: &SendHalf) -> Writing {
        self.deadline.reset(self.until(clock::now()));
        let progress = send.progress();
        let sent = progress.sent();
        Writing { progress, sent }
    }

    /// The time is over: another one for a client that made progress.
    fn next(&mut self, writing: &mut Writing) -> Result<(), CloseReason> {
        let (now, sent) = (clock::now(), writing.progress.sent());
        let is_late = self.total.is_some_and(|total| now >= total);
        if is_late || sent.wrapping_sub(writing.sent) < WRITE_STEP as u64 {
            return Err(CloseReason::WriteTimeout);
        }
        writing.sent = sent;
        self.deadline.reset(self.until(now));
        Ok(())
    }

    fn poll_late(
        &mut self,
        writing: &mut Writing,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CloseReason>> {
        while Pin::new(&mut *self.deadline).poll(cx).is_ready() {
            if let Err(reason) = self.next(writing) {
                return Poll::Ready(Err(reason));
            }
        }
        Poll::Pending
    }

    /// Sends a block.
    pub async fn block(&mut self, send: &mut SendHalf, block: Block) -> Result<(), CloseReason> {
        let mut writing = self.begin(send);
        let mut sending = pin!(send.send(block));
        poll_fn(|cx| match sending.as_mut().poll(cx) {
            Poll::Ready((Ok(()), _)) => Poll::Ready(Ok(())),
            Poll::Ready((Err(_), _)) => Poll::Ready(Err(CloseReason::ClientAbort)),
            Poll::Pending => self.poll_late(&mut writing, cx),
        })
        .await
    }

    /// Sends ranges of blocks.
    pub async fn list(&mut self, send: &mut SendHalf, list: WriteList) -> Result<(), CloseReason> {
        let mut writing = self.begin(send);
        let mut sending = place(send.send_list(list));
        poll_fn(|cx| match sending.as_mut().poll(cx) {
            Poll::Ready((Ok(()), _)) => Poll::Ready(Ok(())),
            Poll::Ready((Err(_), _)) => Poll::Ready(Err(CloseReason::ClientAbort)),
            Poll::Pending => self.poll_late(&mut writing, cx),
        })
        .await
    }

    /// Sends a whole answer.
    pub async fn message(
        &mut self,
        send: &mut SendHalf,
        message: Message,
    ) -> Result<Sent, CloseReason> {
        match message {
            Message::Block(block) => self.block(send, block).await?,
            Message::List(list) => self.list(send, list).await?,
        }
        Ok(Sent::KeepAlive)
    }
}

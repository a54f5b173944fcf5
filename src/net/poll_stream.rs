//! A stream in the poll style of tokio's traits, for crates that want it (`h2`). Reads and writes are
//! still owned blocks below: one read in flight, one block being sent while the next one fills.
//! Why not monoio's `poll-io`: docs/design/tls-and-h2.md.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::block::{self, Block};
use super::placed::{Placed, place};
use super::stream::{RecvHalf, SendHalf, Stream};

/// Bytes gathered before they are sent without being flushed.
const GATHER: usize = block::LARGE;

type Owned<T> = Placed<dyn Future<Output = T>>;

/// See the module.
pub struct PollStream {
    reading: Reading,
    writing: Writing,
    /// What was written and not sent yet.
    gathered: Block,
}

enum Reading {
    /// Bytes of the last read, from the number on, and the half to read more with.
    Has(RecvHalf, Block, usize),
    Waits(Owned<(RecvHalf, io::Result<Block>)>),
    Ended,
}

enum Writing {
    Idle(SendHalf),
    Sends(Owned<(SendHalf, io::Result<()>, Block)>),
    Shuts(Owned<io::Result<()>>),
    Ended,
}

impl PollStream {
    pub fn new(stream: Stream) -> Self {
        let Stream { recv, send } = stream;
        Self {
            reading: Reading::Has(recv, Block::empty(), 0),
            writing: Writing::Idle(send),
            gathered: Block::empty(),
        }
    }

    /// Starts the next read or send, if none is in flight.
    fn start_read(&mut self) {
        if let Reading::Has(mut recv, ..) = std::mem::replace(&mut self.reading, Reading::Ended) {
            let read = place(async move {
                let received = recv.recv().await;
                (recv, received)
            });
            self.reading = Reading::Waits(read.erase());
        }
    }

    fn start_send(&mut self) {
        if let Writing::Idle(mut send) = std::mem::replace(&mut self.writing, Writing::Ended) {
            let block = std::mem::take(&mut self.gathered);
            let write = place(async move {
                let (sent, block) = send.send(block).await;
                (send, sent, block)
            });
            self.writing = Writing::Sends(write.erase());
        }
    }

    /// Ready when nothing is in flight.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.writing {
            Writing::Idle(_) => Poll::Ready(Ok(())),
            Writing::Sends(write) => {
                let (send, sent, mut block) = ready!(Pin::new(write).poll(cx));
                self.writing = Writing::Idle(send);
                if self.gathered.capacity() == 0 {
                    block.clear();
                    self.gathered = block;
                }
                Poll::Ready(sent)
            }
            Writing::Shuts(_) | Writing::Ended => {
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
        }
    }

    /// Takes bytes if there is room; how many.
    fn gather(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(GATHER - self.gathered.len());
        self.gathered.reserve(taken);
        self.gathered.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// Ready when there is room for at least one byte.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Also notices a send that failed.
        let sent = self.poll_sent(cx);
        if let Poll::Ready(Err(error)) = sent {
            return Poll::Ready(Err(error));
        }
        if self.gathered.len() < GATHER {
            return Poll::Ready(Ok(()));
        }
        ready!(sent)?;
        self.start_send();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for PollStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match &mut self.reading {
                Reading::Has(_, block, at) if *at < block.len() => {
                    let taken = into.remaining().min(block.len() - *at);
                    into.put_slice(&block[*at..*at + taken]);
                    *at += taken;
                    if *at == block.len() {
                        *block = Block::empty();
                        *at = 0;
                    }
                    return Poll::Ready(Ok(()));
                }
                Reading::Has(..) => self.start_read(),
                Reading::Waits(read) => {
                    let (recv, received) = ready!(Pin::new(read).poll(cx));
                    let block = match received {
                        Ok(block) => block,
                        Err(error) => {
                            self.reading = Reading::Ended;
                            return Poll::Ready(Err(error));
                        }
                    };
                    if block.is_empty() {
                        self.reading = Reading::Ended;
                        return Poll::Ready(Ok(()));
                    }
                    self.reading = Reading::Has(recv, block, 0);
                }
                Reading::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for PollStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        Poll::Ready(Ok(self.gather(bytes)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        let mut taken = 0;
        for part in parts {
            let now = self.gather(part);
            taken += now;
            if now < part.len() {
                break;
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_sent(cx))?;
            if self.gathered.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.start_send();
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.writing {
                Writing::Shuts(shut) => {
                    let shut_down = ready!(Pin::new(shut).poll(cx));
                    self.writing = Writing::Ended;
                    return Poll::Ready(shut_down);
                }
                Writing::Ended => return Poll::Ready(Ok(())),
                Writing::Sends(_) | Writing::Idle(_) => ready!(self.as_mut().poll_flush(cx))?,
            }
            if let Writing::Idle(mut send) = std::mem::replace(&mut self.writing, Writing::Ended) {
                self.writing = Writing::Shuts(place(async move { send.shutdown().await }).erase());
            }
        }
    }
}

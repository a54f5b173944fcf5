//! The content of a request on its way to a backend: held in memory, or streamed from the client.

use std::task::{Context, Poll};

use crate::net::Block;

/// Why the client's content could not be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The client closed or reset the connection before its message was complete.
    ClientLeft,
    /// The content breaks RFC 9112 (chunked coding).
    Malformed,
    /// Nothing came for the idle time, or it came too slowly.
    TooSlow,
    /// It is over the limit where it has to be held.
    TooLarge,
    /// There is no memory to hold more of it.
    Overload,
}

/// Where streamed content comes from. Implemented above, by whoever reads the client.
pub trait BodySource {
    /// The next piece, its framing removed; `None` at the end of the message.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Block>, BodyError>>;
}

/// The content of one call.
pub enum Outgoing<'a> {
    /// None.
    Empty,
    /// All of it, here.
    Held(&'a [u8]),
    /// As it comes; can be sent once only.
    Streamed(&'a mut dyn BodySource),
}

impl Outgoing<'_> {
    /// Whether it can be sent a second time.
    pub fn is_replayable(&self) -> bool {
        !matches!(self, Outgoing::Streamed(_))
    }
}

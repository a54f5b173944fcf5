//! A TLS session between the two halves of a stream: sealed blocks in, plain blocks out, and the
//! other way round. Does no waiting: the halves move the sealed bytes.
//!
//! What the session itself wants to say after the handshake (an answer to a key update) leaves with
//! the next data, as RFC 8446 section 4.6.3 allows; a fatal alert is tried once without waiting.

use std::cell::RefCell;
use std::io::{self, BufRead, Write};

use rustls::Connection;

use super::super::block::{self, Block};
use super::super::socket::Socket;
use super::refused;

/// Plaintext of one record.
const RECORD: usize = 16 * 1024;
/// Most that a record is longer sealed than plain: header, explicit nonce, tag, content type.
const RECORD_EXTRA: usize = 40;
/// Room for what the session wants to say besides.
const CONTROL: usize = 256;

/// A block in which `plain` bytes find room sealed, or as much as one send takes.
pub(crate) fn block_for(plain: usize) -> Block {
    let records = plain.div_ceil(RECORD).max(1);
    let sealed = plain.saturating_add(records * RECORD_EXTRA).saturating_add(CONTROL);
    Block::with_capacity(sealed.min(block::LARGE))
}

/// One session, shared by both halves of a stream.
pub(crate) struct Session {
    state: RefCell<State>,
}

struct State {
    connection: Connection,
    /// Sealed bytes that were received and not taken in yet, from `taken` on.
    sealed: Block,
    taken: usize,
    /// The socket's end was seen.
    is_ended: bool,
}

impl Session {
    pub fn new(connection: Connection) -> Self {
        let state = State { connection, sealed: Block::empty(), taken: 0, is_ended: false };
        Self { state: RefCell::new(state) }
    }

    pub fn is_handshaking(&self) -> bool {
        self.state.borrow().connection.is_handshaking()
    }

    pub fn alpn(&self) -> Option<Vec<u8>> {
        self.state.borrow().connection.alpn_protocol().map(<[u8]>::to_vec)
    }

    /// Takes a block of the socket; an empty one is the socket's end.
    pub fn accept(&self, sealed: Block) {
        let state = &mut *self.state.borrow_mut();
        if sealed.is_empty() {
            state.is_ended = true;
            return;
        }
        if state.taken == state.sealed.len() {
            state.sealed = sealed;
        } else {
            // The rest was not asked for yet; a tail of at most one block.
            state.sealed.drain(..state.taken);
            state.sealed.reserve(sealed.len());
            state.sealed.extend_from_slice(&sealed);
        }
        state.taken = 0;
    }

    /// Works off what was received, as far as the session has room for plaintext.
    pub fn feed(&self, socket: &Socket) -> io::Result<()> {
        self.state.borrow_mut().feed(socket)
    }

    /// The next plaintext: bytes; an empty block after close_notify; nothing when the socket has to
    /// be read first. A socket that ended without close_notify is `UnexpectedEof`: what came may be
    /// cut off.
    pub fn take_plain(&self, socket: &Socket) -> io::Result<Option<Block>> {
        let state = &mut *self.state.borrow_mut();
        let mut plain = Block::empty();
        let is_over = loop {
            state.feed(socket)?;
            match state.connection.reader().fill_buf() {
                Ok([]) => break true,
                Ok(bytes) => {
                    if plain.capacity() == 0 {
                        let wanted = bytes.len() + state.sealed.len() - state.taken;
                        plain = Block::with_capacity(wanted.min(block::LARGE));
                    }
                    let taken = bytes.len().min(plain.room());
                    plain.extend_from_slice(&bytes[..taken]);
                    state.connection.reader().consume(taken);
                    if plain.room() == 0 {
                        break false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(error) => return Err(error),
            }
        };
        match plain.is_empty() {
            false => Ok(Some(plain)),
            true if is_over => Ok(Some(Block::empty())),
            true if state.is_ended => Err(io::ErrorKind::UnexpectedEof.into()),
            true => Ok(None),
        }
    }

    /// Whether plaintext (or the end) can be had without reading the socket.
    pub fn has_plain(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        let waits = !matches!(state.connection.reader().fill_buf(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        waits || state.taken < state.sealed.len() || state.is_ended
    }

    /// Seals as much of `plain` as fits into `sealed`; the rest comes back.
    pub fn seal<'a>(&self, plain: &'a [u8], sealed: &mut Block) -> io::Result<&'a [u8]> {
        let state = &mut *self.state.borrow_mut();
        let room = sealed.room().saturating_sub(CONTROL);
        let records = room.div_ceil(RECORD + RECORD_EXTRA);
        let fits = room.saturating_sub(records * RECORD_EXTRA).min(plain.len());
        // The session has a limit of its own, and says how much it took.
        let taken = state.connection.writer().write(&plain[..fits])?;
        state.take_sealed(sealed)?;
        Ok(&plain[taken..])
    }

    /// What the session wants to send: handshake, alerts, key updates.
    pub fn take_sealed(&self, sealed: &mut Block) -> io::Result<()> {
        self.state.borrow_mut().take_sealed(sealed)
    }

    /// Says close_notify into `sealed`.
    pub fn close(&self, sealed: &mut Block) -> io::Result<()> {
        let state = &mut *self.state.borrow_mut();
        state.connection.send_close_notify();
        state.take_sealed(sealed)
    }

    /// Whether an idle connection has more to say than tickets for later sessions (which TLS 1.3
    /// servers send when they like).
    pub fn is_stale(&self, socket: &Socket) -> bool {
        if self.has_plain() {
            return true;
        }
        if !socket.is_pending() {
            return false;
        }
        while let Some(arrived) = socket.take_arrived() {
            match arrived {
                Err(_) => return true,
                Ok(sealed) if sealed.is_empty() => return true,
                Ok(sealed) => self.accept(sealed),
            }
            if self.feed(socket).is_err() || self.has_plain() {
                return true;
            }
        }
        // An end, or bytes that only the driver may read.
        socket.is_pending()
    }
}

impl State {
    fn feed(&mut self, socket: &Socket) -> io::Result<()> {
        while self.taken < self.sealed.len() {
            let mut rest = &self.sealed[self.taken..];
            let before = rest.len();
            match self.connection.read_tls(&mut rest) {
                // No room for plaintext: it is taken first.
                Err(error) if error.kind() == io::ErrorKind::Other => return Ok(()),
                Err(error) => return Err(error),
                // After close_notify nothing is looked at any more.
                Ok(0) => self.taken = self.sealed.len(),
                Ok(_) => self.taken += before - rest.len(),
            }
            if let Err(error) = self.connection.process_new_packets() {
                let mut alert = Vec::new();
                if self.connection.write_tls(&mut alert).is_ok() {
                    let _ = socket.try_send(&alert);
                }
                return Err(refused(error));
            }
        }
        self.sealed = Block::empty();
        self.taken = 0;
        Ok(())
    }

    fn take_sealed(&mut self, sealed: &mut Block) -> io::Result<()> {
        while self.connection.wants_write() {
            let into: &mut Vec<u8> = sealed;
            self.connection.write_tls(into)?;
        }
        Ok(())
    }
}

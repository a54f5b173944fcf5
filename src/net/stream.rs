//! Connections as the floors above see them: two halves that work at the same time, one reading
//! blocks that the seam picks, one writing blocks that the caller owns. TCP, Unix or TLS below.

use std::future::poll_fn;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net as unix;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use monoio::io::CancelHandle;

use super::block::{self, Block};
use super::descriptors;
use super::monoio_socket::MonoioSocket;
use super::placed::place;
use super::ring::RingSocket;
use super::socket::{Below, Socket};
use super::tls::session::{self, Session};
use super::write_list::WriteList;

/// A connection. Take the halves apart freely; the socket closes when both are gone. Dropping a half
/// whose operation is in flight cancels it: such a connection must not be used again.
pub struct Stream {
    pub recv: RecvHalf,
    pub send: SendHalf,
}

/// The reading half.
pub struct RecvHalf {
    pub(super) socket: Rc<Socket>,
    pub(super) tls: Option<Rc<Session>>,
    sizer: Sizer,
}

/// The writing half.
pub struct SendHalf {
    pub(super) socket: Rc<Socket>,
    pub(super) tls: Option<Rc<Session>>,
}

/// See [`SendHalf::progress`].
pub struct Progress(Rc<Socket>);

impl Progress {
    /// Bytes that the kernel took since the connection was made, TLS records as they are on the wire.
    pub fn sent(&self) -> u64 {
        self.0.sent()
    }
}

impl Stream {
    fn new(socket: Socket, sizer: Sizer) -> Self {
        let socket = Rc::new(socket);
        Self {
            recv: RecvHalf { socket: socket.clone(), tls: None, sizer },
            send: SendHalf { socket, tls: None },
        }
    }

    /// A client's connection: reads begin with 2 KiB, since most wait idle for a short head.
    pub(super) fn of_client(socket: Socket) -> Self {
        Self::new(socket, Sizer::starting_at(block::SMALL))
    }

    /// A backend's connection: reads begin with 16 KiB.
    pub(super) fn of_upstream(socket: Socket) -> Self {
        Self::new(socket, Sizer::starting_at(block::MEDIUM))
    }

    /// Takes over a connected TCP socket, with the read sizes of a client's connection.
    pub fn from_tcp(stream: net::TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::of_client(Socket::adopt_tcp(stream)?))
    }

    /// Takes over a connected Unix socket, with the read sizes of a client's connection.
    pub fn from_unix(stream: unix::UnixStream) -> io::Result<Self> {
        Ok(Self::of_client(Socket::adopt_unix(stream)?))
    }

    /// Adds a TLS session to both halves.
    pub(super) fn with_session(mut self, session: Session) -> Self {
        let session = Rc::new(session);
        self.recv.tls = Some(session.clone());
        self.send.tls = Some(session);
        self
    }

    /// The peer's address; none for Unix sockets or when it has gone already.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.recv.peer_addr()
    }

    /// Our own address; none for Unix sockets.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.recv.socket.options().local_addr().ok()?.as_socket().map(canonical)
    }

    /// Whether a connection that should be idle is not: bytes, an end or an error wait to be read.
    /// No waiting; one system call, or none where a read is armed: that one has seen all that came
    /// before the worker's present turn. TLS tickets that came late are taken in and do not count.
    pub fn is_stale(&self) -> bool {
        match &self.recv.tls {
            Some(session) => session.is_stale(&self.recv.socket),
            None => self.recv.socket.is_pending(),
        }
    }

    /// Closes with a reset (RST) instead of an orderly end: the peer learns that the answer is lost.
    pub fn reset(self) {
        self.send.reset();
    }

    /// TCP keep-alive probes at this interval; none without one. No effect on Unix sockets.
    pub fn set_keep_alive(&self, interval: Option<Duration>) {
        if !self.recv.socket.is_tcp() {
            return;
        }
        let options = self.recv.socket.options();
        let _ = match interval {
            None => options.set_keepalive(false),
            Some(interval) => options.set_tcp_keepalive(
                &socket2::TcpKeepalive::new().with_time(interval).with_interval(interval),
            ),
        };
    }

    /// Whether its descriptor is one of those that are reserved for others: one more should not be
    /// asked for until there is room.
    pub fn is_on_reserve(&self) -> bool {
        descriptors::is_reserved(self.recv.socket.as_fd().as_raw_fd())
    }

    /// Whether the bytes are encrypted.
    pub fn is_tls(&self) -> bool {
        self.recv.tls.is_some()
    }

    /// The protocol that ALPN agreed on; none without TLS or ALPN.
    pub fn alpn(&self) -> Option<Vec<u8>> {
        self.recv.tls.as_ref().and_then(|session| session.alpn())
    }
}

/// IPv4 in IPv6 clothes (dual-stack listeners) shown as IPv4.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl RecvHalf {
    /// The next bytes: at least one, or an empty block at the peer's orderly end. A reset is the
    /// error `ECONNRESET`; a TLS connection cut without close_notify is `UnexpectedEof`.
    pub async fn recv(&mut self) -> io::Result<Block> {
        if self.ring_socket().is_some() {
            return poll_fn(|cx| self.poll_ring(cx)).await;
        }
        self.recv_until(None).await
    }

    /// The socket, if it is on our own ring.
    pub(super) fn ring_socket(&self) -> Option<&RingSocket> {
        match &self.socket.below {
            Below::Ring(socket) => Some(socket),
            Below::Monoio(_) => None,
        }
    }

    /// `recv` on our own ring: what is in flight belongs to the socket, so that one may stop polling
    /// at any time.
    pub(super) fn poll_ring(&mut self, cx: &Context<'_>) -> Poll<io::Result<Block>> {
        let Below::Ring(socket) = &self.socket.below else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        let Some(session) = &self.tls else { return socket.poll_recv(cx) };
        loop {
            if let Some(block) = session.take_plain(&self.socket)? {
                return Poll::Ready(Ok(block));
            }
            session.accept(ready!(socket.poll_recv(cx))?);
        }
    }

    /// `recv` under monoio; a cancelled one ends with `ECANCELED` and has lost nothing.
    pub(super) async fn recv_until(&mut self, cancel: Option<&CancelHandle>) -> io::Result<Block> {
        match self.tls.clone() {
            None => self.recv_raw(cancel).await,
            Some(session) => loop {
                if let Some(block) = session.take_plain(&self.socket)? {
                    return Ok(block);
                }
                let sealed = self.recv_raw(cancel).await?;
                session.accept(sealed);
            },
        }
    }

    /// One read of the socket.
    async fn recv_raw(&mut self, cancel: Option<&CancelHandle>) -> io::Result<Block> {
        let Below::Monoio(socket) = &self.socket.below else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let socket: &MonoioSocket = socket;
        let block = self.sizer.block();
        let (received, block) = match cancel {
            None => socket.recv(block).await,
            Some(handle) => socket.recv_cancelable(block, handle.clone()).await,
        };
        self.sizer.saw(received?, block.capacity());
        Ok(block)
    }

    /// Waits, without a block, until there is something to read: bytes, end or error.
    pub async fn readable(&mut self) -> io::Result<()> {
        if self.tls.as_ref().is_some_and(|session| session.has_plain()) {
            return Ok(());
        }
        self.socket.readable().await
    }

    /// Starts again with the smallest block, as an idle connection should.
    pub fn rest(&mut self) {
        self.sizer.reset();
        if let Some(socket) = self.ring_socket() {
            socket.rest();
        }
    }

    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.socket.options().peer_addr().ok()?.as_socket().map(canonical)
    }
}

impl SendHalf {
    /// Bytes that the kernel took so far, also of sends that failed later; with TLS, sealed ones.
    pub fn sent(&self) -> u64 {
        self.socket.sent()
    }

    /// Sends the whole block and gives it back, whatever happens.
    pub async fn send(&mut self, mut block: Block) -> (io::Result<()>, Block) {
        block.settle();
        match self.tls.clone() {
            None => self.send_raw(block).await,
            Some(session) => {
                // In pooled memory: plain connections do not keep the room for it.
                let sealing =
                    place(self.send_sealed(&session, block.len(), std::iter::once(&block[..])));
                let sent = sealing.await;
                (sent, block)
            }
        }
    }

    /// Sends all ranges of the list and gives it back, whatever happens. At most 64 a system call.
    pub async fn send_list(&mut self, list: WriteList) -> (io::Result<()>, WriteList) {
        if let Some(session) = self.tls.clone() {
            let sent = place(self.send_sealed(&session, list.len(), list.slices())).await;
            return (sent, list);
        }
        let mut writing = list.start();
        while !writing.is_done() {
            let (sent, back) = self.socket.send_vectors(writing).await;
            writing = back;
            match sent {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), writing.finish()),
                Ok(sent) => {
                    self.socket.note_sent(sent);
                    writing.advance(sent);
                }
                Err(error) => return (Err(error), writing.finish()),
            }
        }
        (Ok(()), writing.finish())
    }

    pub(super) async fn send_raw(&mut self, mut block: Block) -> (io::Result<()>, Block) {
        let mut at = 0;
        while at < block.len() {
            let (sent, back) = self.socket.send(block, at).await;
            block = back;
            match sent {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), block),
                Ok(sent) => {
                    self.socket.note_sent(sent);
                    at += sent;
                }
                Err(error) => return (Err(error), block),
            }
        }
        (Ok(()), block)
    }

    async fn send_sealed<'a>(
        &mut self,
        session: &Session,
        len: usize,
        plain: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<()> {
        let mut sealed = session::block_for(len);
        for bytes in plain {
            let mut bytes = bytes;
            while !bytes.is_empty() {
                bytes = session.seal(bytes, &mut sealed)?;
                if !bytes.is_empty() {
                    sealed = self.flush(sealed).await?;
                }
            }
        }
        self.flush(sealed).await.map(drop)
    }

    /// Sends a block of records and gives it back empty.
    async fn flush(&mut self, sealed: Block) -> io::Result<Block> {
        let (sent, mut sealed) = self.send_raw(sealed).await;
        sent?;
        sealed.clear();
        Ok(sealed)
    }

    /// A look at the progress of sends, also while one is under way.
    pub fn progress(&self) -> Progress {
        Progress(self.socket.clone())
    }

    /// Ends our side: close_notify on TLS, then FIN. The reading half goes on.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        if let Some(session) = self.tls.clone() {
            let mut sealed = Block::small();
            session.close(&mut sealed)?;
            self.flush(sealed).await?;
        }
        self.socket.shut_down()
    }

    /// Makes the socket close with a reset when the other half is gone too.
    pub fn reset(self) {
        let _ = self.socket.options().set_linger(Some(Duration::ZERO));
    }

    /// TCP_NODELAY; on by default. No effect on Unix sockets.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        if self.socket.is_tcp() { self.socket.options().set_tcp_nodelay(on) } else { Ok(()) }
    }
}

/// Chooses the size of the next read: one class up when a read fills its block, one down (not below
/// the start) when two in a row needed less than a quarter.
#[derive(Clone, Copy, Debug)]
struct Sizer {
    start: usize,
    size: usize,
    was_little: bool,
}

impl Sizer {
    fn starting_at(start: usize) -> Self {
        Self { start, size: start, was_little: false }
    }

    fn block(&self) -> Block {
        Block::with_capacity(self.size)
    }

    fn saw(&mut self, received: usize, capacity: usize) {
        if received == capacity {
            self.size = next_class(self.size);
            self.was_little = false;
        } else if received < capacity / 4 {
            if self.was_little {
                self.size = class_below(self.size).max(self.start);
            }
            self.was_little = !self.was_little;
        } else {
            self.was_little = false;
        }
    }

    fn reset(&mut self) {
        *self = Self::starting_at(self.start);
    }
}

fn next_class(size: usize) -> usize {
    if size < block::MEDIUM { block::MEDIUM } else { block::LARGE }
}

fn class_below(size: usize) -> usize {
    if size > block::MEDIUM { block::MEDIUM } else { block::SMALL }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizer_follows_the_reads() {
        for (case, reads, expected) in [
            ("a short head", &[(300, 2048)][..], 2048),
            ("a full block", &[(2048, 2048)], 16384),
            ("full again", &[(2048, 2048), (16384, 16384)], 65536),
            ("not beyond the largest", &[(2048, 2048), (16384, 16384), (65536, 65536)], 65536),
            ("one short read", &[(2048, 2048), (100, 16384)], 16384),
            ("two short reads", &[(2048, 2048), (100, 16384), (100, 16384)], 2048),
        ] {
            let mut sizer = Sizer::starting_at(block::SMALL);
            for (received, capacity) in reads {
                sizer.saw(*received, *capacity);
            }
            assert_eq!(sizer.size, expected, "{case}");
        }
    }
}

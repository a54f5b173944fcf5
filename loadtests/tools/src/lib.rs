//! What the programs of the load tests share: one pinned thread on a ring with the flags that were
//! measured as the cheapest, and a stack of connections to the backend.
//!
//! These programs are yardsticks: the least that a proxy or an aggregation can do on this driver. They
//! trust both sides (one read holds a whole head) and must never serve anybody else.
#![forbid(unsafe_code)]

pub mod answers;
pub mod arguments;
pub mod generator;
pub mod histogram;
pub mod message;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{ListenerOpts, TcpListener, TcpStream};

/// Submission queue entries.
const ENTRIES: u32 = 4096;

/// Bytes of one read: a whole message of the works that are measured.
pub const READ: usize = 16 * 1024;

/// Bytes of one read of a body that is passed on.
const PIECE: usize = 64 * 1024;

/// Runs `future` on this thread, pinned to `core`.
pub fn run<F: Future>(core: usize, future: F) -> io::Result<F::Output> {
    Ok(builder(core).build()?.block_on(future))
}

/// The same with timers, which cost each turn of the loop a little.
pub fn run_with_timers<F: Future>(core: usize, future: F) -> io::Result<F::Output> {
    Ok(builder(core).enable_timer().build()?.block_on(future))
}

fn builder(core: usize) -> monoio::RuntimeBuilder<monoio::IoUringDriver> {
    core_affinity::set_for_current(core_affinity::CoreId { id: core });
    let mut flags = io_uring::IoUring::builder();
    flags.setup_single_issuer().setup_defer_taskrun();
    monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
        .with_entries(ENTRIES)
        .uring_builder(flags)
}

/// Accepts connections and gives each to `serve`.
pub async fn accept<S: Future<Output = io::Result<()>> + 'static>(
    port: u16,
    serve: impl Fn(TcpStream) -> S,
) -> io::Result<()> {
    let options = ListenerOpts::new().reuse_port(false).backlog(4096);
    let listener = TcpListener::bind_with_config(("127.0.0.1", port), &options)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let serving = serve(stream);
        monoio::spawn(async move {
            // A connection that breaks is the load generator's end.
            let _ = serving.await;
        });
    }
}

/// Connections to one backend, the last used first.
pub struct Pool {
    address: SocketAddr,
    idle: RefCell<Vec<Upstream>>,
}

/// A connection with its buffers.
pub struct Upstream {
    /// The connection.
    pub stream: TcpStream,
    /// What was received.
    pub input: Vec<u8>,
    /// What is sent.
    pub output: Vec<u8>,
}

impl Pool {
    /// An empty pool.
    pub fn new(address: SocketAddr) -> Pool {
        Pool { address, idle: RefCell::default() }
    }

    /// An idle connection, or a new one.
    pub async fn take(&self) -> io::Result<Upstream> {
        if let Some(idle) = self.idle.borrow_mut().pop() {
            return Ok(idle);
        }
        let stream = TcpStream::connect_addr(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(Upstream { stream, input: Vec::with_capacity(READ), output: Vec::with_capacity(2048) })
    }

    /// Puts a connection back.
    pub fn give(&self, upstream: Upstream) {
        self.idle.borrow_mut().push(upstream);
    }
}

impl Upstream {
    /// Sends what stands in `output` and reads a response; the length of its head, and how many
    /// bytes of its body are still to come.
    pub async fn exchange(&mut self) -> io::Result<(usize, usize)> {
        let (sent, output) = self.stream.write_all(std::mem::take(&mut self.output)).await;
        self.output = output;
        sent?;
        self.input = receive(&mut self.stream, std::mem::take(&mut self.input)).await?;
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(head)) = response.parse(&self.input) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let length =
            response.headers.iter().find(|f| f.name.eq_ignore_ascii_case("content-length"));
        let length: Option<usize> =
            length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok());
        let missing = length.and_then(|length| length.checked_sub(self.input.len() - head));
        missing.map(|missing| (head, missing)).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Passes so many bytes on as they come.
    pub async fn pass(&mut self, mut missing: usize, to: &mut TcpStream) -> io::Result<()> {
        let mut piece = Vec::with_capacity(PIECE);
        while missing > 0 {
            piece.clear();
            let (received, came) = self.stream.read(piece).await;
            match received? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => missing = missing.saturating_sub(n),
            }
            let (sent, back) = to.write_all(came).await;
            sent?;
            piece = back;
        }
        Ok(())
    }
}

/// Reads once into the memory of `buffer`; the end of the connection is an error.
pub async fn receive(stream: &mut TcpStream, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    buffer.clear();
    buffer.reserve(READ);
    let (received, buffer) = stream.read(buffer).await;
    match received? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(buffer),
    }
}

//! One HTTP/1.1 exchange with a backend: a connection from the pool, the request out, the response
//! head in; interim responses, early answers, and the one replay that is safe.
//! Source: docs/reference/lura-core.md 4.2, 8.1 item 18; docs/reference/hardening.md A8, A15, 4.1.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::body::Response;
use super::error::CallError;
use super::heads::PooledHead;
use super::pool::{Lease, Origin};
use super::request_body::Outgoing;
use crate::http::Method;
use crate::http::h1::{HeadLimits, Progress, ResponseHead, encode, parse_response};
use crate::net::clock;
use crate::net::placed::place;
use crate::net::stream::{RecvHalf, SendHalf};
use crate::net::{Block, WriteList, timer};

/// A held body up to this size goes out in one block with its head.
const JOINED_MAX: usize = 16 * 1024;

/// Content of a held body sent at once.
const PIECE: usize = 64 * 1024;

/// One request, ready to go.
pub struct Call<'a> {
    /// Where to.
    pub origin: &'a Rc<Origin>,
    /// The complete head.
    pub head: Block,
    /// The content.
    pub body: Outgoing<'a>,
    /// The head says `Transfer-Encoding: chunked`.
    pub is_chunked: bool,
    /// The head says `Expect: 100-continue`.
    pub expects_continue: bool,
    /// Method, as far as framing and replay depend on it.
    pub method: Method,
    /// Limits for the response head.
    pub limits: &'a HeadLimits,
    /// Interim responses (1xx) that it puts up with.
    pub interims: Interims,
}

/// How many interim responses a call puts up with, and how many bytes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interims {
    /// `limits.backend_interims`.
    pub count: u32,
    /// `limits.backend_interim_bytes`.
    pub bytes: u32,
}

/// Sends a request and reads the head of its response.
pub async fn call(call: Call<'_>) -> Result<Response, CallError> {
    let Call { origin, head, mut body, is_chunked, expects_continue, method, limits, interims } =
        call;
    // RFC 9110 section 9.2.2: only where nothing was sent, or sending it twice does no harm.
    let is_safe = method.is_safe() && matches!(body, Outgoing::Empty);
    let lease = origin.connect().await?;
    let was_reused = lease.is_reused;
    let plan = Sending { is_chunked, expects_continue, interims };
    let (result, head, sent) = attempt(lease, head, &mut body, plan, method, limits).await;
    let error = match result {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    let may_replay = body.is_replayable() && (is_safe || sent == Sent::Nothing);
    let may_replay = may_replay && origin.transport.replays;
    if !was_reused || !error.is_before_response() || !may_replay {
        return Err(error);
    }
    // Rare, so its state is not part of every call's.
    place(async move {
        let lease = origin.open().await?;
        attempt(lease, head, &mut body, plan, method, limits).await.0
    })
    .await
}

#[derive(Clone, Copy)]
struct Sending {
    is_chunked: bool,
    expects_continue: bool,
    interims: Interims,
}

/// How much of a request left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// The kernel took no byte of it.
    Nothing,
    /// Some of it.
    Something,
    /// All of it.
    All,
}

async fn attempt(
    mut lease: Lease,
    head: Block,
    body: &mut Outgoing<'_>,
    plan: Sending,
    method: Method,
    limits: &HeadLimits,
) -> (Result<Response, CallError>, Block, Sent) {
    let origin = lease.origin().clone();
    let transport = &origin.transport;
    let stream = lease.stream();
    let progress = Shared::default();
    let (mut head_back, mut sent, mut body_error) = (None, Sent::Something, None);
    let received = {
        let wait = transport.continue_timeout.filter(|_| plan.expects_continue);
        let mut sending = pin!(send(&mut stream.send, head, body, plan, wait, &progress));
        let mut receiving =
            pin!(read_head(&mut stream.recv, method, limits, plan.interims, &progress));
        let mut is_sending = true;
        let both = poll_fn(|cx| {
            if is_sending && let Poll::Ready(outcome) = sending.as_mut().poll(cx) {
                is_sending = false;
                sent = outcome.sent;
                head_back = Some(outcome.head);
                if let Some(error) = outcome.body_error {
                    body_error = Some(error);
                    return Poll::Ready(Err(CallError::RequestBody(error)));
                }
            }
            receiving.as_mut().poll(cx)
        });
        match transport.response_head_timeout {
            None => both.await,
            Some(max) => match place(timer::timeout_at(clock::now() + max, both)).await {
                Ok(result) => result,
                Err(_) => Err(CallError::HeadTimeout),
            },
        }
    };
    lease.count_sent(progress.sent.get());
    if let Ok(received) = &received {
        lease.count_received(received.block.len());
    }
    let head_block = head_back.unwrap_or_default();
    let result = received.map(|received| {
        // A request that was not sent whole leaves a connection that nobody can use again.
        let is_reusable = sent == Sent::All && transport.keeps_alive;
        Response::new(lease, received.head, received.block, received.at, is_reusable)
    });
    (result, head_block, sent)
}

/// What the two directions of one attempt tell each other: both run in the same task.
#[derive(Default)]
struct Shared {
    /// `100 Continue` came.
    go_on: std::cell::Cell<bool>,
    waker: std::cell::Cell<Option<std::task::Waker>>,
    /// Bytes that left.
    sent: std::cell::Cell<u64>,
}

impl Shared {
    fn count(&self, n: usize) {
        self.sent.set(self.sent.get() + n as u64);
    }
}

struct SendOutcome {
    head: Block,
    sent: Sent,
    body_error: Option<super::BodyError>,
}

async fn send(
    half: &mut SendHalf,
    mut head: Block,
    body: &mut Outgoing<'_>,
    plan: Sending,
    wait: Option<Duration>,
    progress: &Shared,
) -> SendOutcome {
    let head_len = head.len();
    let joined = match body {
        Outgoing::Held(bytes) if bytes.len() <= JOINED_MAX && wait.is_none() => {
            put(&mut head, bytes, plan.is_chunked);
            true
        }
        Outgoing::Empty => true,
        _ => false,
    };
    let (result, mut head) = half.send(head).await;
    progress.count(head.len());
    head.truncate(head_len);
    let outcome = |head, sent| SendOutcome { head, sent, body_error: None };
    if result.is_err() {
        return outcome(head, Sent::Nothing);
    }
    if joined {
        return outcome(head, Sent::All);
    }
    let (sent, body_error) = place(send_content(half, body, plan, wait, progress)).await;
    SendOutcome { head, sent, body_error }
}

/// Content that does not go with its head.
async fn send_content(
    half: &mut SendHalf,
    body: &mut Outgoing<'_>,
    plan: Sending,
    wait: Option<Duration>,
    progress: &Shared,
) -> (Sent, Option<super::BodyError>) {
    if let Some(wait) = wait {
        let until = clock::now() + wait;
        let _ = timer::timeout_at(
            until,
            poll_fn(|cx| {
                if progress.go_on.get() {
                    return Poll::Ready(());
                }
                progress.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }),
        )
        .await;
    }
    match body {
        Outgoing::Empty => {}
        Outgoing::Held(bytes) => {
            for piece in bytes.chunks(PIECE) {
                let mut block = Block::with_capacity(piece.len() + 32);
                if plan.is_chunked {
                    encode::chunk(&mut block, piece);
                } else {
                    block.extend_from_slice(piece);
                }
                progress.count(block.len());
                if half.send(block).await.0.is_err() {
                    return (Sent::Something, None);
                }
            }
            if plan.is_chunked && half.send(last_chunk()).await.0.is_err() {
                return (Sent::Something, None);
            }
        }
        Outgoing::Streamed(source) => loop {
            let piece = match poll_fn(|cx| source.poll_next(cx)).await {
                Ok(Some(piece)) => piece,
                Ok(None) => {
                    if plan.is_chunked && half.send(last_chunk()).await.0.is_err() {
                        return (Sent::Something, None);
                    }
                    break;
                }
                Err(error) => {
                    return (Sent::Something, Some(error));
                }
            };
            progress.count(piece.len());
            let sent = if plan.is_chunked {
                half.send_list(chunk_of(piece)).await.0
            } else {
                half.send(piece).await.0
            };
            if sent.is_err() {
                return (Sent::Something, None);
            }
        },
    }
    (Sent::All, None)
}

/// A chunk around a piece that stays where it is: copying it would hold it twice.
fn chunk_of(piece: Block) -> WriteList {
    let mut list = WriteList::new();
    let mut line = Block::small();
    encode::chunk_head(&mut line, piece.len());
    list.push_block(line);
    list.push_block(piece);
    list.push_static(b"\r\n");
    list
}

fn last_chunk() -> Block {
    let mut block = Block::small();
    encode::last_chunk(&mut block);
    block
}

fn put(head: &mut Block, bytes: &[u8], is_chunked: bool) {
    head.reserve(bytes.len() + 64);
    if is_chunked {
        if !bytes.is_empty() {
            encode::chunk(head, bytes);
        }
        encode::last_chunk(head);
    } else {
        head.extend_from_slice(bytes);
    }
}

struct Received {
    head: PooledHead,
    block: Block,
    at: usize,
}

async fn read_head(
    half: &mut RecvHalf,
    method: Method,
    limits: &HeadLimits,
    interims: Interims,
    progress: &Shared,
) -> Result<Received, CallError> {
    let mut head = PooledHead::take();
    let mut block = Block::empty();
    let mut left = interims;
    let mut has_begun = false;
    loop {
        let more = match half.recv().await {
            Ok(more) => more,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Block::empty(),
            Err(_) => return Err(CallError::Reset { at_start: !has_begun }),
        };
        if more.is_empty() {
            return Err(match has_begun {
                false => CallError::Closed,
                true => CallError::Truncated { received: 0 },
            });
        }
        has_begun = true;
        if block.is_empty() {
            block = more;
        } else {
            block.reserve(more.len());
            block.extend_from_slice(&more);
        }
        while !block.is_empty() {
            match parse_response(&block, limits, method, &mut head) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Done) if !is_interim(&head) => {
                    let at = head.len;
                    return Ok(Received { head, block, at });
                }
                // RFC 9110 section 15.2: interim responses precede the final one.
                Ok(Progress::Done) => {
                    let len = u32::try_from(head.len).unwrap_or(u32::MAX);
                    let bytes = left.bytes.checked_sub(len);
                    let (Some(count), Some(bytes)) = (left.count.checked_sub(1), bytes) else {
                        return Err(CallError::BadInterim);
                    };
                    left = Interims { count, bytes };
                    if head.status == 101 {
                        return Err(CallError::BadInterim);
                    }
                    if head.status == 100 {
                        progress.go_on.set(true);
                        if let Some(waker) = progress.waker.take() {
                            waker.wake();
                        }
                    }
                    let len = head.len;
                    block.drain(..len);
                    head.clear();
                }
                Err(_) => return Err(CallError::BadHead),
            }
        }
    }
}

fn is_interim(head: &ResponseHead) -> bool {
    (100..200).contains(&head.status)
}

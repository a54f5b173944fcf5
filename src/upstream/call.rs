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

/// Sends a request and reads the head of its response. The usual call (an idle connection, content
/// that goes with its head) waits in [`attempt`] alone; what else may have to be waited for lives in
/// pooled memory, so that it is no part of each call.
///
/// Not an `async fn`, here and below: that would keep its arguments twice.
#[allow(clippy::manual_async_fn)]
pub fn call(call: Call<'_>) -> impl Future<Output = Result<Response, CallError>> {
    async move {
        let Call { origin, is_chunked, expects_continue, method, limits, interims, .. } = call;
        let (mut head, mut body) = (call.head, call.body);
        // RFC 9110 section 9.2.2: only where nothing was sent, or sending it twice does no harm.
        let is_safe = method.is_safe() && matches!(body, Outgoing::Empty);
        let lease = match origin.take() {
            Some(lease) => lease,
            None => place(origin.open()).await?,
        };
        let was_reused = lease.is_reused;
        let plan = Sending { is_chunked, expects_continue, method, limits, interims };
        let (result, sent) = attempt(lease, &mut head, &mut body, plan).await;
        let error = match result {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        // A head that was still on its way when the answer failed did not come back.
        let may_replay =
            body.is_replayable() && !head.is_empty() && (is_safe || sent == Sent::Nothing);
        let may_replay = may_replay && origin.transport.replays;
        if !was_reused || !error.is_before_response() || !may_replay {
            return Err(error);
        }
        // Rare, so its state is not part of every call's.
        place(async {
            let lease = origin.open().await?;
            attempt(lease, &mut head, &mut body, plan).await.0
        })
        .await
    }
}

#[derive(Clone, Copy)]
struct Sending<'a> {
    is_chunked: bool,
    expects_continue: bool,
    method: Method,
    limits: &'a HeadLimits,
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

/// Sends `head`, which is given back there, and what goes with it; reads the response's head.
#[allow(clippy::manual_async_fn)]
fn attempt<'a>(
    mut lease: Lease,
    head: &'a mut Block,
    body: &'a mut Outgoing<'_>,
    plan: Sending<'a>,
) -> impl Future<Output = (Result<Response, CallError>, Sent)> {
    async move {
        let (head_timeout, continue_timeout) = {
            let transport = &lease.origin().transport;
            (transport.response_head_timeout, transport.continue_timeout)
        };
        let head_len = head.len();
        let wait = continue_timeout.filter(|_| plan.expects_continue);
        let joined = match body {
            Outgoing::Held(bytes) if bytes.len() <= JOINED_MAX && wait.is_none() => {
                put(head, bytes, plan.is_chunked);
                true
            }
            Outgoing::Empty => true,
            _ => false,
        };
        let mut reading = Reading::new(plan.interims);
        let mut sent = Sent::Something;
        let sent_before = lease.stream().send.sent();
        let received = if joined && head_timeout.is_none() {
            let n_out = head.len();
            let stream = lease.stream();
            let received = {
                let mut sending = pin!(stream.send.send(std::mem::take(head)));
                let mut receiving = pin!(reading.run(&mut stream.recv, plan, None));
                let mut is_sending = true;
                let mut failed = None;
                // Both at once: an answer may come before all of the request left.
                poll_fn(|cx| {
                    if is_sending && let Poll::Ready((result, back)) = sending.as_mut().poll(cx) {
                        is_sending = false;
                        sent = if result.is_ok() { Sent::All } else { Sent::Nothing };
                        *head = back;
                    }
                    if failed.is_none() {
                        match receiving.as_mut().poll(cx) {
                            // A replay needs the head back; where the connection has ended it comes
                            // at once.
                            Poll::Ready(Err(error)) if is_sending && error.is_before_response() => {
                                failed = Some(error);
                            }
                            done => return done,
                        }
                    }
                    match failed {
                        Some(error) if !is_sending => Poll::Ready(Err(error)),
                        _ => Poll::Pending,
                    }
                })
                .await
            };
            if sent != Sent::Something {
                lease.count_sent(n_out as u64);
            }
            received
        } else {
            let long = Long { joined, wait, head_timeout };
            let received;
            (received, sent) =
                place(exchange(&mut lease, head, body, plan, long, &mut reading)).await;
            received
        };
        head.truncate(head_len);
        if received.is_ok() {
            lease.count_received(reading.block.len());
        }
        // A send that failed may have begun: the backend may act on what it has.
        if sent == Sent::Nothing && lease.stream().send.sent() != sent_before {
            sent = Sent::Something;
        }
        let result = received.map(|()| {
            // A request that was not sent whole leaves a connection that nobody can use again.
            let is_reusable = sent == Sent::All && lease.origin().transport.keeps_alive;
            let at = reading.head.len;
            Response::new(lease, reading.head, reading.block, at, is_reusable)
        });
        (result, sent)
    }
}

/// What makes a call longer than the usual one.
#[derive(Clone, Copy)]
struct Long {
    /// The content is in the head's block.
    joined: bool,
    /// How long `100 Continue` is waited for.
    wait: Option<Duration>,
    head_timeout: Option<Duration>,
}

/// Both directions of a call whose content goes out on its own, or whose head has a deadline.
async fn exchange(
    lease: &mut Lease,
    head: &mut Block,
    body: &mut Outgoing<'_>,
    plan: Sending<'_>,
    long: Long,
    reading: &mut Reading,
) -> (Result<(), CallError>, Sent) {
    let progress = Shared::default();
    let mut sent = Sent::Something;
    let out = std::mem::take(head);
    let stream = lease.stream();
    let received = {
        let mut sending = pin!(send(&mut stream.send, out, body, plan, long, &progress));
        let mut receiving = pin!(reading.run(&mut stream.recv, plan, Some(&progress)));
        let mut is_sending = true;
        let both = poll_fn(|cx| {
            if is_sending && let Poll::Ready(outcome) = sending.as_mut().poll(cx) {
                is_sending = false;
                sent = outcome.sent;
                *head = outcome.head;
                if let Some(error) = outcome.body_error {
                    return Poll::Ready(Err(CallError::RequestBody(error)));
                }
            }
            receiving.as_mut().poll(cx)
        });
        match long.head_timeout {
            None => both.await,
            Some(max) => match timer::timeout_at(clock::now() + max, both).await {
                Ok(result) => result,
                Err(_) => Err(CallError::HeadTimeout),
            },
        }
    };
    lease.count_sent(progress.sent.get());
    (received, sent)
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
    head: Block,
    body: &mut Outgoing<'_>,
    plan: Sending<'_>,
    long: Long,
    progress: &Shared,
) -> SendOutcome {
    let (result, head) = half.send(head).await;
    progress.count(head.len());
    let outcome = |head, sent| SendOutcome { head, sent, body_error: None };
    if result.is_err() {
        return outcome(head, Sent::Nothing);
    }
    if long.joined {
        return outcome(head, Sent::All);
    }
    let (sent, body_error) = send_content(half, body, plan, long.wait, progress).await;
    SendOutcome { head, sent, body_error }
}

/// Content that does not go with its head.
async fn send_content(
    half: &mut SendHalf,
    body: &mut Outgoing<'_>,
    plan: Sending<'_>,
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

/// The head of a response as far as it came.
struct Reading {
    head: PooledHead,
    block: Block,
    /// What it puts up with yet.
    interims: Interims,
    has_begun: bool,
}

impl Reading {
    fn new(interims: Interims) -> Reading {
        Reading { head: PooledHead::take(), block: Block::empty(), interims, has_begun: false }
    }

    /// Reads until the final head is complete: in `head`, with its bytes in `block`.
    async fn run(
        &mut self,
        half: &mut RecvHalf,
        plan: Sending<'_>,
        progress: Option<&Shared>,
    ) -> Result<(), CallError> {
        loop {
            let more = half.recv().await;
            if self.take(more, plan, progress)? {
                return Ok(());
            }
        }
    }

    /// Takes in what was received; `true` when the final head is complete.
    fn take(
        &mut self,
        received: io::Result<Block>,
        plan: Sending<'_>,
        progress: Option<&Shared>,
    ) -> Result<bool, CallError> {
        let more = match received {
            Ok(more) => more,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Block::empty(),
            Err(_) => return Err(CallError::Reset { at_start: !self.has_begun }),
        };
        if more.is_empty() {
            return Err(match self.has_begun {
                false => CallError::Closed,
                true => CallError::Truncated { received: 0 },
            });
        }
        self.has_begun = true;
        if self.block.is_empty() {
            self.block = more;
        } else {
            self.block.reserve(more.len());
            self.block.extend_from_slice(&more);
        }
        while !self.block.is_empty() {
            match parse_response(&self.block, plan.limits, plan.method, &mut self.head) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Done) if !is_interim(&self.head) => return Ok(true),
                Ok(Progress::Done) => self.pass_interim(progress)?,
                Err(_) => return Err(CallError::BadHead),
            }
        }
        Ok(false)
    }

    /// RFC 9110 section 15.2: interim responses precede the final one.
    #[cold]
    fn pass_interim(&mut self, progress: Option<&Shared>) -> Result<(), CallError> {
        let len = u32::try_from(self.head.len).unwrap_or(u32::MAX);
        let left = self.interims.count.checked_sub(1).zip(self.interims.bytes.checked_sub(len));
        let Some((count, bytes)) = left else { return Err(CallError::BadInterim) };
        self.interims = Interims { count, bytes };
        if self.head.status == 101 {
            return Err(CallError::BadInterim);
        }
        if self.head.status == 100
            && let Some(progress) = progress
        {
            progress.go_on.set(true);
            if let Some(waker) = progress.waker.take() {
                waker.wake();
            }
        }
        let len = self.head.len;
        self.block.drain(..len);
        self.head.clear();
        Ok(())
    }
}

fn is_interim(head: &ResponseHead) -> bool {
    (100..200).contains(&head.status)
}

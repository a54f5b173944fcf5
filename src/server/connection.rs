//! The connection loop: heads in, answers out, in order; deadlines of each phase; what a client that
//! leaves means. Source: design: life of a request; docs/reference/hardening.md A7, A8, A18, 4.2.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::admission::Load;
use super::content::{Client, Content};
use super::exchange::{Answered, Exchange, Reply, Setting, frame_of};
use super::stream_reply;
use super::worker::{Connected, Worker, unrouted_entry};
use super::write::{Sent, Write};
use crate::config::model::HalfCloseGrace;
use crate::http::Version;
use crate::http::h1::{HeadError, Progress, parse_request};
use crate::net::clock::{self, Tick};
use crate::net::placed::place;
use crate::net::pump::{Closed, Slot, drive, pump};
use crate::net::timer::{self, Deadline};
use crate::net::{Block, SendHalf, Stream, failpoint};
use crate::plan::policy::Edits;
use crate::proxy::CorePlan;
use crate::proxy::outcome::Label;
use crate::proxy::render::{self, Frame, Plain};
use crate::telemetry::access_log::Access;
use crate::telemetry::names::Count;

/// Why a client connection ended; the table of labels stands in [`CLOSE_REASONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// The client closed between requests.
    Client,
    /// The client went away during a request.
    ClientAbort,
    /// Nothing came for `keep_alive`.
    Idle,
    /// A head did not arrive within its deadline.
    HeadTimeout,
    /// The request broke HTTP or a limit.
    BadRequest,
    /// The client did not take its answer.
    WriteTimeout,
    /// The connection served its number of requests or its age, or the client wanted it closed.
    Finished,
    /// The memory is nearly used up.
    Overload,
    /// An answer could not be completed; its framing shows that.
    Broken,
    /// The same where only a reset shows it: the answer would have ended with the connection.
    BrokenOpenEnded,
    /// The gateway stops.
    Shutdown,
    /// A panic.
    Panic,
}

/// The labels of [`CloseReason`], by index.
pub const CLOSE_REASONS: &[&str] = &[
    "client",
    "client_abort",
    "idle",
    "head_timeout",
    "bad_request",
    "write_timeout",
    "finished",
    "overload",
    "broken",
    "broken_open_ended",
    "shutdown",
    "panic",
];

/// Serves one client connection to its end. Not an `async fn`, here and below: that would keep its
/// arguments twice, and an idle connection is to be small.
pub fn serve(
    worker: Rc<Worker>,
    mut stream: Stream,
    peer: Option<IpAddr>,
) -> impl Future<Output = ()> + 'static {
    // What a panic leaves behind is this reason; the task itself is caught below us.
    let mut open = Open { counted: worker.connected(peer), reason: CloseReason::Panic };
    async move {
        open.reason = {
            let slot = Slot::new();
            let reader = pin!(pump(&mut stream.recv, &slot));
            drive(&slot, reader, requests(&open.counted, &slot, &mut stream.send, &peer)).await
        };
        match open.reason {
            // A reset tells the client that what it has is not all.
            CloseReason::BrokenOpenEnded => stream.reset(),
            CloseReason::ClientAbort => {}
            _ => {
                let _ = place(stream.send.shutdown()).await;
            }
        }
    }
}

/// An open connection in all counts; its end is counted when it is dropped.
struct Open {
    counted: Connected,
    reason: CloseReason,
}

/// What is left to read when a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Nothing that we know of.
    Nothing,
    /// The client may still send what nobody wants.
    Unread,
}

/// After the last answer to a client that may still send: closing with unread bytes would be a reset,
/// which takes the answer with it. So our side ends first, and the client gets `drain_time` to read
/// and to end its own; what it sends meanwhile is dropped, up to `drain_bytes`, then left unread.
async fn linger(worker: &Rc<Worker>, slot: &Slot, send: &mut SendHalf) {
    let (bytes, time) = {
        let limits = &worker.plan().plan.limits;
        (limits.drain_bytes as usize, limits.drain_time)
    };
    if send.shutdown().await.is_err() {
        return;
    }
    let mut left = bytes;
    let _ = timer::timeout_at(clock::now() + time, async {
        while let Ok(block) = slot.next_block().await {
            left = left.saturating_sub(block.len());
            if left == 0 {
                std::future::pending::<()>().await;
            }
        }
    })
    .await;
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counted.worker().core.cells.closed(self.reason as usize);
    }
}

#[allow(clippy::manual_async_fn)]
fn requests<'a>(
    counted: &'a Connected,
    slot: &'a Slot,
    send: &'a mut SendHalf,
    peer: &'a Option<IpAddr>,
) -> impl Future<Output = CloseReason> + 'a {
    async move {
        // The worker is asked for where it is used: kept, it would cost each idle connection a word.
        let opened = clock::now();
        let mut input = Block::empty();
        let mut n_requests: u32 = 0;
        let mut phase = Deadline::never();
        loop {
            if input.is_empty() {
                let limits = &counted.worker().plan().plan.limits;
                // The first request has the time of a head, later ones that of an idle connection.
                let wait = if n_requests == 0 { limits.head_timeout } else { limits.keep_alive };
                phase.reset(clock::now() + wait);
                match next_input(counted, slot, &mut phase).await {
                    Next::Block(block) => input = block,
                    Next::Closed(Closed::Fin) => return CloseReason::Client,
                    Next::Closed(Closed::Reset) => {
                        return CloseReason::ClientAbort;
                    }
                    Next::Late if n_requests == 0 => {
                        return CloseReason::HeadTimeout;
                    }
                    Next::Late => return CloseReason::Idle,
                    Next::Draining => return CloseReason::Shutdown,
                }
            }
            let plan = counted.worker().plan();
            let mut exchange = counted.worker().exchange();
            failpoint("head");
            let head = read_head(&plan, slot, &mut input, &mut exchange, &mut phase).await;
            let started = clock::now();
            match head {
                Head::Done => {}
                Head::Bad(error) => {
                    place(refuse(counted.worker(), &plan, send, &exchange, error, *peer)).await;
                    counted.worker().recycle(exchange);
                    place(linger(counted.worker(), slot, send)).await;
                    return CloseReason::BadRequest;
                }
                Head::Late => return CloseReason::HeadTimeout,
                Head::Closed(Closed::Fin) => return CloseReason::Client,
                Head::Closed(Closed::Reset) => return CloseReason::ClientAbort,
            }
            n_requests += 1;
            let limits = &plan.plan.limits;
            let is_last = n_requests >= limits.connection_requests
                || started.since(opened) >= jittered(limits.connection_age, opened)
                || counted.worker().is_draining()
                || counted.worker().load() != Load::Normal;
            let stage = Cell::new(Stage::Composing);
            let one = One {
                worker: counted.worker(),
                plan: &plan,
                slot,
                peer: *peer,
                started,
                is_last,
                stage: &stage,
            };
            // The exchange's own state lives in pooled memory: an idle connection stays small.
            let Some(after) = caught(place(one.run(&mut exchange, &input, send, &mut phase))).await
            else {
                // A panic costs this request; what it left of the exchange is not used again. One
                // outside of it ends the task, where `net` counts it.
                counted.worker().core.cells.count(Count::Panics, 1);
                let failed =
                    Panicked { worker: counted.worker(), plan: &plan, started, stage: stage.get() };
                place(failed.end(&exchange, &input, send)).await;
                return CloseReason::Panic;
            };
            counted.worker().recycle(exchange);
            match after {
                After::Next { consumed } if consumed >= input.len() => input = Block::empty(),
                After::Next { consumed } => {
                    input.drain(..consumed);
                }
                After::Close(reason, Rest::Nothing) => return reason,
                After::Close(reason, Rest::Unread) => {
                    place(linger(counted.worker(), slot, send)).await;
                    return reason;
                }
            }
        }
    }
}

/// Runs a future whose panic ends it alone: `None` then.
pub(super) fn caught<F: Future + Unpin>(mut future: F) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut future).poll(cx)));
        match polled {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
}

/// How far an exchange came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No byte of an answer has left.
    Composing,
    /// Some may have.
    Sending,
    /// It is counted and logged.
    Counted,
}

/// A request whose exchange panicked.
struct Panicked<'a> {
    worker: &'a Rc<Worker>,
    plan: &'a CorePlan,
    started: Tick,
    stage: Stage,
}

impl Panicked<'_> {
    /// Its 500 where nothing was sent yet; its count and its line unless it has them.
    async fn end(self, exchange: &Exchange, input: &[u8], send: &mut SendHalf) {
        let Panicked { worker, plan, started, stage } = self;
        if stage == Stage::Composing {
            let frame = Frame { is_head: false, closes: true, version: Version::H11 };
            let plain =
                Plain { status: 500, banner: None, content_type: b"", lines: b"", body: b"" };
            let (edits, banner) = (Edits::default(), &*plan.plan.banner);
            let writer = render::Writer { core: &worker.core, banner, edits: &edits, frame };
            let until = clock::now() + plan.plan.limits.write_idle;
            let _ = timer::timeout_at(until, send.send(writer.plain(&plain))).await;
        }
        if stage != Stage::Counted {
            let took = clock::now().since(started);
            plan.cells.request(unrouted_entry(&plan.plan), 500, Label::Panic as u16, took);
            let client_ip = exchange.client_ip().as_bytes();
            let logged = Logged { status: 500, took, client_ip, bytes: input, error: "" };
            log(worker, plan, exchange, &logged);
        }
    }
}

/// Connections of one moment do not all end in one moment: 90 to 110 %, by when each was opened.
fn jittered(age: Duration, opened: Tick) -> Duration {
    let spread = opened.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    age / 100 * (90 + (spread % 21) as u32)
}

enum Next {
    Block(Block),
    Closed(Closed),
    Late,
    Draining,
}

/// Waits for bytes of a request, the deadline of the phase, or the end of the process.
fn next_input<'a>(
    counted: &'a Connected,
    slot: &'a Slot,
    phase: &'a mut Deadline,
) -> impl Future<Output = Next> + 'a {
    poll_fn(|cx| {
        if let Poll::Ready(next) = slot.poll_block(cx) {
            return Poll::Ready(next.map_or_else(Next::Closed, Next::Block));
        }
        if counted.poll_draining(cx).is_ready() {
            return Poll::Ready(Next::Draining);
        }
        if Pin::new(&mut *phase).poll(cx).is_ready() {
            return Poll::Ready(Next::Late);
        }
        Poll::Pending
    })
}

enum Head {
    Done,
    Bad(HeadError),
    Late,
    Closed(Closed),
}

#[allow(clippy::manual_async_fn)]
fn read_head<'a>(
    plan: &'a CorePlan,
    slot: &'a Slot,
    input: &'a mut Block,
    exchange: &'a mut Exchange,
    phase: &'a mut Deadline,
) -> impl Future<Output = Head> + 'a {
    async move {
        let mut has_deadline = false;
        loop {
            match parse_request(input, &plan.plan.head_limits, &mut exchange.head) {
                Ok(Progress::Done) => return Head::Done,
                Err(error) => return Head::Bad(error),
                Ok(Progress::NeedMore) => {}
            }
            if !has_deadline {
                // The time for the whole head, however many pieces it comes in.
                phase.reset(clock::now() + plan.plan.limits.head_timeout);
                has_deadline = true;
            }
            let more = poll_fn(|cx| {
                if let Poll::Ready(next) = slot.poll_block(cx) {
                    return Poll::Ready(Some(next));
                }
                Pin::new(&mut *phase).poll(cx).map(|()| None)
            });
            match more.await {
                None => return Head::Late,
                Some(Err(closed)) => return Head::Closed(closed),
                Some(Ok(block)) => {
                    input.reserve(block.len());
                    input.extend_from_slice(&block);
                }
            }
        }
    }
}

/// Answers a head that broke a rule, and the connection ends with it.
async fn refuse(
    worker: &Rc<Worker>,
    plan: &CorePlan,
    send: &mut SendHalf,
    exchange: &Exchange,
    error: HeadError,
    peer: Option<IpAddr>,
) {
    let status = error.status();
    let frame = Frame { is_head: false, closes: true, version: Version::H11 };
    let plain = Plain { status, banner: None, content_type: b"", lines: b"", body: b"" };
    let (edits, banner) = (Edits::default(), &*plan.plan.banner);
    let block = render::Writer { core: &worker.core, banner, edits: &edits, frame }.plain(&plain);
    let until = clock::now() + plan.plan.limits.write_idle;
    let _ = timer::timeout_at(until, send.send(block)).await;
    let label = match status {
        414 | 431 => Label::HeadTooLarge,
        _ => Label::BadRequest,
    };
    plan.cells.request(unrouted_entry(&plan.plan), status, label as u16, Duration::ZERO);
    let address = peer.map(|ip| ip.to_string()).unwrap_or_default();
    let logged = Logged {
        status,
        took: Duration::ZERO,
        client_ip: address.as_bytes(),
        bytes: b"",
        error: error.text(),
    };
    log(worker, plan, exchange, &logged);
}

/// What the access log says of one request.
struct Logged<'a> {
    status: u16,
    took: Duration,
    client_ip: &'a [u8],
    /// The bytes of the head; empty where it could not be read.
    bytes: &'a [u8],
    /// What is wrong with the head.
    error: &'a str,
}

fn log(worker: &Worker, plan: &CorePlan, exchange: &Exchange, logged: &Logged<'_>) {
    if !plan.plan.access_log || plan.plan.skip_paths.iter().any(|p| **p == *exchange.path()) {
        return;
    }
    let head = &exchange.head;
    let is_read = !logged.bytes.is_empty();
    worker.lane.access(&Access {
        unix_nanos: clock::wall_nanos(),
        status: logged.status,
        took: logged.took,
        client_ip: logged.client_ip,
        method: if is_read { head.method.as_bytes(logged.bytes) } else { b"" },
        path: exchange.path(),
        query: head.target.query(logged.bytes),
        errors: if is_read { exchange.errors() } else { logged.error.as_bytes() },
    });
}

enum After {
    /// The next request begins behind this much of the input.
    Next {
        consumed: usize,
    },
    Close(CloseReason, Rest),
}

/// One exchange on its connection.
struct One<'a> {
    worker: &'a Rc<Worker>,
    plan: &'a Rc<CorePlan>,
    slot: &'a Slot,
    peer: Option<IpAddr>,
    started: Tick,
    is_last: bool,
    /// How far it came, for whoever looks after a panic.
    stage: &'a Cell<Stage>,
}

impl One<'_> {
    async fn run(
        self,
        exchange: &mut Exchange,
        input: &Block,
        send: &mut SendHalf,
        deadline: &mut Deadline,
    ) -> After {
        let plan = &self.plan.plan;
        let limits = &plan.limits;
        let head = &exchange.head;
        let (kind, at) = (head.body, head.len);
        let expects_continue = head.expect_continue;
        let closes = self.is_last || !head.keep_alive;
        let total = plan.server.read_timeout.map(|time| self.started + time);
        let client = Client { slot: self.slot, send, waits: expects_continue };
        let mut content = Content::new(kind, (input, at), client, limits, total);
        let setting = Setting {
            worker: self.worker,
            plan: self.plan,
            bytes: input,
            peer: self.peer,
            started: self.started,
            asked: frame_of(head, closes),
        };
        let answered = {
            // Pinned here once: handed over by value it would be in this future twice.
            let mut answering = pin!(exchange.answer(&setting, &mut content, deadline));
            self.watched(answering.as_mut()).await
        };
        let answered = match answered {
            Some(answered) => answered,
            None => {
                self.worker.core.cells.count(Count::ClientAborts, 1);
                let entry = unrouted_entry(plan);
                let took = clock::now().since(self.started);
                self.plan.cells.request(entry, 499, Label::ClientLeft as u16, took);
                self.log(exchange, input, 499, took);
                self.stage.set(Stage::Counted);
                return After::Close(CloseReason::ClientAbort, Rest::Nothing);
            }
        };
        let Answered { reply, status, label, entry, is_logged, keeps_alive } = answered;
        let write_total = plan.server.write_timeout.map(|time| self.started + time);
        let mut write = Write { idle: limits.write_idle, total: write_total, deadline };
        self.stage.set(Stage::Sending);
        let fault = Cell::new(Label::Truncated);
        let sent = match reply {
            Reply::Whole(message) => {
                self.worker.core.cells.count(Count::ClientSent, message.len() as u64);
                write.message(content.sender(), message).await
            }
            Reply::Stream => {
                let streamed = exchange.take_streamed().expect("such a reply left its stream");
                let stream_setting = stream_reply::Setting {
                    core: &self.worker.core,
                    plan,
                    edits: exchange.edits(),
                    frame: setting.frame(),
                    idle: streamed.idle,
                    slot: self.slot,
                    fault: &fault,
                };
                stream_reply::send(stream_setting, streamed, content.sender(), write).await
            }
        };
        let received = content.consumed() as u64 + content.came();
        self.worker.core.cells.count(Count::ClientReceived, received);
        let took = clock::now().since(self.started);
        let label = match sent {
            Ok(_) => label,
            Err(CloseReason::Broken | CloseReason::BrokenOpenEnded) => fault.get(),
            Err(reason) => {
                if reason == CloseReason::ClientAbort {
                    self.worker.core.cells.count(Count::ClientAborts, 1);
                }
                Label::ClientLeft
            }
        };
        self.plan.cells.request(entry, status, label as u16, took);
        if is_logged {
            self.log(exchange, input, status, took);
        }
        self.stage.set(Stage::Counted);
        match sent {
            Ok(Sent::KeepAlive) if keeps_alive && !setting.frame().closes => {}
            Ok(_) if content.is_ended() => {
                return After::Close(self.last_reason(), Rest::Nothing);
            }
            Ok(_) => return After::Close(self.last_reason(), Rest::Unread),
            Err(reason) => return After::Close(reason, Rest::Nothing),
        }
        failpoint("sent");
        if !content.is_ended() {
            // A7: content that nobody read is not the next request. A client that was told to wait
            // may or may not send it: nothing can follow.
            let is_drained = !expects_continue
                && place(content.drain(u64::from(limits.drain_bytes), limits.drain_time)).await;
            if !is_drained {
                return After::Close(CloseReason::Finished, Rest::Unread);
            }
        }
        if self.slot.closed().is_some()
            && !self.slot.has_block()
            && content.consumed() >= input.len()
        {
            return After::Close(CloseReason::Client, Rest::Nothing);
        }
        After::Next { consumed: content.consumed() }
    }

    fn last_reason(&self) -> CloseReason {
        match self.worker.load() {
            _ if self.worker.is_draining() => CloseReason::Shutdown,
            Load::Normal => CloseReason::Finished,
            _ => CloseReason::Overload,
        }
    }

    fn log(&self, exchange: &Exchange, input: &[u8], status: u16, took: Duration) {
        let client_ip = exchange.client_ip().as_bytes();
        let logged = Logged { status, took, client_ip, bytes: input, error: "" };
        log(self.worker, self.plan, exchange, &logged);
    }

    /// Runs the exchange while watching the client: a reset gives it up at once, a FIN after the
    /// grace (design: differences, row 9). No waker is left with the slot: it closes only while this
    /// very task polls its reader, which comes before us.
    async fn watched<T>(&self, mut answering: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let mut grace: Option<Deadline> = None;
        poll_fn(|cx| {
            if let Poll::Ready(answered) = answering.as_mut().poll(cx) {
                return Poll::Ready(Some(answered));
            }
            if grace.is_none()
                && let Some(how) = self.slot.closed()
            {
                match self.grace(how) {
                    None => return Poll::Ready(None),
                    Some(until) => grace = Some(Deadline::at(until)),
                }
            }
            match &mut grace {
                Some(deadline) => Pin::new(deadline).poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Until when an answer is worth making for a client that closed.
    #[cold]
    fn grace(&self, how: Closed) -> Option<Tick> {
        match (how, self.plan.plan.behaviour.half_close_grace) {
            (Closed::Reset, _) => None,
            (Closed::Fin, HalfCloseGrace::Always) => Some(Tick::NEVER),
            (Closed::Fin, HalfCloseGrace::Within(time)) if time.is_zero() => None,
            (Closed::Fin, HalfCloseGrace::Within(time)) => Some(clock::now() + time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, F: Future>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// An idle connection is a future of at most 768 bytes: the exchange's own state comes from the
    /// pool when a head arrives (design: life of a request).
    #[test]
    fn an_idle_connection_is_small() {
        let size = size_of_future(serve);
        assert!(size <= 768, "{size} bytes");
    }

    /// The state of an exchange is moved into its place with each request. Nearly all of it are a
    /// read and two writes below us.
    #[test]
    fn an_exchange_is_small() {
        fn size<A, B, C, D, E, F: Future>(_: fn(A, B, C, D, E) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(One::run);
        assert!(size <= 3584, "{size} bytes");
    }

    #[test]
    fn ages_are_spread() {
        let hour = Duration::from_secs(3600);
        let ages: Vec<_> = (0..1000).map(|n| jittered(hour, Tick(n * 1_000_003))).collect();
        assert!(ages.iter().all(|age| (54..=66).contains(&(age.as_secs() / 60))));
        assert!(ages.iter().any(|age| *age < hour) && ages.iter().any(|age| *age > hour));
    }

    #[test]
    fn every_reason_has_its_label() {
        assert_eq!(CLOSE_REASONS.len(), CloseReason::Panic as usize + 1);
        assert_eq!(CLOSE_REASONS[CloseReason::BrokenOpenEnded as usize], "broken_open_ended");
        assert_eq!(CLOSE_REASONS[CloseReason::Panic as usize], "panic");
    }
}

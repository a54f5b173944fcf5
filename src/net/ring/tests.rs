//! The ring where it is tight: queues of a few entries, a single shared block, signals, wakers that
//! outlive it, and any order of arriving, reading, giving up and closing.

use std::cell::Cell;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::io::Io;
use super::turns::run_on;
use super::{Ring, buffers};
use crate::net::stream::Stream;
use crate::net::timer::{sleep_until, timeout_at};
use crate::net::wake::oneshot;
use crate::net::{Block, budget, clock, spawn, yield_now};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a story on a ring of this size, in a thread of its own; afterwards nothing may be in flight,
/// charged or counted. Machines without such rings have nothing to test.
fn on_a_ring<F: Future<Output = ()>>(
    (submissions, completions, blocks): (u32, u32, u16),
    story: impl FnOnce(Rc<Ring>) -> F + Send,
) {
    if super::probe().is_err() {
        return;
    }
    let run = move || {
        let before = budget::used_here();
        let io = Io::with_entries(submissions, completions).expect("a small ring");
        let ring = Rc::new(Ring::over(io, blocks).expect("a ring"));
        run_on(ring.clone(), story(ring.clone()));
        assert_eq!(ring.slots.borrow().in_flight(), 0);
        assert_eq!(budget::used_here(), before, "blocks are missing");
        // Each task that is left would hold one.
        assert_eq!(Arc::strong_count(&ring.remote), 2);
    };
    std::thread::scope(|scope| {
        if let Err(panic) = scope.spawn(run).join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn pair() -> (Stream, UnixStream) {
    let (ours, other) = UnixStream::pair().expect("a pair");
    other.set_read_timeout(Some(PATIENCE)).expect("a valid time");
    (Stream::from_unix(ours).expect("the ring takes it"), other)
}

/// Echoes on `n` connections at once, `rounds` times.
async fn echo(n: usize, rounds: u8) {
    let (done, failed) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let mut peers = Vec::new();
    for _ in 0..n {
        let (mut stream, peer) = pair();
        let (done, mut guard) = (done.clone(), Guard(Some(failed.clone())));
        peers.push(peer);
        spawn(async move {
            loop {
                let block = stream.recv.recv().await.expect("bytes");
                if block.is_empty() {
                    break;
                }
                stream.send.send(block).await.0.expect("sent");
            }
            guard.reached();
            done.set(done.get() + 1);
        });
    }
    let client = std::thread::spawn(move || {
        for round in 0..rounds {
            for peer in &mut peers {
                peer.write_all(&[round, 1, 2]).expect("sent");
            }
            for peer in &mut peers {
                let mut got = [0; 3];
                peer.read_exact(&mut got).expect("echoed");
                assert_eq!(got, [round, 1, 2]);
            }
        }
    });
    let until = clock::now() + PATIENCE;
    while done.get() < n {
        assert!(clock::now() < until && !failed.get(), "{} of {n} connections ended", done.get());
        sleep_until(clock::now() + Duration::from_millis(5)).await;
    }
    client.join().expect("the client ends well");
}

#[test]
fn full_queues_lose_nothing() {
    for queues in [(1, 2), (4, 8), (4, 4096), (4096, 4)] {
        let queues = (queues.0, queues.1.max(queues.0), buffers::FIRST);
        on_a_ring(queues, |_| echo(150, 10));
    }
}

#[test]
fn a_ring_without_blocks_gets_more() {
    on_a_ring((64, 256, 1), |ring| async move {
        echo(150, 10).await;
        assert!(ring.buffers.borrow().len() > 1);
    });
}

#[test]
fn what_is_pending_at_the_end_is_dropped_and_closed() {
    let ended = Arc::new(());
    let held = ended.clone();
    let (peers_in, peers_out) = std::sync::mpsc::channel();
    on_a_ring((64, 256, 16), |_| async move {
        for n in 0..20_usize {
            let (mut stream, peer) = pair();
            peers_in.send(peer).expect("it listens");
            let held = held.clone();
            spawn(async move {
                let _held = held;
                if n % 2 == 0 {
                    let _ = stream.recv.recv().await;
                } else {
                    // More than fits: in flight for ever.
                    let _ = stream.send.send(Block::copy_of(&vec![7; 4 << 20])).await;
                }
                unreachable!("nobody answers");
            });
        }
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(Arc::strong_count(&ended), 1);
    for mut peer in peers_out {
        // The other end is closed: after what was sent comes the end.
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("an end");
    }
}

#[test]
fn wakers_may_outlive_the_ring_and_wake_from_anywhere() {
    let (wakers_in, wakers_out) = std::sync::mpsc::channel::<Waker>();
    let other = std::thread::spawn(move || {
        let mut kept = Vec::new();
        for waker in wakers_out {
            // All that one can do with a waker, here and after the ring has gone.
            waker.wake_by_ref();
            kept.push(waker.clone());
            waker.clone().wake();
            drop(waker);
        }
        kept
    });
    let mut remote = None;
    if super::probe().is_ok() {
        let ring = Rc::new(Ring::new().expect("a ring"));
        run_on(ring.clone(), async {
            for _ in 0..200 {
                let wakers_in = wakers_in.clone();
                let mut polls = 0;
                spawn(std::future::poll_fn(move |cx| {
                    polls += 1;
                    wakers_in.send(cx.waker().clone()).expect("it listens");
                    if polls == 5 { Poll::Ready(()) } else { Poll::Pending }
                }));
            }
            // Some tasks have not ended when the ring goes.
            sleep_until(clock::now() + Duration::from_millis(3)).await;
        });
        remote = Some(ring.remote.clone());
    }
    drop(wakers_in);
    let kept = other.join().expect("no panic");
    for waker in kept {
        waker.wake_by_ref();
        drop(waker);
    }
    if let Some(remote) = remote {
        assert_eq!(Arc::strong_count(&remote), 1, "tasks are left");
    }
}

#[test]
fn signals_interrupt_nothing() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: installs a handler that does nothing, for a signal that nobody else uses.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGURG, &raw const action, std::ptr::null_mut()), 0);
    }
    on_a_ring((64, 256, 16), |_| async move {
        // SAFETY: this thread's own number.
        let thread = unsafe { libc::pthread_self() };
        let (stop, mut stopped) = crate::net::wake::mailbox::<()>(1);
        let other = std::thread::spawn(move || {
            while stopped.try_recv().is_none() {
                // SAFETY: that thread waits for this one, so it is alive.
                unsafe { libc::pthread_kill(thread, libc::SIGURG) };
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        for _ in 0..20 {
            let at = clock::now() + Duration::from_millis(3);
            sleep_until(at).await;
            assert!(clock::now() >= at);
        }
        echo(10, 10).await;
        stop.try_send(()).expect("it listens");
        other.join().expect("no panic");
    });
}

#[test]
fn a_peer_that_sends_ahead_is_held_back() {
    on_a_ring((64, 256, buffers::FIRST), |_| async move {
        let (mut stream, mut peer) = pair();
        peer.set_nonblocking(true).expect("a flag");
        peer.write_all(b"x").expect("sent");
        assert_eq!(stream.recv.recv().await.expect("bytes").len(), 1);
        let before = budget::used_here();
        let mut written = 0;
        for _ in 0..200 {
            match peer.write(&[9; 64 * 1024]) {
                Ok(n) => written += n,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            yield_now().await;
            let held = budget::used_here() - before;
            assert!(held <= 96 * 1024, "{held} bytes unread");
        }
        let mut read = 0;
        while read < written {
            read += stream.recv.recv().await.expect("bytes").len();
        }
    });
}

#[derive(Clone, Debug)]
enum Act {
    PeerWrites(usize),
    /// Asks once, takes what is there.
    Poll,
    /// Waits for bytes for a moment, then gives up.
    Try,
    Rest,
    Turn,
    Send(usize),
    PeerReads,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let sizes = prop_oneof![1..50_usize, 2000..2100_usize, 1..200_000_usize];
    let act = prop_oneof![
        3 => sizes.clone().prop_map(Act::PeerWrites),
        3 => Just(Act::Poll),
        2 => Just(Act::Try),
        1 => Just(Act::Rest),
        3 => Just(Act::Turn),
        1 => (1..5000_usize).prop_map(Act::Send),
        1 => Just(Act::PeerReads),
    ];
    proptest::collection::vec(act, 1..60)
}

#[derive(Clone, Copy, Debug)]
enum Last {
    /// Everything is read to the end.
    Fin,
    /// We close with whatever is in flight.
    Drop,
    /// We give up a send in flight, then close.
    DropSend,
}

async fn story(acts: Vec<Act>, last: Last) {
    let (mut stream, mut peer) = pair();
    peer.set_nonblocking(true).expect("a flag");
    let (mut written, mut read, mut sent, mut echoed) = (0_usize, 0_usize, 0_usize, 0_usize);
    let byte = |at: usize| (at * 31 + at / 251) as u8;
    let mut check = |block: &[u8]| {
        for got in block {
            assert_eq!(*got, byte(read), "at {read}");
            read += 1;
        }
    };
    let drain = |peer: &mut UnixStream, echoed: &mut usize| {
        let mut into = [0; 65536];
        while let Ok(n @ 1..) = peer.read(&mut into) {
            *echoed += n;
        }
    };
    for act in acts {
        match act {
            Act::PeerWrites(n) => {
                let bytes: Vec<u8> = (written..written + n).map(byte).collect();
                if let Ok(n) = peer.write(&bytes) {
                    written += n;
                }
            }
            Act::Poll => {
                let mut cx = Context::from_waker(Waker::noop());
                if let Poll::Ready(block) = pin!(stream.recv.recv()).poll(&mut cx) {
                    check(&block.expect("bytes"));
                }
            }
            Act::Try => {
                let at = clock::now() + Duration::from_micros(100);
                if let Ok(block) = timeout_at(at, stream.recv.recv()).await {
                    check(&block.expect("bytes"));
                }
            }
            Act::Rest => stream.recv.rest(),
            Act::Turn => yield_now().await,
            Act::Send(n) => {
                drain(&mut peer, &mut echoed);
                stream.send.send(Block::copy_of(&vec![1; n])).await.0.expect("sent");
                sent += n;
            }
            Act::PeerReads => drain(&mut peer, &mut echoed),
        }
    }
    match last {
        Last::Fin => {
            peer.shutdown(std::net::Shutdown::Write).expect("open");
            loop {
                let next = timeout_at(clock::now() + PATIENCE, stream.recv.recv()).await;
                let block = next.expect("it ends").expect("an orderly end");
                if block.is_empty() {
                    break;
                }
                check(&block);
            }
            assert_eq!(read, written);
            drain(&mut peer, &mut echoed);
            assert_eq!(echoed, sent);
        }
        Last::Drop => drop(stream),
        Last::DropSend => {
            let at = clock::now() + Duration::from_micros(100);
            let large = Block::copy_of(&vec![1; 4 << 20]);
            assert!(timeout_at(at, stream.send.send(large)).await.is_err(), "it does not fit");
            drop(stream);
        }
    }
    if !matches!(last, Last::Fin) {
        // The socket really closes, whatever was in flight.
        let (ended, end) = oneshot();
        std::thread::spawn(move || {
            peer.set_nonblocking(false).expect("a flag");
            ended.send(std::io::copy(&mut peer, &mut std::io::sink()).map(drop))
        });
        let end = timeout_at(clock::now() + PATIENCE, end).await.expect("it closes");
        // Bytes of the peer that nobody has read make it a reset.
        if let Some(Err(error)) = end {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    }
}

/// Tells that a story did not reach its end: panics are caught where tasks run.
struct Guard(Option<Rc<Cell<bool>>>);

impl Guard {
    fn reached(&mut self) {
        self.0 = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(failed) = &self.0 {
            failed.set(true);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_order_of_events_loses_a_byte_or_a_block(
        stories in proptest::collection::vec((acts(), 0..3_usize), 1..5),
        is_tight in any::<bool>(),
    ) {
        let size = if is_tight { (2, 4, 1) } else { (64, 256, buffers::FIRST) };
        on_a_ring(size, move |_| async move {
            let done = Rc::new(Cell::new(0));
            let n = stories.len();
            let failed = Rc::new(Cell::new(false));
            for (acts, last) in stories {
                let last = [Last::Fin, Last::Drop, Last::DropSend][last];
                let (done, mut guard) = (done.clone(), Guard(Some(failed.clone())));
                spawn(async move {
                    story(acts, last).await;
                    guard.reached();
                    done.set(done.get() + 1);
                });
            }
            let until = clock::now() + PATIENCE * 2;
            while done.get() < n {
                assert!(clock::now() < until, "{} of {n} stories ended", done.get());
                sleep_until(clock::now() + Duration::from_millis(1)).await;
                assert!(!failed.get(), "a story failed");
            }
        });
    }
}

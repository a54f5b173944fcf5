//! Deadlines: never early, movable, and no harm from a worker that stood still.

use std::cell::Cell;
use std::io::Write;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use super::super::on_each_driver::on_each_driver;
use super::super::timer::{Deadline, sleep_until, timeout_at};
use super::super::{clock, spawn, yield_now};
use super::{connected, soon};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn deadlines_are_never_early() {
    on_each_driver(|| async {
        let late = Rc::new(Cell::new(0));
        for n in 0..200 {
            let late = late.clone();
            spawn(async move {
                let at = clock::now() + Duration::from_micros(n * 317);
                sleep_until(at).await;
                assert!(clock::now() >= at);
                late.set(late.get() + 1);
            });
        }
        while late.get() < 200 {
            sleep_until(clock::now() + ms(10)).await;
        }
    });
}

#[test]
fn a_deadline_can_be_moved_both_ways() {
    on_each_driver(|| async {
        let start = clock::now();
        let mut deadline = Deadline::at(start + ms(30));
        assert!(timeout_at(start + ms(10), &mut deadline).await.is_err());
        deadline.reset(start + ms(80));
        Pin::new(&mut deadline).await;
        assert!(clock::now() >= start + ms(80));

        let hours = clock::now() + Duration::from_secs(7200);
        deadline.reset(hours);
        assert!(timeout_at(clock::now() + ms(10), &mut deadline).await.is_err());
        let sooner = clock::now() + ms(20);
        deadline.reset(sooner);
        timeout_at(soon(), &mut deadline).await.expect("it was moved to an earlier time");
        assert!(clock::now() >= sooner);
    });
}

#[test]
fn what_arrived_while_the_worker_stood_still_counts() {
    on_each_driver(|| async {
        let (mut stream, mut peer) = connected();
        let reading = spawn_reading(async move {
            let deadline = clock::now() + ms(50);
            timeout_at(deadline, stream.recv.recv()).await
        });
        yield_now().await;
        peer.write_all(b"in time").expect("sent");
        // The process is stopped, or a task misbehaves: everything is overdue afterwards.
        std::thread::sleep(ms(120));
        let block = reading.await.expect("an answer").expect("the bytes come first");
        assert_eq!(&block.expect("bytes")[..], b"in time");
    });
}

fn spawn_reading<T: 'static>(
    future: impl Future<Output = T> + 'static,
) -> super::super::wake::Oneshot<T> {
    let (sender, receiver) = super::super::wake::oneshot();
    spawn(async move { drop(sender.send(future.await)) });
    receiver
}

#[test]
fn thousands_of_overdue_timers_leave_turns_for_others() {
    on_each_driver(|| async {
        let fired = Rc::new(Cell::new(0));
        for _ in 0..3000 {
            let fired = fired.clone();
            spawn(async move {
                sleep_until(clock::now() + ms(20)).await;
                fired.set(fired.get() + 1);
            });
        }
        yield_now().await;
        std::thread::sleep(ms(60));
        let mut seen = Vec::new();
        while fired.get() < 3000 {
            yield_now().await;
            seen.push(fired.get());
        }
        // Some turns of ours came in between.
        assert!(seen.iter().any(|n| (1..3000).contains(n)), "{seen:?}");
    });
}

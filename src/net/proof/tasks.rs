//! Tasks: a panic ends one task, a yield is a real turn.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use super::super::on_each_driver::on_each_driver;
use super::super::timer::sleep_until;
use super::super::wake::oneshot;
use super::super::{clock, spawn, task, yield_now};
use super::connected;

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

#[test]
fn a_panic_ends_its_task_alone() {
    on_each_driver(|| async {
        let before = task::panics();
        let held = Rc::new(());
        let inside = held.clone();
        spawn(async move {
            let _inside = inside;
            yield_now().await;
            panic!("on purpose");
        });
        spawn(async move {
            let _bomb = PanicsWhenDropped;
            yield_now().await;
        });
        let (sender, receiver) = oneshot();
        spawn(async move {
            yield_now().await;
            yield_now().await;
            assert!(sender.send(1).is_ok());
        });
        assert_eq!(receiver.await, Some(1));
        assert!(task::panics() >= before + 2);
        assert_eq!(Rc::strong_count(&held), 1, "what the task held was dropped");
    });
}

#[test]
fn a_yielding_task_starves_neither_sockets_nor_timers() {
    on_each_driver(|| async {
        let is_over = Rc::new(Cell::new(false));
        let seen = is_over.clone();
        spawn(async move {
            while !seen.get() {
                yield_now().await;
            }
        });
        let (mut stream, mut peer) = connected();
        for _ in 0..100 {
            peer.write_all(b"x").expect("sent");
            assert_eq!(stream.recv.recv().await.expect("bytes").len(), 1);
        }
        sleep_until(clock::now() + Duration::from_millis(30)).await;
        is_over.set(true);
        yield_now().await;
        yield_now().await;
    });
}

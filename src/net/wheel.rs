//! The timer wheel of one worker: entries in a slab, linked into slots of 8.4 ms, and one task that
//! sleeps until the next slot that holds something. Insert, cancel and reset are O(1); moving a
//! deadline later, what each request does, only writes a number.
//!
//! An entry never fires before its time: its slot is the first one that begins at or after it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::clock::{self, Tick};
use super::{task, turn};

/// A slot is 2^23 ns = 8.4 ms, so that a shift divides.
const SLOT_SHIFT: u32 = 23;
/// The width of a slot: how late a timer may be.
pub const SLOT: std::time::Duration = std::time::Duration::from_nanos(1 << SLOT_SHIFT);
/// Slots of a revolution (8.6 s). What is later stays in its slot for more rounds.
const SLOTS: usize = 1024;
/// Most timers fired before everything else gets a turn (after a stall all are due at once).
const BATCH: usize = 256;
/// A sleep that ends this late was not one of a thread that ran.
const LATE: Duration = Duration::from_millis(25);
/// No entry.
const NONE: u32 = u32::MAX;

/// Names an entry of this thread's wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u32);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Free,
    Linked,
    Fired,
}

struct Entry {
    /// When it is to fire, in ns.
    at: u64,
    /// The slot number it is linked at; `at` may have moved later since.
    slot: u64,
    previous: u32,
    /// The next of the slot, or of the free entries.
    next: u32,
    state: State,
    waker: Option<Waker>,
}

struct Wheel {
    entries: Vec<Entry>,
    free: u32,
    linked: usize,
    heads: Box<[u32]>,
    /// A bit for each slot that holds something.
    occupied: [u64; SLOTS / 64],
    /// The last slot number that was worked off.
    done: u64,
    /// Up to which slot the task sleeps.
    sleeps_until: u64,
    driver: Option<Waker>,
    is_running: bool,
    is_stopping: bool,
    /// The driver's own loop calls `fire` each turn: no task is needed.
    is_driven: bool,
    /// Wakers of timers that have fired, on their way.
    woken: Vec<Waker>,
}

thread_local! {
    static WHEEL: RefCell<Wheel> = RefCell::new(Wheel::new(clock::now()));
}

/// The first slot that begins at or after `at`.
fn slot_of(at: u64) -> u64 {
    (at >> SLOT_SHIFT) + u64::from(at & ((1 << SLOT_SHIFT) - 1) != 0)
}

impl Wheel {
    fn new(now: Tick) -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            linked: 0,
            heads: vec![NONE; SLOTS].into_boxed_slice(),
            occupied: [0; SLOTS / 64],
            done: now.0 >> SLOT_SHIFT,
            sleeps_until: u64::MAX,
            driver: None,
            is_running: false,
            is_stopping: false,
            is_driven: false,
            woken: Vec::new(),
        }
    }

    fn insert(&mut self, at: Tick, waker: Waker) -> Key {
        let entry = Entry {
            at: at.0,
            slot: 0,
            previous: NONE,
            next: NONE,
            state: State::Free,
            waker: Some(waker),
        };
        let key = if self.free == NONE {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        } else {
            let key = self.free;
            self.free = self.entries[key as usize].next;
            self.entries[key as usize] = entry;
            key
        };
        self.link(key);
        Key(key)
    }

    fn link(&mut self, key: u32) {
        let slot = slot_of(self.entries[key as usize].at).max(self.done + 1);
        let place = slot as usize % SLOTS;
        let head = std::mem::replace(&mut self.heads[place], key);
        if head != NONE {
            self.entries[head as usize].previous = key;
        }
        let entry = &mut self.entries[key as usize];
        (entry.slot, entry.previous, entry.next, entry.state) = (slot, NONE, head, State::Linked);
        self.occupied[place / 64] |= 1 << (place % 64);
        self.linked += 1;
    }

    fn unlink(&mut self, key: u32) {
        let Entry { slot, previous, next, .. } = self.entries[key as usize];
        let place = slot as usize % SLOTS;
        match previous {
            NONE => self.heads[place] = next,
            previous => self.entries[previous as usize].next = next,
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if self.heads[place] == NONE {
            self.occupied[place / 64] &= !(1 << (place % 64));
        }
        self.linked -= 1;
    }

    /// Gives the entry back; its waker is dropped by the caller, outside the borrow.
    fn remove(&mut self, key: u32) -> Option<Waker> {
        if self.entries[key as usize].state == State::Linked {
            self.unlink(key);
        }
        let entry = &mut self.entries[key as usize];
        entry.state = State::Free;
        entry.next = std::mem::replace(&mut self.free, key);
        entry.waker.take()
    }

    fn reset(&mut self, key: u32, at: Tick) {
        let entry = &mut self.entries[key as usize];
        entry.at = at.0;
        match entry.state {
            // Later than where it stands: that slot will send it on.
            State::Linked if slot_of(at.0) >= entry.slot => {}
            State::Linked => {
                self.unlink(key);
                self.link(key);
            }
            State::Fired => self.link(key),
            State::Free => debug_assert!(false, "a reset of an entry that nobody owns"),
        }
    }

    /// Works off the slots up to `now`. Wakers of fired entries go into `woken`, at most `BATCH`;
    /// `true` when more are due.
    fn advance(&mut self, now: Tick, woken: &mut Vec<Waker>) -> bool {
        let last = now.0 >> SLOT_SHIFT;
        // After a stall of more than a revolution, one look at each slot is enough.
        let first = (self.done + 1).max((last + 1).saturating_sub(SLOTS as u64));
        for slot in first..=last {
            let mut key = self.heads[slot as usize % SLOTS];
            while key != NONE {
                let next = self.entries[key as usize].next;
                if slot_of(self.entries[key as usize].at) <= last {
                    if woken.len() == BATCH {
                        self.done = slot - 1;
                        return true;
                    }
                    self.unlink(key);
                    let entry = &mut self.entries[key as usize];
                    entry.state = State::Fired;
                    woken.extend(entry.waker.take());
                } else if self.entries[key as usize].slot <= last {
                    // Its deadline was moved, or it is for a later round.
                    self.unlink(key);
                    self.done = slot;
                    self.link(key);
                }
                key = next;
            }
            self.done = slot;
        }
        self.done = last.max(self.done);
        false
    }

    /// The next slot number that holds something.
    fn next_slot(&self) -> Option<u64> {
        if self.linked == 0 {
            return None;
        }
        let start = (self.done + 1) as usize % SLOTS;
        // The word of `start` comes twice: first its upper bits, at the end its lower ones.
        (0..=self.occupied.len()).find_map(|step| {
            let at = (start / 64 + step) % self.occupied.len();
            let mask = match step {
                0 => u64::MAX << (start % 64),
                _ if step == self.occupied.len() => !(u64::MAX << (start % 64)),
                _ => u64::MAX,
            };
            let bits = self.occupied[at] & mask;
            let place = at * 64 + bits.trailing_zeros() as usize;
            (bits != 0).then(|| self.done + 1 + ((place + SLOTS - start) % SLOTS) as u64)
        })
    }

    /// What has to happen so that `slot` is not slept through.
    fn announce(&mut self, slot: u64) -> Announce {
        if self.is_driven {
            Announce::Nothing
        } else if !self.is_running {
            self.is_running = true;
            self.sleeps_until = slot;
            Announce::Start
        } else if slot < self.sleeps_until {
            self.sleeps_until = slot;
            self.driver.take().map_or(Announce::Nothing, Announce::Wake)
        } else {
            Announce::Nothing
        }
    }
}

enum Announce {
    Nothing,
    Wake(Waker),
    Start,
}

impl Announce {
    fn make(self) {
        match self {
            Self::Nothing => {}
            Self::Wake(driver) => driver.wake(),
            Self::Start => task::spawn(drive()),
        }
    }
}

/// Registers a timer.
pub(super) fn insert(at: Tick, waker: &Waker) -> Key {
    let (key, announce) = WHEEL.with_borrow_mut(|wheel| {
        let key = wheel.insert(at, waker.clone());
        let slot = wheel.entries[key.0 as usize].slot;
        (key, wheel.announce(slot))
    });
    announce.make();
    key
}

/// Moves a timer.
pub(super) fn reset(key: Key, at: Tick) {
    let announce = WHEEL.with_borrow_mut(|wheel| {
        wheel.reset(key.0, at);
        let slot = wheel.entries[key.0 as usize].slot;
        wheel.announce(slot)
    });
    announce.make();
}

/// Whether the timer has fired; else `waker` is what it will wake.
pub(super) fn has_fired(key: Key, waker: &Waker) -> bool {
    let old = WHEEL.with_borrow_mut(|wheel| {
        let entry = &mut wheel.entries[key.0 as usize];
        if entry.state == State::Fired {
            return Err(());
        }
        match &entry.waker {
            Some(known) if known.will_wake(waker) => Ok(None),
            _ => Ok(entry.waker.replace(waker.clone())),
        }
    });
    old.is_err()
}

/// Cancels a timer. Also after the end of the worker's thread-locals.
pub(super) fn remove(key: Key) {
    drop(WHEEL.try_with(|wheel| wheel.borrow_mut().remove(key.0)));
}

/// Says whether this thread's loop calls `fire` each turn.
pub(super) fn drive_by_turns(is_driven: bool) {
    WHEEL.with_borrow_mut(|wheel| wheel.is_driven = is_driven);
}

/// Fires what is due, at most `BATCH` timers: whether more are, and when `fire` is next needed.
pub(super) fn fire(now: Tick) -> (bool, Option<Tick>) {
    let (more, next) = WHEEL.with_borrow_mut(|wheel| {
        let mut woken = std::mem::take(&mut wheel.woken);
        let more = wheel.advance(now, &mut woken);
        wheel.woken = woken;
        (more, wheel.next_slot())
    });
    loop {
        // Not under the borrow: a waker may do anything.
        let woken = WHEEL.with_borrow_mut(|wheel| wheel.woken.pop());
        let Some(woken) = woken else { break };
        woken.wake();
    }
    (more, next.map(|slot| Tick(slot << SLOT_SHIFT)))
}

/// Ends the wheel's task when the worker's driver goes down. Timers that are left never fire.
pub(super) fn stop() {
    let driver = WHEEL.with_borrow_mut(|wheel| {
        wheel.is_stopping = wheel.is_running;
        wheel.driver.take()
    });
    if let Some(driver) = driver {
        driver.wake();
    }
}

/// The task of the wheel: fires what is due, then sleeps until the next slot that holds something,
/// or until somebody announces an earlier one.
async fn drive() {
    let mut woken = Vec::with_capacity(BATCH);
    let mut sleep = pin!(monoio::time::sleep(Duration::ZERO));
    let mut due = Tick::NEVER;
    loop {
        // The thread, or the process, stood still: what arrived meanwhile is looked at before the
        // deadlines that passed. (A wait that a stop has interrupted returns without its sockets.)
        if clock::now() >= due + LATE {
            turn::yield_now().await;
        }
        let (more, next) = WHEEL.with_borrow_mut(|wheel| {
            let more = wheel.advance(clock::now(), &mut woken);
            let next = wheel.next_slot();
            wheel.sleeps_until = next.unwrap_or(u64::MAX);
            (more, next)
        });
        for waker in woken.drain(..) {
            waker.wake();
        }
        if more {
            turn::yield_now().await;
            continue;
        }
        due = next.map_or(Tick::NEVER, |slot| Tick(slot << SLOT_SHIFT));
        if let Some(slot) = next {
            let wait = Tick(slot << SLOT_SHIFT).since(clock::now());
            sleep.as_mut().reset(monoio::time::Instant::now() + wait);
        }
        let is_stopping = poll_fn(|cx| {
            let (moved, is_stopping) = WHEEL.with_borrow_mut(|wheel| {
                wheel.driver = Some(cx.waker().clone());
                (wheel.sleeps_until != next.unwrap_or(u64::MAX), wheel.is_stopping)
            });
            if moved || is_stopping {
                return Poll::Ready(is_stopping);
            }
            match next {
                Some(_) => sleep.as_mut().poll(cx).map(|()| false),
                None => Poll::Pending,
            }
        })
        .await;
        if is_stopping {
            break;
        }
    }
    WHEEL.with_borrow_mut(|wheel| {
        wheel.is_running = false;
        wheel.is_stopping = false;
        wheel.driver = None;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLOT: u64 = 1 << SLOT_SHIFT;

    fn fired(wheel: &Wheel) -> Vec<u32> {
        let fired = |key: &u32| wheel.entries[*key as usize].state == State::Fired;
        (0..wheel.entries.len() as u32).filter(fired).collect()
    }

    #[test]
    fn slots() {
        for (case, at, expected) in
            [("zero", 0, 0), ("just after", 1, 1), ("exactly", SLOT, 1), ("over", SLOT + 1, 2)]
        {
            assert_eq!(slot_of(at), expected, "{case}");
        }
    }

    #[test]
    fn a_long_stall_fires_everything_in_batches() {
        let mut wheel = Wheel::new(Tick(0));
        for at in 0..1000 {
            wheel.insert(Tick(at * SLOT / 3), Waker::noop().clone());
        }
        let late = wheel.insert(Tick(5000 * SLOT), Waker::noop().clone());
        let mut woken = Vec::new();
        let mut batches = 1;
        while wheel.advance(Tick(4000 * SLOT), &mut woken) {
            assert_eq!(woken.len(), BATCH);
            woken.clear();
            batches += 1;
        }
        assert_eq!((batches, fired(&wheel).len()), (4, 1000));
        assert_eq!(wheel.linked, 1);
        wheel.remove(late.0);
        assert_eq!(wheel.next_slot(), None);
    }

    #[derive(Clone, Debug)]
    enum Act {
        Insert(u64),
        Reset(usize, u64),
        Remove(usize),
        Advance(u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        let time = 0..3000 * SLOT;
        prop_oneof![
            time.clone().prop_map(Act::Insert),
            (any::<usize>(), time).prop_map(|(which, time)| Act::Reset(which, time)),
            any::<usize>().prop_map(Act::Remove),
            (0..1500 * SLOT).prop_map(Act::Advance),
        ]
    }

    proptest! {
        /// Against a plain list: nothing early, nothing later than one slot, nothing lost.
        #[test]
        fn the_wheel_equals_a_list(acts in proptest::collection::vec(act(), 1..60)) {
            let mut wheel = Wheel::new(Tick(0));
            let mut list: Vec<(u32, u64)> = Vec::new();
            let mut now = 0;
            for act in acts {
                match act {
                    Act::Insert(delay) => {
                        let key = wheel.insert(Tick(now + delay), Waker::noop().clone());
                        list.push((key.0, now + delay));
                    }
                    Act::Reset(which, delay) if !list.is_empty() => {
                        let at = which % list.len();
                        list[at].1 = now + delay;
                        wheel.reset(list[at].0, Tick(now + delay));
                    }
                    Act::Remove(which) if !list.is_empty() => {
                        let (key, _) = list.swap_remove(which % list.len());
                        wheel.remove(key);
                    }
                    Act::Advance(time) => {
                        now += time;
                        let mut woken = Vec::new();
                        while wheel.advance(Tick(now), &mut woken) {
                            woken.clear();
                        }
                        for (key, at) in &list {
                            let fired = wheel.entries[*key as usize].state == State::Fired;
                            prop_assert!(!fired || *at <= now, "early");
                            prop_assert!(fired || *at + SLOT > now, "late");
                        }
                    }
                    Act::Reset(..) | Act::Remove(_) => {}
                }
                let earliest = wheel.entries.iter().filter(|e| e.state == State::Linked)
                    .map(|e| e.slot).min();
                match (wheel.next_slot(), earliest) {
                    // A later round may share the place: then the wake is early, never late.
                    (Some(next), Some(slot)) => prop_assert!(next <= slot),
                    (next, earliest) => prop_assert_eq!(next, earliest),
                }
            }
        }
    }
}

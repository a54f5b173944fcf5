//! Operations in flight, by the number that goes through the kernel as `user_data`. A slot keeps
//! what the kernel may read or write until the completion has come, whoever has lost interest.

use std::rc::Rc;
use std::task::{Poll, Waker};

use socket2::SockAddr;

use super::super::block::Block;
use super::super::placed::Placed;
use super::super::write_list::Writing;
use super::receiver::Receiver;

/// Names an operation. The generation tells a late completion from the slot's next use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    pub fn user_data(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub fn of(user_data: u64) -> Self {
        Self { index: user_data as u32, generation: (user_data >> 32) as u32 }
    }
}

/// What an operation has lent to the kernel.
pub(super) enum Kept {
    Nothing,
    Block(Block),
    List(Placed<Writing>),
    Address(#[allow(dead_code, reason = "read by the kernel")] Placed<SockAddr>),
}

/// Who gets a completion.
pub(super) enum Owner {
    /// A future that waits, or has not been polled since.
    Future {
        kept: Kept,
        state: State,
        /// This result may be told a turn late: see `Ring::late`. No result is, if 0.
        quiet: i32,
    },
    /// A future that is gone: what was lent is kept until the kernel is done.
    Nobody { _kept: Kept },
    /// The reading side of a socket; the block when it reads once.
    Receiver { receiver: Rc<Receiver>, block: Option<Block> },
}

pub(super) enum State {
    Waiting(Option<Waker>),
    Done(i32),
}

struct Slot {
    generation: u32,
    owner: Option<Owner>,
    /// The next free slot.
    next: u32,
}

/// No slot.
const NONE: u32 = u32::MAX;
/// Slots of a piece.
const PIECE: usize = 128;
/// Generations stay below the numbers that `Ring` uses for itself.
const GENERATION_MASK: u32 = 0x7fff_ffff;

/// See the module.
pub(super) struct Slots {
    /// In pieces: growing moves nothing, and ten thousand idle connections leave no room unused.
    pieces: Vec<Box<[Slot; PIECE]>>,
    free: u32,
    in_flight: usize,
}

impl Slots {
    pub const fn new() -> Self {
        Self { pieces: Vec::new(), free: NONE, in_flight: 0 }
    }

    pub fn insert(&mut self, owner: Owner) -> Key {
        self.in_flight += 1;
        if self.free == NONE {
            self.grow();
        }
        let index = self.free;
        let slot = &mut self.pieces[index as usize / PIECE][index as usize % PIECE];
        self.free = slot.next;
        slot.owner = Some(owner);
        Key { index, generation: slot.generation }
    }

    fn grow(&mut self) {
        let first = (self.pieces.len() * PIECE) as u32;
        let mut next = self.free;
        let mut piece: Box<[Slot; PIECE]> =
            Box::new(std::array::from_fn(|_| Slot { generation: 0, owner: None, next: NONE }));
        for (at, slot) in piece.iter_mut().enumerate().rev() {
            slot.next = next;
            next = first + at as u32;
        }
        self.pieces.push(piece);
        self.free = next;
    }

    fn slot(&mut self, key: Key) -> Option<&mut Slot> {
        let piece = self.pieces.get_mut(key.index as usize / PIECE)?;
        let slot = &mut piece[key.index as usize % PIECE];
        (slot.generation == key.generation).then_some(slot)
    }

    /// The owner of an operation that is in flight or done.
    pub fn owner(&mut self, key: Key) -> Option<&mut Owner> {
        self.slot(key)?.owner.as_mut()
    }

    /// Ends an operation; its owner comes back.
    pub fn remove(&mut self, key: Key) -> Option<Owner> {
        let free = self.free;
        let slot = self.slot(key)?;
        let owner = slot.owner.take()?;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        slot.next = free;
        self.free = key.index;
        self.in_flight -= 1;
        Some(owner)
    }

    /// The result of a future's operation, once it is there; until then `waker` is woken for it.
    pub fn poll(&mut self, key: Key, waker: &Waker) -> Poll<(i32, Kept)> {
        let Some(Owner::Future { state, .. }) = self.owner(key) else {
            return Poll::Ready((-libc::ECANCELED, Kept::Nothing));
        };
        match state {
            State::Waiting(Some(known)) if known.will_wake(waker) => return Poll::Pending,
            State::Waiting(known) => {
                *known = Some(waker.clone());
                return Poll::Pending;
            }
            State::Done(_) => {}
        }
        match self.remove(key) {
            Some(Owner::Future { kept, state: State::Done(result), .. }) => {
                Poll::Ready((result, kept))
            }
            _ => Poll::Ready((-libc::ECANCELED, Kept::Nothing)),
        }
    }

    /// A future is gone. Whether its operation has to be cancelled; what comes back with an operation
    /// that was done is for the caller to drop.
    pub fn abandon(&mut self, key: Key) -> (bool, Option<Owner>) {
        match self.owner(key) {
            Some(Owner::Future { state: State::Done(_), .. }) => (false, self.remove(key)),
            Some(owner @ Owner::Future { .. }) => {
                let gone = std::mem::replace(owner, Owner::Nobody { _kept: Kept::Nothing });
                if let Owner::Future { kept, state, .. } = gone {
                    *owner = Owner::Nobody { _kept: kept };
                    drop(state);
                }
                (true, None)
            }
            _ => (false, None),
        }
    }

    /// How many operations the kernel or their futures have not ended.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Leaves what is lent to the kernel for ever.
    pub fn forget(&mut self) {
        std::mem::forget(std::mem::take(&mut self.pieces));
        (self.free, self.in_flight) = (NONE, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_number_means_nothing() {
        let mut slots = Slots::new();
        let waiting =
            || Owner::Future { kept: Kept::Nothing, state: State::Waiting(None), quiet: 0 };
        let first = slots.insert(waiting());
        assert_eq!(Key::of(first.user_data()), first);
        assert!(slots.remove(first).is_some());
        let second = slots.insert(waiting());
        assert_eq!(second.index, first.index);
        assert!(slots.owner(first).is_none());
        assert!(slots.remove(first).is_none());
        assert_eq!(slots.in_flight(), 1);
        assert!(slots.owner(second).is_some());
    }

    #[test]
    fn what_was_lent_is_kept_for_a_future_that_is_gone() {
        let mut slots = Slots::new();
        let before = super::super::super::budget::used_here();
        let kept = Kept::Block(Block::small());
        let key = slots.insert(Owner::Future { kept, state: State::Waiting(None), quiet: 0 });
        let (is_in_flight, back) = slots.abandon(key);
        assert!(is_in_flight && back.is_none());
        assert_eq!(super::super::super::budget::used_here() - before, 2048);
        drop(slots.remove(key));
        assert_eq!(super::super::super::budget::used_here(), before);
    }
}

//! A per-core pool of response heads: their field lists keep their memory from call to call.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use crate::http::h1::ResponseHead;

/// Heads kept for reuse on one core; more than are ever in flight on a busy one are not kept.
const KEPT_MAX: usize = 1024;

thread_local! {
    // Boxed, so that taking and giving back moves a pointer and not some hundred bytes.
    #[allow(clippy::vec_box)]
    static POOL: RefCell<Vec<Box<ResponseHead>>> = const { RefCell::new(Vec::new()) };
}

/// A response head on loan.
pub struct PooledHead(Option<Box<ResponseHead>>);

impl PooledHead {
    /// An empty head.
    pub fn take() -> PooledHead {
        let head = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
        PooledHead(Some(head))
    }
}

impl Deref for PooledHead {
    type Target = ResponseHead;
    fn deref(&self) -> &ResponseHead {
        self.0.as_ref().expect("a head is there until drop")
    }
}

impl DerefMut for PooledHead {
    fn deref_mut(&mut self) -> &mut ResponseHead {
        self.0.as_mut().expect("a head is there until drop")
    }
}

impl Drop for PooledHead {
    fn drop(&mut self) {
        if let Some(mut head) = self.0.take() {
            POOL.with_borrow_mut(|pool| {
                if pool.len() < KEPT_MAX {
                    head.retire();
                    pool.push(head);
                }
            });
        }
    }
}

//! What one backend contributed: a part, the block that it refers to, and whether it is whole.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut, Range};

use crate::json::part::Part;
use crate::net::Block;

/// Parts kept for reuse on one core.
const KEPT_MAX: usize = 1024;

thread_local! {
    // Boxed, so that taking and giving back moves a pointer and not some hundred bytes.
    #[allow(clippy::vec_box)]
    static POOL: RefCell<Vec<Box<Part>>> = const { RefCell::new(Vec::new()) };
}

/// A part on loan from this core's pool; its memory is kept from request to request.
pub struct PooledPart(Option<Box<Part>>);

impl PooledPart {
    /// An empty part.
    pub fn take() -> PooledPart {
        PooledPart(Some(POOL.with_borrow_mut(Vec::pop).unwrap_or_default()))
    }
}

impl Deref for PooledPart {
    type Target = Part;
    fn deref(&self) -> &Part {
        self.0.as_ref().expect("a part is there until drop")
    }
}

impl DerefMut for PooledPart {
    fn deref_mut(&mut self) -> &mut Part {
        self.0.as_mut().expect("a part is there until drop")
    }
}

impl Drop for PooledPart {
    fn drop(&mut self) {
        if let Some(mut part) = self.0.take() {
            POOL.with_borrow_mut(|pool| {
                if pool.len() < KEPT_MAX {
                    part.clear();
                    pool.push(part);
                }
            });
        }
    }
}

/// One backend's data.
pub struct Data {
    /// The selected members, as ranges of the content.
    pub part: PooledPart,
    /// What the ranges refer to.
    pub block: Block,
    /// Where in the block the content stands.
    pub content: Range<usize>,
    /// Not complete: `return_error_details`.
    pub is_complete: bool,
}

impl Data {
    /// Complete, with nothing in it: a `no-op` answer among others, or a dropped body.
    pub fn empty() -> Data {
        Data { part: PooledPart::take(), block: Block::empty(), content: 0..0, is_complete: true }
    }

    /// The content that the part's ranges refer to.
    pub fn content(&self) -> &[u8] {
        self.block.get(self.content.clone()).unwrap_or_default()
    }
}

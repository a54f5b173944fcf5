//! The stack of open arrays and objects: one bit a level.

/// Which of the open containers are objects: one bit a level, the innermost lowest.
#[derive(Debug, Default)]
pub(super) struct Nest {
    bits: u64,
    pub(super) depth: usize,
    /// Full words of the levels further out; empty below 64 levels.
    outer: Vec<u64>,
}

impl Nest {
    #[inline(always)]
    pub(super) fn push(&mut self, is_object: bool) {
        if self.depth.is_multiple_of(64) && self.depth != 0 {
            self.outer.push(self.bits);
        }
        self.bits = (self.bits << 1) | u64::from(is_object);
        self.depth += 1;
    }

    /// Leaves a level: is the one around it an object? `None` when there is none.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<bool> {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth.is_multiple_of(64) {
            if self.depth == 0 {
                return None;
            }
            self.bits = self.outer.pop().unwrap_or(0);
        }
        Some(self.bits & 1 == 1)
    }

    /// No container is open.
    pub(super) fn clear(&mut self) {
        self.bits = 0;
        self.depth = 0;
        self.outer.clear();
    }
}

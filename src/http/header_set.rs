//! A set of known header ids as one word: allow-lists, what a head holds, what is stripped.

use super::HeaderId;

/// A set of `HeaderId`s. `Other` is a member like the rest: "some name without an id".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderSet(u128);

impl HeaderSet {
    pub const EMPTY: HeaderSet = HeaderSet(0);

    pub const fn of(ids: &[HeaderId]) -> HeaderSet {
        let mut set = HeaderSet(0);
        let mut at = 0;
        while at < ids.len() {
            set.0 |= 1 << ids[at] as u32;
            at += 1;
        }
        set
    }

    #[inline]
    pub fn insert(&mut self, id: HeaderId) {
        self.0 |= 1 << id as u32;
    }

    #[inline]
    pub const fn contains(self, id: HeaderId) -> bool {
        self.0 & (1 << id as u32) != 0
    }

    pub const fn intersects(self, other: HeaderSet) -> bool {
        self.0 & other.0 != 0
    }

    pub const fn union(self, other: HeaderSet) -> HeaderSet {
        HeaderSet(self.0 | other.0)
    }

    pub const fn without(self, other: HeaderSet) -> HeaderSet {
        HeaderSet(self.0 & !other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        let mut set = HeaderSet::of(&[HeaderId::Host, HeaderId::Other]);
        assert!(set.contains(HeaderId::Host) && set.contains(HeaderId::Other));
        assert!(!set.contains(HeaderId::Accept));
        set.insert(HeaderId::Accept);
        let rest = set.without(HeaderSet::of(&[HeaderId::Host, HeaderId::Other]));
        assert_eq!(rest, HeaderSet::of(&[HeaderId::Accept]));
        assert!(rest.without(set).is_empty());
    }
}

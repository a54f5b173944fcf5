//! The recording pass: validates a document and notes the ranges that its selection keeps.
//!
//! Only objects on a selector's way are entered, with one frame each; all else is skipped whole.
//! A doubled key counts once, the last time, at every entered level.

use super::keys::{KeyFilter, KeyHash, KeyTable};
use super::part::{Flags, Member, Part, Piece, Range};
use super::scan::{DEPTH_MAX, Scanner};
use super::select::{Filter, Selection, Step, Tree};
use super::text;

/// Up to here all pairs of hashes are compared; above, a table is filled.
const PAIRS_MAX: usize = 8;

/// An object that is open and on a selector's way.
#[derive(Debug)]
pub(super) struct Frame {
    kind: FrameKind,
    /// The last member was kept and nothing was left out since.
    adjacent: bool,
}

#[derive(Debug)]
enum FrameKind {
    /// Looks for this step of `target`.
    Target(usize),
    /// The object whose members become the part's.
    Top,
    /// An object inside, filtered by this level of the tree.
    Inner {
        level: u32,
        /// Where its members' marks begin.
        marks_at: usize,
        /// Where its pieces begin.
        pieces_at: usize,
        /// The member whose value it is.
        owner: Member,
    },
}

/// What happens to a member.
#[derive(Debug)]
pub(super) enum Action {
    Keep,
    Drop,
    /// Its value is looked into, if it is an object.
    Enter(u32),
    /// It is this step of `target`.
    Target(usize),
}

/// One pass over one document.
pub(super) struct Walk<'w> {
    pub(super) scanner: Scanner<'w>,
    pub(super) part: &'w mut Part,
    selection: &'w Selection,
    hash: KeyHash,
}

impl<'w> Walk<'w> {
    pub(super) fn new(main: &'w [u8], selection: &'w Selection, part: &'w mut Part) -> Walk<'w> {
        Walk { scanner: Scanner::new(main), part, selection, hash: KeyHash::new() }
    }

    /// A value that no selector can enter; its end.
    pub(super) fn skip(&mut self, at: usize) -> Option<usize> {
        self.scanner.value(at, 0, &mut self.part.nest)
    }

    /// The object that opens at `open`; its end. `None`: not JSON.
    pub(super) fn object(&mut self, open: usize) -> Option<usize> {
        if self.selection.keeps_all() { self.plain(open) } else { self.selected(open) }
    }

    /// Notes all members of an object.
    fn plain(&mut self, open: usize) -> Option<usize> {
        // A copy of its own stays in registers.
        let mut scanner = self.scanner;
        let mut at = scanner.space(open + 1);
        if scanner.peek(at) == b'}' {
            self.part.whole = Some(Range::new(open, at + 1));
            return Some(at + 1);
        }
        let mut flags = Flags::default();
        let mut filter = KeyFilter::default();
        let mut may_double = false;
        loop {
            let (mut member, value) = self.member(&mut scanner, at)?;
            may_double |= filter.enter(member.hash);
            let end = scanner.value(value, 1, &mut self.part.nest)?;
            member.value = Range::new(value, end);
            member.flags.set(flags);
            flags = Flags::FOLLOWS;
            self.part.members.push(member);
            let byte;
            (at, byte) = scanner.next(end);
            match byte {
                b',' => at = scanner.space(at + 1),
                b'}' => break,
                _ => return None,
            }
        }
        self.scanner = scanner;
        self.part.filter = filter;
        let n_members = self.part.members.len();
        if may_double {
            self.settle();
        }
        if self.part.members.len() == n_members {
            self.part.whole = Some(Range::new(open, at + 1));
        }
        Some(at + 1)
    }

    /// A key with its colon: the member without its value, and where that begins.
    #[inline(always)]
    fn member(&mut self, scanner: &mut Scanner<'w>, at: usize) -> Option<(Member, usize)> {
        if scanner.peek(at) != b'"' {
            return None;
        }
        scanner.escaped = false;
        let end = scanner.string(at)?;
        let member = self.named(at, end, scanner.escaped);
        Some((member, scanner.space(scanner.colon(end)?)))
    }

    /// The member whose key stands from `at` up to before `end`, without its value.
    #[inline(always)]
    pub(super) fn named(&mut self, at: usize, end: usize, is_escaped: bool) -> Member {
        let mut member = Member { key: Range::new(at, end), ..Member::default() };
        if is_escaped {
            self.escaped_name(&mut member);
        } else {
            member.name = Range::new(at + 1, end - 1);
            member.hash = self.hash.of(member.name.of(self.scanner.body));
        }
        member
    }

    #[inline(never)]
    fn escaped_name(&mut self, member: &mut Member) {
        let scratch = &mut self.part.scratch;
        let at = scratch.len();
        text::unquote(member.key.of(self.scanner.body), scratch);
        member.name = Range::new(at, scratch.len());
        member.flags.set(Flags::NAME_IN_SCRATCH);
        member.hash = self.hash.of(member.name.of(scratch));
    }

    /// Opens the frame of the whole document.
    pub(super) fn open(&mut self) {
        let kind =
            if self.selection.target.is_empty() { FrameKind::Top } else { FrameKind::Target(0) };
        self.part.frames.push(Frame { kind, adjacent: false });
    }

    /// Notes the members that target and filter leave.
    fn selected(&mut self, open: usize) -> Option<usize> {
        self.open();
        let mut at = self.scanner.space(open + 1);
        let mut closes = self.scanner.peek(at) == b'}';
        loop {
            while closes {
                self.close();
                if self.part.frames.is_empty() {
                    return Some(at + 1);
                }
                at = self.scanner.space(at + 1);
                match self.scanner.peek(at) {
                    b',' => {
                        at = self.scanner.space(at + 1);
                        closes = false;
                    }
                    b'}' => {}
                    _ => return None,
                }
            }
            let mut scanner = self.scanner;
            let (member, value) = self.member(&mut scanner, at)?;
            self.scanner = scanner;
            let action = self.action(&member);
            if self.scanner.peek(value) == b'{' && self.enter(&action, member)? {
                at = self.scanner.space(value + 1);
                closes = self.scanner.peek(at) == b'}';
                continue;
            }
            let depth = self.part.frames.len();
            let end = self.scanner.value(value, depth, &mut self.part.nest)?;
            self.keep_or_drop(&action, member, Range::new(value, end));
            at = self.scanner.space(end);
            match self.scanner.peek(at) {
                b',' => at = self.scanner.space(at + 1),
                b'}' => closes = true,
                _ => return None,
            }
        }
    }

    #[inline(always)]
    pub(super) fn action(&mut self, member: &Member) -> Action {
        let name = member.name(self.scanner.body, &self.part.scratch);
        let level = match self.part.frames.last().map(|frame| &frame.kind) {
            Some(FrameKind::Target(step)) => {
                let wanted = self.selection.target.get(*step);
                return match wanted.is_some_and(|wanted| wanted.is(member.hash, name)) {
                    true => Action::Target(*step),
                    false => Action::Drop,
                };
            }
            Some(FrameKind::Inner { level, .. }) => *level,
            _ => 0,
        };
        match &self.selection.filter {
            Filter::All => Action::Keep,
            Filter::Allow(tree) => match step(tree, level, member, name) {
                Some(Step::Leaf) => Action::Keep,
                Some(Step::Branch(inner)) => Action::Enter(inner),
                None => Action::Drop,
            },
            Filter::Deny(tree) => match step(tree, level, member, name) {
                Some(Step::Leaf) => Action::Drop,
                Some(Step::Branch(inner)) => Action::Enter(inner),
                None => Action::Keep,
            },
        }
    }

    /// Opens a frame for a member whose value is an object, if its action asks for one.
    pub(super) fn enter(&mut self, action: &Action, member: Member) -> Option<bool> {
        let kind = match *action {
            Action::Keep | Action::Drop => return Some(false),
            Action::Target(step) => {
                self.part.clear_data();
                if step + 1 == self.selection.target.len() {
                    FrameKind::Top
                } else {
                    FrameKind::Target(step + 1)
                }
            }
            Action::Enter(level) => {
                let pieces = &mut self.part.pieces;
                let pieces_at = pieces.len();
                let parent = self.part.frames.last().map(|frame| &frame.kind);
                if matches!(parent, Some(FrameKind::Inner { .. })) {
                    pieces.push(Piece::Key(member.key));
                }
                pieces.push(Piece::Open);
                let marks_at = self.part.marks.len();
                FrameKind::Inner { level, marks_at, pieces_at, owner: member }
            }
        };
        if self.part.frames.len() >= DEPTH_MAX {
            return None;
        }
        if let Some(parent) = self.part.frames.last_mut() {
            parent.adjacent = false;
        }
        self.part.frames.push(Frame { kind, adjacent: false });
        Some(true)
    }

    /// A member whose value was skipped.
    pub(super) fn keep_or_drop(&mut self, action: &Action, mut member: Member, value: Range) {
        let kept = match action {
            Action::Keep => true,
            Action::Drop => false,
            // No object here: `allow` wanted something inside, `deny` has nothing to remove.
            Action::Enter(_) => matches!(self.selection.filter, Filter::Deny(_)),
            Action::Target(_) => {
                // A later `target` that is no object hides an earlier one that was.
                self.part.clear_data();
                false
            }
        };
        let Some(frame) = self.part.frames.last_mut() else { return };
        let follows = frame.adjacent;
        frame.adjacent = kept;
        if !kept && !matches!(action, Action::Enter(_)) {
            return;
        }
        let is_top = matches!(frame.kind, FrameKind::Top);
        if !kept {
            member.flags.set(Flags::DEAD);
        } else if is_top {
            member.value = value;
            if follows {
                member.flags.set(Flags::FOLLOWS);
            }
        } else {
            let at = self.part.pieces.len();
            let range = Range::new(member.key.at as usize, value.end());
            self.part.pieces.push(Piece::Run { range, follows });
            member.value = Range::new(at, at + 1);
        }
        let list = if is_top { &mut self.part.members } else { &mut self.part.marks };
        list.push(member);
    }

    /// The innermost object ends.
    pub(super) fn close(&mut self) {
        let part = &mut *self.part;
        let Some(frame) = part.frames.pop() else { return };
        match frame.kind {
            FrameKind::Target(_) => {}
            FrameKind::Top => {
                for member in &part.members {
                    part.filter.enter(member.hash);
                }
                self.settle();
            }
            FrameKind::Inner { marks_at, pieces_at, mut owner, .. } => {
                let marks = part.marks.get_mut(marks_at..).unwrap_or_default();
                last_wins(marks, self.scanner.body, &part.scratch, &mut part.table, |mark| {
                    let end = mark.value.end();
                    if let Some(dead) = part.pieces.get_mut(mark.value.at as usize..end) {
                        dead.fill(Piece::Gone);
                    }
                });
                let is_empty = marks.iter().all(|mark| mark.flags.has(Flags::DEAD));
                part.marks.truncate(marks_at);
                if is_empty && matches!(self.selection.filter, Filter::Allow(_)) {
                    part.pieces.truncate(pieces_at);
                    owner.flags.set(Flags::DEAD);
                } else {
                    part.pieces.push(Piece::Close);
                }
                owner.value = Range::new(pieces_at, part.pieces.len());
                owner.flags.set(Flags::COMPOSED);
                let parent = part.frames.last().map(|frame| &frame.kind);
                let list = if matches!(parent, Some(FrameKind::Inner { .. })) {
                    &mut part.marks
                } else {
                    &mut part.members
                };
                list.push(owner);
            }
        }
    }

    /// The top's members are complete: of a doubled key the last stays.
    pub(super) fn settle(&mut self) {
        let part = &mut *self.part;
        let mut changed = false;
        let members = &mut part.members;
        last_wins(members, self.scanner.body, &part.scratch, &mut part.table, |_| changed = true);
        if changed || !self.selection.keeps_all() {
            drop_dead(members);
        }
    }
}

#[inline(always)]
fn step(tree: &Tree, level: u32, member: &Member, name: &[u8]) -> Option<Step> {
    tree.step(level, member.hash, name)
}

/// Removes members that are overwritten or filtered away.
pub(super) fn drop_dead(members: &mut Vec<Member>) {
    let mut gap = false;
    members.retain_mut(|member| {
        if member.flags.has(Flags::DEAD) {
            gap = true;
            return false;
        }
        if gap {
            member.flags.unset(Flags::FOLLOWS);
        }
        gap = false;
        true
    });
}

/// Marks all but the last of equal keys as dead, telling `dying` about each.
fn last_wins(
    members: &mut [Member],
    main: &[u8],
    scratch: &[u8],
    table: &mut KeyTable,
    mut dying: impl FnMut(&Member),
) {
    let mut die = |member: &mut Member| {
        dying(member);
        member.flags.set(Flags::DEAD);
    };
    if members.len() <= PAIRS_MAX {
        for at in 1..members.len() {
            let (earlier, later) = members.split_at_mut(at);
            let Some(new) = later.first() else { continue };
            for old in earlier {
                if old.hash == new.hash
                    && !old.flags.has(Flags::DEAD)
                    && old.name(main, scratch) == new.name(main, scratch)
                {
                    die(old);
                }
            }
        }
        return;
    }
    table.begin(members.len());
    last_wins_among(0, members.len(), members, main, scratch, table, die);
}

/// Among `n` members from `from` on, when those before are done and `table` was begun.
pub(super) fn last_wins_from(
    from: usize,
    n: usize,
    members: &mut [Member],
    main: &[u8],
    scratch: &[u8],
    table: &mut KeyTable,
) {
    last_wins_among(from, n, members, main, scratch, table, |old| old.flags.set(Flags::DEAD));
}

fn last_wins_among(
    from: usize,
    n: usize,
    members: &mut [Member],
    main: &[u8],
    scratch: &[u8],
    table: &mut KeyTable,
    mut die: impl FnMut(&mut Member),
) {
    for at in from..members.len().min(from + n) {
        let (earlier, later) = members.split_at_mut(at);
        let Some(new) = later.first() else { continue };
        let name = new.name(main, scratch);
        let same =
            |old: u32| earlier.get(old as usize).is_some_and(|old| old.name(main, scratch) == name);
        if let Some(old) = table.enter(new.hash, at as u32, same)
            && let Some(old) = earlier.get_mut(old as usize)
        {
            die(old);
        }
    }
}

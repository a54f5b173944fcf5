//! `target`, `allow`, `deny`, `mapping`, `group`: what is kept of a backend's object.
//! Source: docs/reference/lura-core.md 3.12.

use super::keys::KeyHash;
use super::text::{self, Escape};

/// The keys as the configuration has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectionSpec {
    /// Dot path of the object that replaces the whole; empty is none.
    pub target: Option<String>,
    /// Dot paths to keep; when not empty, `deny` is not looked at.
    pub allow: Vec<String>,
    /// Dot paths to remove.
    pub deny: Vec<String>,
    /// Renamed top-level keys, old and new, in the order of the file.
    pub mapping: Vec<(String, String)>,
    /// Key that wraps the rest; empty is none.
    pub group: Option<String>,
}

/// A compiled [`SelectionSpec`]. Immutable; shared by all requests.
#[derive(Debug, Default)]
pub struct Selection {
    /// Keys to descend through, outermost first.
    pub(super) target: Vec<Name>,
    pub(super) filter: Filter,
    /// Old and new key.
    pub(super) mapping: Vec<(Name, Name)>,
    pub(super) group: Option<Name>,
}

/// A key from the configuration.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) hash: u32,
    pub(super) text: Box<[u8]>,
}

impl Name {
    fn new(text: &str) -> Name {
        Name { hash: KeyHash::new().of(text.as_bytes()), text: text.as_bytes().into() }
    }

    #[inline(always)]
    pub(super) fn is(&self, hash: u32, text: &[u8]) -> bool {
        self.hash == hash && *self.text == *text
    }
}

/// `allow` or `deny` as a tree of keys.
#[derive(Debug, Default)]
pub(super) enum Filter {
    #[default]
    All,
    Allow(Tree),
    Deny(Tree),
}

/// A tree of keys in one vector; level 0 is the root. A level that was replaced while building
/// stays as an unreachable entry.
#[derive(Debug, Default)]
pub(super) struct Tree {
    levels: Vec<Level>,
    /// Keys of the longest path, or more.
    depth: usize,
}

/// The keys of one object, sorted by hash.
#[derive(Debug, Default)]
struct Level {
    entries: Vec<(Name, Step)>,
}

/// What the tree says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The path ends here.
    Leaf,
    /// Only something inside is named: the level.
    Branch(u32),
}

impl Selection {
    /// Compiles a specification; never fails, since every text is a key.
    pub fn new(spec: &SelectionSpec) -> Selection {
        let path = spec.target.as_deref().filter(|path| !path.is_empty());
        let filter = if !spec.allow.is_empty() {
            Filter::Allow(Tree::new(&spec.allow, Order::LaterReplaces))
        } else if !spec.deny.is_empty() {
            Filter::Deny(Tree::new(&spec.deny, Order::ShorterWins))
        } else {
            Filter::All
        };
        let mapping = spec.mapping.iter().map(|(old, new)| {
            // KrakenD cuts the new name at its first dot (docs/reference/lura-core.md 3.12).
            let new = new.split('.').next().unwrap_or_default();
            (Name::new(old), Name::new(new))
        });
        Selection {
            target: path.into_iter().flat_map(|path| path.split('.')).map(Name::new).collect(),
            filter,
            mapping: mapping.filter(|(old, new)| old.text != new.text).collect(),
            group: spec.group.as_deref().filter(|group| !group.is_empty()).map(Name::new),
        }
    }

    /// Nothing to do: the object goes through whole.
    pub fn is_identity(&self) -> bool {
        self.keeps_all() && self.mapping.is_empty() && self.group.is_none()
    }

    /// Objects inside each other that it looks into, the document itself included.
    pub(super) fn depth(&self) -> usize {
        let filter = match &self.filter {
            Filter::All => 1,
            Filter::Allow(tree) | Filter::Deny(tree) => tree.depth,
        };
        self.target.len() + filter
    }

    /// Neither `target` nor a filter.
    pub(super) fn keeps_all(&self) -> bool {
        self.target.is_empty() && matches!(self.filter, Filter::All)
    }
}

impl Name {
    /// Appends the key as a JSON string.
    pub(super) fn quoted(&self, out: &mut Vec<u8>) {
        text::quote(&self.text, Escape::Plain, out);
    }
}

/// What happens when one path of a list is the beginning of another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// `allow`: the later one replaces the earlier.
    LaterReplaces,
    /// `deny`: the shorter one wins.
    ShorterWins,
}

impl Tree {
    fn new(paths: &[String], order: Order) -> Tree {
        let mut tree = Tree { levels: vec![Level::default()], depth: 1 };
        for path in paths {
            tree.depth = tree.depth.max(path.split('.').count());
            tree.insert(path, order);
        }
        for level in &mut tree.levels {
            level.entries.sort_by_key(|(name, _)| name.hash);
        }
        tree
    }

    fn insert(&mut self, path: &str, order: Order) {
        let mut level = 0;
        let mut steps = path.split('.').peekable();
        while let Some(step) = steps.next() {
            let is_last = steps.peek().is_none();
            let new_level = self.levels.len();
            let entries = &mut self.levels[level].entries;
            let found = entries.iter_mut().find(|(name, _)| *name.text == *step.as_bytes());
            let new = if is_last { Step::Leaf } else { Step::Branch(new_level as u32) };
            level = match found {
                Some((_, Step::Branch(inner))) if !is_last => *inner as usize,
                Some((_, Step::Leaf)) if order == Order::ShorterWins => return,
                Some((_, old)) => {
                    *old = new;
                    new_level
                }
                None => {
                    entries.push((Name::new(step), new));
                    new_level
                }
            };
            if level == new_level && !is_last {
                self.levels.push(Level::default());
            }
        }
    }

    /// What the tree says about a key of this level.
    #[inline(always)]
    pub(super) fn step(&self, level: u32, hash: u32, name: &[u8]) -> Option<Step> {
        let entries = &self.levels.get(level as usize)?.entries;
        // Lists of up to a dozen are faster walked than halved.
        let first = if entries.len() <= 12 {
            0
        } else {
            entries.partition_point(|(entry, _)| entry.hash < hash)
        };
        let from = entries.get(first..)?;
        from.iter()
            .take_while(|(entry, _)| first == 0 || entry.hash == hash)
            .find_map(|(entry, step)| if entry.is(hash, name) { Some(*step) } else { None })
    }
}

//! The tree while routes are added: radix nodes that split, and the conflicts between patterns.
//! Built before traffic; `tree.rs` flattens it. Source: docs/reference/lura-core.md 2.3.

use super::pattern::{Pattern, Piece};

/// A node: reached when the bytes of the edge to it have been matched.
#[derive(Default)]
pub(super) struct Growing {
    /// Edges by literal bytes, no two with the same first byte.
    pub literals: Vec<(Vec<u8>, Growing)>,
    pub param: Option<Box<Wild>>,
    /// The route of a catch-all below this node.
    pub rest: Option<u32>,
    pub route: Option<u32>,
}

/// The edge of a parameter.
pub(super) struct Wild {
    pub name: String,
    /// The pattern that brought the edge, for messages.
    owner: u32,
    pub node: Growing,
}

/// What stands in the way of a pattern, and whose it is.
pub(super) enum Taken {
    /// The same paths.
    Same(u32),
    /// A parameter with this name at the position of the pattern's `nth` wildcard.
    Name { name: String, nth: usize, existing: u32 },
    /// A catch-all where the pattern goes on, or paths where the pattern has a catch-all.
    CatchAll(u32),
}

impl Growing {
    /// What keeps `pattern` from standing beside the patterns that are there.
    pub fn taken(&self, pattern: &Pattern) -> Option<Taken> {
        let mut node = self;
        let mut nth = 0;
        for (at, piece) in pattern.pieces.iter().enumerate() {
            match piece {
                Piece::Literal(bytes) => {
                    let mut bytes = bytes.as_slice();
                    while let Some(first) = bytes.first() {
                        if let Some(existing) = node.rest {
                            return Some(Taken::CatchAll(existing));
                        }
                        let (edge, child) =
                            node.literals.iter().find(|(edge, _)| edge.first() == Some(first))?;
                        match bytes.strip_prefix(edge.as_slice()) {
                            Some(after) => (node, bytes) = (child, after),
                            None if edge.starts_with(bytes) => {
                                let is_rest =
                                    matches!(pattern.pieces.get(at + 1), Some(Piece::Rest(_)));
                                let existing = child.any_route().filter(|_| is_rest);
                                return existing.map(Taken::CatchAll);
                            }
                            None => return None,
                        }
                    }
                }
                Piece::Param(name) => {
                    if let Some(existing) = node.rest {
                        return Some(Taken::CatchAll(existing));
                    }
                    let wild = node.param.as_ref()?;
                    if wild.name != *name {
                        let (name, existing) = (wild.name.clone(), wild.owner);
                        return Some(Taken::Name { name, nth, existing });
                    }
                    node = &wild.node;
                    nth += 1;
                }
                Piece::Rest(_) => {
                    let same = node.rest.map(Taken::Same);
                    return same.or_else(|| node.any_route().map(Taken::CatchAll));
                }
            }
        }
        let same = node.route.map(Taken::Same);
        same.or_else(|| node.rest.map(Taken::CatchAll))
    }

    /// Adds a pattern; where the same paths are taken, the earlier route stays.
    pub fn insert(&mut self, pattern: &Pattern, route: u32) {
        let mut node = self;
        for piece in &pattern.pieces {
            node = match piece {
                Piece::Literal(bytes) => node.literal(bytes),
                Piece::Param(name) => {
                    let wild = || Wild { name: name.clone(), owner: route, node: Self::default() };
                    &mut node.param.get_or_insert_with(|| Box::new(wild())).node
                }
                Piece::Rest(_) => {
                    node.rest.get_or_insert(route);
                    return;
                }
            };
        }
        node.route.get_or_insert(route);
    }

    /// The node behind `bytes`, splitting edges where they part.
    fn literal(&mut self, bytes: &[u8]) -> &mut Growing {
        let Some(first) = bytes.first() else { return self };
        let Some(at) = self.literals.iter().position(|(edge, _)| edge.first() == Some(first))
        else {
            self.literals.push((bytes.to_vec(), Growing::default()));
            let last = self.literals.len() - 1;
            return &mut self.literals[last].1;
        };
        let (edge, child) = &mut self.literals[at];
        let shared = edge.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        if shared < edge.len() {
            let tail = edge.split_off(shared);
            let lower = std::mem::take(child);
            child.literals.push((tail, lower));
        }
        child.literal(&bytes[shared..])
    }

    fn any_route(&self) -> Option<u32> {
        let here = self.route.or(self.rest);
        let below = || self.literals.iter().find_map(|(_, child)| child.any_route());
        here.or_else(below).or_else(|| self.param.as_ref()?.node.any_route())
    }
}

//! The tree that requests walk: flat, read-only, literals before a parameter with backtracking.
//! Knows no method and no redirect. Source: docs/reference/lura-core.md 2.3.

use std::collections::HashMap;

use super::growing::Growing;
use super::params::{Choice, Edge, Walk};
use super::pattern::Pattern;

const NONE: u32 = u32::MAX;

/// The routes of one method: those without a wildcard by their whole path, the others in a tree.
#[derive(Default)]
pub(super) struct Table {
    fixed: HashMap<Box<[u8]>, u32, foldhash::fast::RandomState>,
    nodes: Box<[Node]>,
    /// Bytes of the edges that lead to the nodes.
    edges: Box<[u8]>,
    /// First bytes of each node's literal edges, and the nodes behind them.
    firsts: Box<[u8]>,
    children: Box<[u32]>,
}

struct Node {
    edge_at: u32,
    edge_len: u32,
    kids_at: u32,
    n_kids: u32,
    param: u32,
    rest: u32,
    route: u32,
}

impl Table {
    /// Where two patterns match the same paths the earlier one stays: the caller has reported it.
    pub fn new<'a>(patterns: impl Iterator<Item = (&'a Pattern, u32)>) -> Self {
        let mut table = Self::default();
        let mut root = Growing::default();
        for (pattern, route) in patterns {
            match pattern.fixed() {
                Some(path) => {
                    table.fixed.entry(path.into()).or_insert(route);
                }
                None => root.insert(pattern, route),
            }
        }
        let mut flat = Flat::default();
        flat.node(&[], &root);
        table.nodes = flat.nodes.into();
        table.edges = flat.edges.into();
        table.firsts = flat.firsts.into();
        table.children = flat.children.into();
        table
    }

    /// The route that serves `path`; where it has wildcards, their spans are left in `walk`.
    pub fn find(&self, path: &[u8], walk: &mut Walk) -> Option<u32> {
        walk.clear();
        if let Some(route) = self.fixed.get(path) {
            return Some(*route);
        }
        self.walk(path, walk)
    }

    fn walk(&self, path: &[u8], walk: &mut Walk) -> Option<u32> {
        let mut at = 0;
        let mut node = self.nodes.first()?;
        loop {
            let n_spans = walk.spans.len() as u32;
            if node.rest != NONE {
                let edge = Edge::Rest(node.rest);
                walk.choices.push(Choice { edge, at: at as u32, n_spans });
            }
            if at == path.len() {
                if node.route != NONE {
                    return Some(node.route);
                }
            } else {
                if let Some(child) = self.literal(node, &path[at..]) {
                    if node.param != NONE {
                        let edge = Edge::Param(node.param);
                        walk.choices.push(Choice { edge, at: at as u32, n_spans });
                    }
                    at += child.edge_len as usize;
                    node = child;
                    continue;
                }
                if node.param != NONE {
                    (node, at) = self.param(node.param, path, at, walk)?;
                    continue;
                }
            }
            let choice = walk.choices.pop()?;
            walk.spans.truncate(choice.n_spans as usize);
            match choice.edge {
                Edge::Param(edge) => {
                    (node, at) = self.param(edge, path, choice.at as usize, walk)?;
                }
                Edge::Rest(route) => {
                    // The value begins with the slash that every catch-all stands behind.
                    walk.push((choice.at as usize).saturating_sub(1), path.len());
                    return Some(route);
                }
            }
        }
    }

    /// Takes the parameter's edge at `at`, where at least one byte is left.
    fn param(&self, edge: u32, path: &[u8], at: usize, walk: &mut Walk) -> Option<(&Node, usize)> {
        let end = memchr::memchr(b'/', &path[at..]).map_or(path.len(), |len| at + len);
        walk.push(at, end);
        Some((self.nodes.get(edge as usize)?, end))
    }

    fn literal(&self, node: &Node, rest: &[u8]) -> Option<&Node> {
        let from = node.kids_at as usize;
        let firsts = &self.firsts[from..from + node.n_kids as usize];
        let kid = firsts.iter().position(|first| *first == rest[0])?;
        let child = &self.nodes[self.children[from + kid] as usize];
        let edge_at = child.edge_at as usize;
        let edge = &self.edges[edge_at..edge_at + child.edge_len as usize];
        rest.starts_with(edge).then_some(child)
    }
}

#[derive(Default)]
struct Flat {
    nodes: Vec<Node>,
    edges: Vec<u8>,
    firsts: Vec<u8>,
    children: Vec<u32>,
}

impl Flat {
    /// Appends `grown` and all below it; recursion is as deep as the longest pattern of the file.
    fn node(&mut self, edge: &[u8], grown: &Growing) -> u32 {
        let id = self.nodes.len() as u32;
        self.nodes.push(Node {
            edge_at: self.edges.len() as u32,
            edge_len: edge.len() as u32,
            kids_at: self.firsts.len() as u32,
            n_kids: grown.literals.len() as u32,
            param: NONE,
            rest: grown.rest.unwrap_or(NONE),
            route: grown.route.unwrap_or(NONE),
        });
        self.edges.extend_from_slice(edge);
        let kids_at = self.firsts.len();
        self.firsts.extend(grown.literals.iter().filter_map(|(edge, _)| edge.first()));
        self.children.resize(self.firsts.len(), NONE);
        for (kid, (edge, child)) in grown.literals.iter().enumerate() {
            self.children[kids_at + kid] = self.node(edge, child);
        }
        if let Some(wild) = &grown.param {
            let param = self.node(&[], &wild.node);
            self.nodes[id as usize].param = param;
        }
        id
    }
}

//! The tree that requests walk: flat, read-only, literals before a parameter with backtracking.
//! Knows no method and no redirect. Source: docs/reference/lura-core.md 2.3.

use std::collections::{HashMap, VecDeque};

use super::growing::Growing;
use super::params::{Choice, Edge, Walk};
use super::pattern::Pattern;

const NONE: u32 = u32::MAX;

/// The routes of one method: those without a wildcard by their whole path, the others in a tree.
#[derive(Default)]
pub(super) struct Table {
    fixed: HashMap<Box<[u8]>, u32, foldhash::fast::RandomState>,
    nodes: Box<[Node]>,
    /// The first byte of the edge that leads to each node, 0 where there is none. The nodes behind a
    /// node's literal edges stand side by side, so this is where one looks for the next byte.
    firsts: Box<[u8]>,
    /// Bytes of the edges that lead to the nodes.
    edges: Box<[u8]>,
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
        table.flatten(&root);
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
        let kids_at = node.kids_at as usize;
        let firsts = &self.firsts[kids_at..kids_at + node.n_kids as usize];
        let kid = firsts.iter().position(|first| *first == rest[0])?;
        let child = &self.nodes[kids_at + kid];
        let edge_at = child.edge_at as usize;
        let edge = &self.edges[edge_at..edge_at + child.edge_len as usize];
        rest.starts_with(edge).then_some(child)
    }

    /// Numbers the nodes level by level.
    fn flatten(&mut self, root: &Growing) {
        let (mut nodes, mut firsts, mut edges) = (Vec::new(), vec![0], Vec::new());
        let mut waiting: VecDeque<(&[u8], &Growing)> = VecDeque::from([(&[][..], root)]);
        while let Some((edge, grown)) = waiting.pop_front() {
            let kids_at = firsts.len() as u32;
            for (edge, child) in &grown.literals {
                firsts.push(edge.first().copied().unwrap_or(0));
                waiting.push_back((edge, child));
            }
            let param = grown.param.as_ref().map_or(NONE, |wild| {
                firsts.push(0);
                waiting.push_back((&[], &wild.node));
                firsts.len() as u32 - 1
            });
            nodes.push(Node {
                edge_at: edges.len() as u32,
                edge_len: edge.len() as u32,
                kids_at,
                n_kids: grown.literals.len() as u32,
                param,
                rest: grown.rest.unwrap_or(NONE),
                route: grown.route.unwrap_or(NONE),
            });
            edges.extend_from_slice(edge);
        }
        debug_assert_eq!(nodes.len(), firsts.len());
        (self.nodes, self.firsts, self.edges) = (nodes.into(), firsts.into(), edges.into());
    }
}

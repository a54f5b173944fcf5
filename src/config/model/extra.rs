//! Blocks of `extra_config` that belong to policies and protocols, kept for their owners to read.

use super::Reading;
use crate::config::known::{self, Class, Level, Namespace};
use crate::config::node::{Node, NodeId, Tree};
use std::sync::Arc;

/// One namespace of an `extra_config`.
#[derive(Clone, Debug)]
pub struct ExtraBlock {
    /// The short name, such as `auth/validator`, whichever spelling the file uses.
    pub namespace: String,
    /// The block in the file.
    pub at: NodeId,
    /// The tree that it stands in.
    pub tree: Arc<Tree>,
}

impl ExtraBlock {
    /// The block, to be read with `Node::field`, `Node::read` and `Node::only`.
    pub fn node(&self) -> Node<'_> {
        self.tree.at(self.at)
    }
}

/// An `extra_config` whose keys have been checked.
pub(super) struct Extra<'a> {
    table: Option<Node<'a>>,
}

/// Namespaces that the model itself reads; all others go to their policies.
const READ_HERE: &[&str] =
    &["ringway", "router", "proxy", "backend/http", "backend/http/client", "telemetry/logging"];

impl<'a> Extra<'a> {
    /// The block `extra_config` of a service, endpoint or backend; each namespace is held against
    /// the table of known ones.
    pub(super) fn of(node: Node<'a>, level: Level, reading: &mut Reading<'_>) -> Self {
        let table = node.get("extra_config").filter(|table| table.expect_table(reading.found));
        if let Some(table) = table {
            known::check_namespaces(table, level, reading.also_known, reading.found);
        }
        Extra { table }
    }

    /// A namespace by its short name; the short spelling wins when both are there.
    pub(super) fn block(&self, alias: &str) -> Option<Node<'a>> {
        let present = |name: &str| {
            self.table.and_then(|table| table.exact(name)).filter(|block| !block.is_null())
        };
        let internal = Namespace::named(alias).and_then(|row| row.internal);
        present(alias).or_else(|| internal.and_then(present))
    }

    /// A namespace that the model reads; anything but an object is refused.
    pub(super) fn object(&self, alias: &str, reading: &mut Reading<'_>) -> Option<Node<'a>> {
        self.block(alias).filter(|block| block.expect_table(reading.found))
    }

    /// What is left for policies: known to the table, or to the program around the gateway.
    pub(super) fn rest(&self, reading: &Reading<'_>) -> Vec<ExtraBlock> {
        let mut blocks: Vec<ExtraBlock> = Vec::new();
        for child in self.table.into_iter().flat_map(Node::children) {
            let Some(key) = child.key().filter(|_| !child.is_null()) else { continue };
            let row = Namespace::named(key).filter(|row| row.class != Class::Comment);
            let namespace = match row {
                Some(row) if READ_HERE.contains(&row.alias) => continue,
                Some(row) => row.alias,
                None if reading.also_known.iter().any(|name| name == key) => key,
                None => continue,
            };
            if self.block(namespace).is_some_and(|block| block.id() != child.id()) {
                continue;
            }
            blocks.push(ExtraBlock {
                namespace: namespace.to_owned(),
                at: child.id(),
                tree: Arc::clone(reading.tree),
            });
        }
        blocks
    }
}

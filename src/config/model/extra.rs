//! Blocks of `extra_config` that belong to policies and protocols, kept for their owners to read.

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

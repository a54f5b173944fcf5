//! Part of the json floor.

/// A value.
#[derive(Clone, Copy)]
pub struct Node<'t>(pub &'t ());

//! Allow-lists of header fields and query parameters.

/// Which names pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All of them.
    All,
    /// These and no others; header names stand in canonical form (`X-Api-Key`).
    Only(Vec<String>),
}

//! `target`, `allow`, `deny`, `mapping`, `group`: what is kept of a backend's object.
//! Source: docs/reference/lura-core.md 3.12.

/// The keys as the configuration has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectionSpec {
    /// Dot path of the object that replaces the whole.
    pub target: Option<String>,
    /// Dot paths to keep; when not empty, `deny` is not looked at.
    pub allow: Vec<String>,
    /// Dot paths to remove.
    pub deny: Vec<String>,
    /// Renamed top-level keys, old and new, in the order of the file.
    pub mapping: Vec<(String, String)>,
    /// Key that wraps the rest.
    pub group: Option<String>,
}

/// A compiled [`SelectionSpec`]. Immutable; shared by all requests.
#[derive(Debug, Default)]
pub struct Selection {}

impl Selection {
    /// Compiles a specification; never fails, since every text is a key.
    pub fn new(spec: &SelectionSpec) -> Selection {
        let _ = spec;
        Selection {}
    }
    /// Nothing to do: the object goes through whole.
    pub fn is_identity(&self) -> bool {
        true
    }
}

//! JSON, YAML and TOML into one tree. Which one a file is in is decided by its name, as in KrakenD.

pub mod json;
pub mod toml;
pub mod yaml;

use super::diagnostic::Diagnostics;
use super::node::Tree;
use super::source::SourceId;

/// Nesting beyond this is refused in every format, so that no walk of the tree gets deep.
pub const DEPTH_MAX: usize = 250;

/// Nodes of one file after aliases are expanded. A file of 10,000 endpoints with three backends
/// each has about half a million.
pub const NODES_MAX: usize = 5_000_000;

/// A syntax that configurations are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Anything that is not one of the others.
    Json,
    /// `.yaml`, `.yml`
    Yaml,
    /// `.toml`
    Toml,
}

impl Format {
    /// By extension; case counts (`docs/reference/krakend-components.md` 21.2).
    pub fn of(name: &str) -> Format {
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
        match file.rsplit_once('.') {
            Some((_, "yaml" | "yml")) => Format::Yaml,
            Some((_, "toml")) => Format::Toml,
            _ => Format::Json,
        }
    }
}

/// Parses a text; `None` after an error that left no tree.
pub fn parse(
    format: Format,
    text: &str,
    source: SourceId,
    found: &mut Diagnostics,
) -> Option<Tree> {
    match format {
        Format::Json => json::parse(text, source, found),
        Format::Yaml => yaml::parse(text, source, found),
        Format::Toml => toml::parse(text, source, found),
    }
}

/// The tree of a JSON text that must be right.
#[cfg(test)]
pub(super) fn json_for_tests(text: &str) -> Tree {
    let mut found = Diagnostics::new(false);
    let tree = json::parse(text, SourceId::default(), &mut found);
    assert!(!found.has_errors(), "{found:?}");
    tree.expect("a tree without errors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_name() {
        for (name, format) in [
            ("krakend.json", Format::Json),
            ("a/b.yml", Format::Yaml),
            ("b.yaml", Format::Yaml),
            ("b.YAML", Format::Json),
            ("x.toml", Format::Toml),
            ("dir.toml/x", Format::Json),
            ("", Format::Json),
        ] {
            assert_eq!(Format::of(name), format, "{name}");
        }
    }
}

//! How answers of backends are read and how the gateway's own are written.
//! Source: docs/reference/lura-core.md 4.5, 5.1.

use crate::config::diagnostic::Diagnostics;
use crate::config::nearest::nearest;
use crate::config::node::Node;

/// `encoding` of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// `json` (default) and `fast-json`: an object, or with `is_collection` an array.
    #[default]
    Json,
    /// `safejson`: object, array (under `collection`) or anything else (under `content`).
    SafeJson,
    /// `string`: the bytes as text under `content`.
    String,
    /// `no-op`: not read at all, passed on.
    NoOp,
}

/// `output_encoding` of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum OutputEncoding {
    /// `json` (default) and `fast-json`.
    #[default]
    Json,
    /// `json-collection`: the array under `collection`, `[]` without one.
    JsonCollection,
    /// `string`: the text under `content`.
    String,
    /// `no-op`: the answer of the only backend as it comes: status, fields, body.
    NoOp,
}

const READ_LATER: &[&str] = &["xml", "rss", "yaml"];
const WRITTEN_LATER: &[&str] =
    &["xml", "yaml", "negotiate", "streaming", "sse", "ndjson", "eventstream"];

impl Encoding {
    const NAMES: [(&str, Encoding); 5] = [
        ("json", Encoding::Json),
        ("fast-json", Encoding::Json),
        ("safejson", Encoding::SafeJson),
        ("string", Encoding::String),
        ("no-op", Encoding::NoOp),
    ];

    /// Case does not count. An unknown name is `json` in KrakenD: told, and refused when strict.
    pub(super) fn read(backend: Node<'_>, found: &mut Diagnostics) -> Encoding {
        let Some(node) = backend.get("encoding") else { return Encoding::Json };
        let text: String = node.read(found).unwrap_or_default();
        let name = text.to_lowercase();
        if name.is_empty() {
            return Encoding::Json;
        }
        if let Some((_, encoding)) = Self::NAMES.iter().find(|(known, _)| *known == name) {
            return *encoding;
        }
        let names = Self::NAMES.map(|(name, _)| name);
        if READ_LATER.contains(&name.as_str()) {
            let words = "is an encoding that this version cannot read yet";
            found.refuse(node, words, &names.join(", "));
        } else {
            let words = format!("{} is not an encoding, json is used", node.shown());
            found.doubt(node, words).nearest(nearest(&name, names)).allowed(names.join(", "));
        }
        Encoding::Json
    }
}

impl OutputEncoding {
    const NAMES: [(&str, OutputEncoding); 5] = [
        ("json", OutputEncoding::Json),
        ("fast-json", OutputEncoding::Json),
        ("json-collection", OutputEncoding::JsonCollection),
        ("string", OutputEncoding::String),
        ("no-op", OutputEncoding::NoOp),
    ];

    /// The name as written; `None` when it is not one of ours.
    pub(super) fn named(name: &str) -> Option<OutputEncoding> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, encoding)| *encoding)
    }

    /// Told once for each place that names it: `node` is the endpoint's key or the service's, whose
    /// fall-back depends on the endpoint (`None`).
    pub(super) fn check(
        node: Node<'_>,
        name: &str,
        instead: Option<OutputEncoding>,
        found: &mut Diagnostics,
    ) {
        if name.is_empty() || Self::named(name).is_some() {
            return;
        }
        let names = Self::NAMES.map(|(name, _)| name);
        if WRITTEN_LATER.contains(&name) {
            let words = "is an encoding that this version cannot write yet";
            found.refuse(node, words, &names.join(", "));
        } else {
            let instead = instead.unwrap_or_default();
            let known = Self::NAMES.iter().find(|(_, encoding)| *encoding == instead);
            let instead = known.map_or("json", |(name, _)| name);
            let words = format!("{} is not an output encoding, {instead} is used", node.shown());
            found.doubt(node, words).nearest(nearest(name, names)).allowed(names.join(", "));
        }
    }

    /// KrakenD's fall-back for unknown names: what the only backend's encoding is called.
    pub(super) fn fall_back(only_backend: Option<Encoding>) -> OutputEncoding {
        match only_backend {
            Some(Encoding::String) => OutputEncoding::String,
            Some(Encoding::NoOp) => OutputEncoding::NoOp,
            Some(Encoding::Json | Encoding::SafeJson) | None => OutputEncoding::Json,
        }
    }
}

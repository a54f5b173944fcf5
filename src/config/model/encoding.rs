//! How answers of backends are read and how the gateway's own are written.
//! Source: docs/reference/lura-core.md 4.5, 5.1.

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

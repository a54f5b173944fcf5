//! Properties against serde_json.

//! Tests that cross the files of this floor: recorded verdicts of Go and of KrakenD, properties
//! against serde_json, and hostile bytes.

mod corpus;
mod golden;
mod hostile;
mod model;
mod parts;

use super::decode::{DecodeSpec, decode};
use super::error::JsonError;
use super::merge::{RenderOptions, Renderer};
use super::part::Part;
use super::select::{Selection, SelectionSpec};

/// Owned strings of a specification.
fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

/// Only the selection is special.
fn selecting(spec: &SelectionSpec) -> DecodeSpec {
    DecodeSpec { selection: Selection::new(spec), ..DecodeSpec::default() }
}

/// Decodes one body and renders it alone.
fn through(body: &[u8], spec: &DecodeSpec, options: &RenderOptions) -> Result<Vec<u8>, JsonError> {
    let mut part = Part::new();
    decode(body, spec, &mut part)?;
    let mut out = Vec::new();
    Renderer::new().render(&[(&part, body)], options, &mut out);
    Ok(out)
}

/// The same as text.
fn shown(body: &[u8], spec: &DecodeSpec, options: &RenderOptions) -> String {
    match through(body, spec, options) {
        Ok(out) => String::from_utf8_lossy(&out).into_owned(),
        Err(error) => error.to_string(),
    }
}

//! The file as written and as meant: sources with spans, syntaxes, typed model, diagnostics.
//!
//! Everything comes in as values and goes out as values: no file system, no environment, no clock.
//! `load` is the door; `model` is what `plan` compiles.

pub mod diagnostic;
pub mod duration;
pub mod fuzz;
pub mod host;
mod json_text;
pub mod known;
pub mod load;
pub mod model;
mod nearest;
pub mod node;
pub mod overrides;
pub mod path;
pub mod read;
pub mod render;
pub mod size;
pub mod source;
pub mod syntax;
pub mod url_template;

#[cfg(test)]
mod accepted;
#[cfg(test)]
mod recorded;

//! HTTP semantics without I/O: header ids, URI rules, the HTTP/1 codec.
//! Bytes come in, spans and events go out. No socket, no clock, no log; once warm, no allocation.
//! Sources: RFC 9110, RFC 9112, docs/reference/hardening.md table A, docs/reference/lura-core.md
//! 2.4–3.3.

pub mod date;
pub mod fuzz;
pub mod h1;
mod header_id;
mod header_set;
pub mod hop;
mod method;
pub mod quote;
mod span;
mod tokens;
pub mod uri;
mod version;

pub use header_id::{HeaderId, canonical_name};
pub use header_set::HeaderSet;
pub use method::Method;
pub use span::Span;
pub use version::Version;

//! The HTTP/1 codec: pure state machines, bytes in and events out (LIFECYCLE.md). Strict on both
//! sides: what two parsers could read differently is refused (docs/reference/hardening.md table A).

pub mod chunked;
pub mod encode;
mod error;
mod fields;
mod framing;
pub mod head;
mod host;
#[cfg(test)]
mod hostile;
mod lines;
#[cfg(test)]
mod splits;
mod start_line;
mod trailers;

pub use chunked::{ChunkError, Decoder, InPlace, Step};
pub use error::HeadError;
pub use fields::{Field, Fields};
pub use framing::BodyKind;
pub use head::{
    HeadLimits, Progress, RequestHead, ResponseHead, Upgrade, parse_request, parse_response,
};
pub use trailers::Trailers;

//! The configuration as meant: types with their defaults resolved, nothing left to look up.
//!
//! `plan` compiles from these structs alone; the raw nodes are reachable only through
//! [`ExtraBlock`], for policies that read their own block, and through [`Service::node`], to point
//! a problem at its place. A field's doc comment is its line in the manual.

pub mod backend;
pub mod behaviour;
pub mod encoding;
pub mod endpoint;
pub mod extra;
pub mod limits;
pub mod logging;
pub mod names;
pub mod ringway;
pub mod router;
pub mod service;
pub mod tls;
pub mod transport;

pub use backend::{Backend, ErrorReturn, Selection};
pub use behaviour::{Behaviour, HalfCloseGrace, MergeOrder, Profile, Statuses, Trailing, Utf8};
pub use encoding::{Encoding, OutputEncoding};
pub use endpoint::{Endpoint, Method};
pub use extra::ExtraBlock;
pub use limits::Limits;
pub use logging::{LogLevel, Logging};
pub use names::Names;
pub use ringway::{Admin, Ringway};
pub use router::{Cidr, ErrorBodies, Router};
pub use service::Service;
pub use tls::{ClientCertificate, NamedFile, TlsClient, TlsVersion};
pub use transport::{ServerTimeouts, Transport};

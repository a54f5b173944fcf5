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

use super::diagnostic::Diagnostics;
use super::node::Tree;
use std::sync::Arc;
use std::time::Duration;

/// Longest time that a timeout may have. A request that takes a day is a mistake of a unit.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Longest time that an answer may be kept by caches: ten years.
pub const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Reads a file that the configuration names; the error is a text for the message.
pub type Files<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// What every part needs while it is read.
pub(in crate::config) struct Reading<'a> {
    /// The problems so far.
    pub found: &'a mut Diagnostics,
    /// The tree that is read.
    pub tree: &'a Arc<Tree>,
    /// Namespaces that the program around the gateway brings along.
    pub also_known: &'a [String],
    /// The door to the files that are named.
    pub files: Files<'a>,
}

//! The process's part of `extra_config.ringway`: workers, admin address, memory.

use std::net::SocketAddr;

/// Where the admin listener stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// `"127.0.0.1:9901"`
    Tcp(SocketAddr),
    /// `"unix:/path"`
    Unix(String),
}

/// What belongs to the process as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ringway {
    /// `workers`: 1 to 1024; absent: one for each core that the process may use.
    pub workers: Option<usize>,
    /// `admin`: where `/metrics`, `/live` and `/ready` answer; absent: nowhere.
    pub admin: Option<Admin>,
    /// `memory`: bytes that the process may hold for requests and responses; absent: decided from
    /// the machine's or the control group's limit.
    pub memory_bytes: Option<u64>,
}

//! The process's part of `extra_config.ringway`: workers, admin address, memory.

use crate::config::diagnostic::Diagnostics;
use crate::config::node::Node;
use crate::config::size::Bytes;
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

impl Ringway {
    pub(super) fn read(block: Node<'_>, found: &mut Diagnostics) -> Ringway {
        // Less holds not even the buffers of one worker.
        const MEMORY_MIN: u64 = 16 << 20;
        let memory = block.field("memory", found).map(|Bytes(bytes)| bytes);
        if let (Some(bytes), Some(node)) = (memory, block.get("memory"))
            && bytes < MEMORY_MIN
        {
            found.refuse(node, "is out of range", "\"16MiB\" or more");
        }
        Ringway {
            workers: block.number_in("workers", 1..=1024_u32, found).map(|n| n as usize),
            admin: block.get("admin").and_then(|node| Admin::read(node, found)),
            memory_bytes: memory,
        }
    }
}

impl Admin {
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Admin> {
        let text: String = node.read(found)?;
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Some(Admin::Unix(path.to_owned()));
        }
        let address = text.parse().ok().map(Admin::Tcp);
        if address.is_none() {
            found.refuse(
                node,
                "is not an address to listen on",
                "such as \"127.0.0.1:9901\" or \"unix:/run/ringway.sock\"",
            );
        }
        address
    }
}

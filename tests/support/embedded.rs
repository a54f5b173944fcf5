//! A gateway in this process, through the embedding API, with the test's own policies.

use super::client::Connection;
use super::config::GatewayBuilder;
use super::driver::Driver;
use super::metrics::Metrics;
use super::response::Response;
use ringway::{Gateway, Registration, Running};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub struct Embedded {
    pub running: Running,
    pub address: SocketAddr,
    admin: Option<SocketAddr>,
    file: PathBuf,
    _directory: tempfile::TempDir,
    _ports: GatewayBuilder,
}

/// Starts what the builder describes, with these policies.
#[track_caller]
pub fn embed(builder: GatewayBuilder, policies: &[Registration]) -> Embedded {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("krakend.json");
    std::fs::write(&file, builder.config()).expect("the file is writable");
    let running = match build(&file, policies).map(Gateway::start) {
        Ok(Ok(running)) => running,
        Ok(Err(error)) => panic!("it does not start: {error}"),
        Err(problems) => panic!("it is refused: {problems}"),
    };
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Embedded {
        address: local(running.port()),
        admin: builder.admin.as_ref().map(|port| local(port.number)),
        running,
        file,
        _directory: directory,
        _ports: builder,
    }
}

fn build(file: &Path, policies: &[Registration]) -> Result<Gateway, String> {
    let mut builder = Gateway::builder().config_file(file);
    for policy in policies {
        builder = builder.policy(*policy);
    }
    if Driver::current() == Driver::Epoll {
        builder = builder.driver("epoll");
    }
    builder.build().map_err(|error| error.to_string())
}

/// The problems of a configuration that is refused.
#[track_caller]
pub fn refused(builder: &GatewayBuilder, policies: &[Registration]) -> String {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("krakend.json");
    std::fs::write(&file, builder.config()).expect("the file is writable");
    build(&file, policies).err().expect("it should be refused")
}

impl Embedded {
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    #[track_caller]
    pub fn send(&self, request: impl AsRef<[u8]>) -> Response {
        self.connect().send(request)
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: gw\r\n\r\n"))
    }

    #[track_caller]
    pub fn post(&self, target: &str, body: &str) -> Response {
        let length = body.len();
        self.send(format!(
            "POST {target} HTTP/1.1\r\nHost: gw\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let admin = self.admin.expect("the builder's `admin()` was called");
        let page = Connection::open(admin).send("GET /metrics HTTP/1.1\r\nHost: gw\r\n\r\n");
        Metrics::parse(&String::from_utf8_lossy(&page.bytes))
    }

    /// Puts another configuration in force.
    pub fn reload(&self, text: &str) {
        std::fs::write(&self.file, text).expect("the file is writable");
        self.running.reload();
    }
}

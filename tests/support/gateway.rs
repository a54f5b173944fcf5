//! The real binary as a process: started, asked, signalled, ended.

use super::client::Connection;
use super::config::GatewayBuilder;
use super::process::{self, Finished, Log};
use super::response::Response;
use super::{PATIENCE, metrics, ms, seccomp, until};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
    directory: tempfile::TempDir,
    file: String,
    stdout: Log,
    stderr: Log,
    /// Holds the ports.
    builder: GatewayBuilder,
}

/// Starts the binary on the file that stands in `directory`.
fn spawn(builder: &GatewayBuilder, directory: &Path, sink: Option<Stdio>) -> (Child, Log, Log) {
    let mut arguments = vec!["run", "-c", builder.file_name()];
    arguments.extend(builder.arguments.iter().map(String::as_str));
    let mut command = process::command(directory, &arguments);
    command.envs(builder.driver.environment());
    command.envs(builder.environment.iter().map(|(name, value)| (name, value)));
    command.stdout(sink.unwrap_or_else(Stdio::piped)).stderr(Stdio::piped());
    if let Some(errno) = builder.forbidden_uring {
        seccomp::forbid_io_uring(&mut command, errno);
    }
    builder.prepared.iter().for_each(|prepare| prepare(&mut command));
    let mut child = command.spawn().expect("the binary starts");
    let (stdout, stderr) = (Log::of(child.stdout.take()), Log::of(child.stderr.take()));
    (child, stdout, stderr)
}

impl Gateway {
    #[track_caller]
    pub(super) fn start(mut builder: GatewayBuilder) -> Result<Self, Finished> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        builder.write(directory.path());
        let file = builder.file_name().to_owned();
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let address = local(builder.port.number);
        let sink = builder.stdout.take();
        let (child, stdout, stderr) = spawn(&builder, directory.path(), sink);
        let admin = builder.admin.as_ref().map(|port| local(port.number));
        let mut gateway =
            Gateway { child, address, admin, directory, file, stdout, stderr, builder };
        gateway.wait_listening()?;
        Ok(gateway)
    }

    /// Waits until it accepts; what it said where it ends instead.
    #[track_caller]
    fn wait_listening(&mut self) -> Result<(), Finished> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                let (stdout, stderr) = (self.stdout.whole(), self.stderr.whole());
                return Err(Finished { status, stdout, stderr });
            }
            if TcpStream::connect_timeout(&self.address, ms(200)).is_ok() {
                break;
            }
            assert!(Instant::now() < end, "{} does not accept", self.address);
            std::thread::sleep(ms(5));
        }
        if let Some(admin) = self.admin {
            until("the admin listener accepts", || TcpStream::connect(admin).is_ok());
        }
        Ok(())
    }

    /// SIGKILL, then the same again on the same ports.
    #[track_caller]
    pub fn kill_and_restart(&mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
        let directory = self.directory.path().to_owned();
        (self.child, self.stdout, self.stderr) = spawn(&self.builder, &directory, None);
        if let Err(finished) = self.wait_listening() {
            panic!("the gateway did not start again: {finished}");
        }
    }

    /// A new connection.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends these bytes on a connection of their own.
    #[track_caller]
    pub fn send(&self, request: impl AsRef<[u8]>) -> Response {
        self.connect().send(request)
    }

    /// GET without more than a Host.
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

    /// GET on the admin listener.
    #[track_caller]
    pub fn admin_get(&self, target: &str) -> Response {
        let admin = self.admin.expect("the builder's `admin()` was called");
        Connection::open(admin).send(format!("GET {target} HTTP/1.1\r\nHost: gw\r\n\r\n"))
    }

    /// The metrics now.
    #[track_caller]
    pub fn metrics(&self) -> metrics::Metrics {
        let page = self.admin_get("/metrics");
        page.status(200).ended();
        metrics::Metrics::parse(&String::from_utf8_lossy(&page.bytes))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    pub fn rss_kib(&self) -> u64 {
        process::memory_kib(self.pid(), "VmRSS")
    }

    pub fn signal(&self, signal: i32) {
        process::signal(self.pid(), signal);
    }

    /// Writes another file over the configuration; SIGHUP is what makes it count.
    pub fn write_config(&self, text: &str) {
        let path = self.directory.path().join(&self.file);
        std::fs::write(path, text).expect("the file is writable");
    }

    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Both streams so far.
    pub fn log(&self) -> String {
        format!("{}{}", self.stdout(), self.stderr())
    }

    #[track_caller]
    pub fn wait_log(&self, text: &str) {
        until(&format!("the log says {text:?}"), || self.log().contains(text));
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        process::wait(&mut self.child, 3 * PATIENCE)
            .unwrap_or_else(|| panic!("the gateway does not end\n{}", self.log()))
    }

    /// SIGTERM: everything that is under way ends, then the process, with 0.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(libc::SIGTERM);
        let status = self.wait_exit();
        assert_eq!(status.code(), Some(0), "after SIGTERM\n{}", self.log());
    }

    #[track_caller]
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let running = matches!(self.child.try_wait(), Ok(None));
        if running {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let state = if running { "running" } else { "ended" };
            eprintln!(
                "the gateway ({state}) wrote:\n{}{}",
                self.stdout.whole(),
                self.stderr.whole()
            );
        }
    }
}

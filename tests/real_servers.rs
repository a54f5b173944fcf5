//! The servers that people really have before and behind a gateway: nginx and HAProxy. Runs where
//! `RINGWAY_REAL_SERVERS` is set (`.ci/full`); elsewhere there is nothing to see.

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::ports::{Port, free_port};
use support::{Connection, Driver, backend, call, echo, gateway, until};

/// A server that ends with the test.
struct Server {
    child: Child,
    port: Port,
    _directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn host(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number)
    }

    fn start(program: &str, config: impl FnOnce(&Path, u16) -> String, flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let file = directory.path().join("server.conf");
        std::fs::write(&file, config(directory.path(), port.number)).expect("a file");
        let found = [format!("/usr/sbin/{program}"), format!("/usr/bin/{program}")];
        let binary = found.iter().map(PathBuf::from).find(|path| path.is_file());
        let mut command = Command::new(binary.unwrap_or_else(|| program.into()));
        for flag in flags {
            command.arg(flag.replace("FILE", &file.to_string_lossy()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let address = (std::net::Ipv4Addr::LOCALHOST, port.number);
        until("the server accepts", || std::net::TcpStream::connect(address).is_ok());
        Server { child, port, _directory: directory }
    }
}

/// nginx that closes each connection after five requests and serves files with sendfile and gzip.
fn nginx() -> Server {
    let config = |directory: &Path, port: u16| {
        let data: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(directory.join("big.bin"), data).expect("a file");
        let json = format!("{{\"text\":\"{}\"}}", "nginx ".repeat(2000));
        std::fs::write(directory.join("big.json"), json).expect("a file");
        let at = directory.display();
        format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/log;\n\
             events {{}}\n\
             http {{\n  access_log off; sendfile on; keepalive_requests 5; gzip on;\n  \
             types {{ application/json json; }} gzip_types application/json;\n  \
             client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n  \
             uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n  \
             server {{ listen 127.0.0.1:{port}; root {at};\n    \
             location = /hello {{ default_type application/json; return 200 '{{\"hello\":1}}'; }} }}\n}}\n"
        )
    };
    Server::start("nginx", config, &["-p", ".", "-c", "FILE"])
}

fn haproxy(to: &str) -> Server {
    let to = to.trim_start_matches("http://").to_owned();
    let config = move |_: &Path, port: u16| {
        format!(
            "defaults\n  mode http\n  timeout client 10s\n  timeout server 10s\n  \
             timeout connect 5s\nfrontend f\n  bind 127.0.0.1:{port}\n  default_backend b\n\
             backend b\n  http-reuse always\n  server s {to}\n"
        )
    };
    Server::start("haproxy", config, &["-db", "-f", "FILE"])
}

fn story() {
    let nginx = nginx();
    let scripted = backend().on("/e", echo());
    let behind = haproxy(&scripted.host());
    let gw = gateway()
        .service("timeout", "10s")
        .endpoint("/hello", [support::config::call_to(&nginx.host(), "/hello")])
        .endpoint("/file", [support::config::call_to(&nginx.host(), "/big.bin")])
        .noop()
        .endpoint("/json", [support::config::call_to(&nginx.host(), "/big.json")])
        .endpoint(
            "/both",
            [
                support::config::call_to(&nginx.host(), "/hello"),
                support::config::call_to(&behind.host(), "/e"),
            ],
        )
        .endpoint("/e", [call(&scripted, "/e")])
        .method("POST")
        .start();
    for _ in 0..40 {
        gw.get("/hello").status(200).json(r#"{"hello":1}"#);
        gw.get("/both").status(200).completed(true);
    }
    let expected: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    gw.get("/file").status(200).body(&expected);
    gw.get("/json").status(200).completed(true).ended();

    // HAProxy as the client, with its own connections and framing.
    let front = haproxy(&format!("http://{}", gw.address));
    let address = (std::net::Ipv4Addr::LOCALHOST, front.port.number).into();
    let mut connection = Connection::open(address);
    for _ in 0..40 {
        connection.send("GET /hello HTTP/1.1\r\nHost: gw\r\n\r\n").status(200);
        let post = "POST /e HTTP/1.1\r\nHost: gw\r\nContent-Length: 4\r\n\r\nbody";
        connection.send(post).status(200).ended();
        let chunks = "POST /e HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n\
                      4\r\nbody\r\n0\r\n\r\n";
        connection.send(chunks).status(200).ended();
    }
    assert!(scripted.requests().iter().filter(|r| r.method == "POST").all(|r| r.body == b"body"));
    gw.stop();
}

#[test]
fn nginx_and_haproxy_on_both_sides() {
    if std::env::var_os("RINGWAY_REAL_SERVERS").is_none() {
        println!("RINGWAY_REAL_SERVERS is not set: nothing to do");
        return;
    }
    Driver::IoUring.run(story);
    Driver::Epoll.run(story);
}

//! `ringway demo`: one command, one merged answer, and a partial one once a backend is broken.

use crate::support::client::Connection;
use crate::support::ports::free_port;
use crate::support::process::{self, Log};
use crate::support::response::Response;
use crate::support::{PATIENCE, until};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Stdio};

struct Demo {
    child: Child,
    stderr: Log,
    address: SocketAddr,
}

impl Demo {
    #[track_caller]
    fn start() -> Demo {
        let port = free_port();
        let directory = std::env::temp_dir();
        let mut command = process::command(&directory, &["demo", "-p", &port.number.to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stderr = Log::of(child.stderr.take());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number));
        let demo = Demo { child, stderr, address };
        until("it says what to try", || demo.stderr.text().contains("mend/orders"));
        demo
    }

    #[track_caller]
    fn get(&self, target: &str) -> Response {
        Connection::open(self.address).send(format!("GET {target} HTTP/1.1\r\nHost: demo\r\n\r\n"))
    }

    /// Does what a line of the printed text says.
    #[track_caller]
    fn post(&self, order: &str) {
        let text = self.stderr.text();
        let line = text.lines().find(|line| line.contains(order)).expect("a line for it");
        let url = line.split("http://").nth(1).expect("a URL");
        let (host, path) = url.split_once('/').expect("a path");
        let backend = host.parse().expect("an address");
        Connection::open(backend)
            .send(format!("POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"))
            .status(200);
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const USER: &str = r#""user":{"id":1,"name":"Ada Lovelace","address":{"city":"London"}}"#;
const ORDERS: &str = r#""orders":[{"id":1001,"total":"19.90","currency":"EUR","items":[{"sku":"PUNCH-80","count":2}]},{"id":1003,"total":"250.00","currency":"EUR","items":[{"sku":"MILL-1","count":1}]}]"#;
const REVIEWS: &str =
    r#""reviews":{"stars":4.8,"count":3,"latest":{"sku":"MILL-1","text":"Runs by itself."}}"#;

#[test]
fn one_answer_made_of_three_and_a_partial_one() {
    let mut demo = Demo::start();
    let whole = format!("{{{USER},{ORDERS},{REVIEWS}}}");
    demo.get("/shop/1").status(200).completed(true).json(&whole);
    demo.post("break/orders");
    demo.get("/shop/1").status(200).completed(false).json(&format!("{{{USER},{REVIEWS}}}"));
    demo.post("mend/orders");
    demo.get("/shop/1").status(200).completed(true).json(&whole);
    demo.get("/users/2").status(200);
    Connection::open(demo.address)
        .send("POST /orders HTTP/1.1\r\nHost: demo\r\nContent-Length: 3\r\n\r\nabc")
        .status(201);
    process::signal(demo.child.id(), libc::SIGINT);
    let status = process::wait(&mut demo.child, PATIENCE).expect("Ctrl-C ends it");
    assert_eq!(status.code(), Some(0), "{}", demo.stderr.text());
}

#[test]
fn a_busy_port_is_told() {
    let demo = Demo::start();
    let port = demo.address.port().to_string();
    process::run_in(&std::env::temp_dir(), &["demo", "-p", &port], &[]).code(1).says(&port);
}

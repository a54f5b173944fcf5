//! The backends of the demo: users, orders and reviews as small JSON services on threads of their
//! own, each on a loopback port. `POST /break/NAME` makes one fail until `POST /mend/NAME`; any of
//! them takes both. They are as simple as a backend may be: nobody but the demo should call them.

use crate::http::Version;
use crate::http::h1::{BodyKind, HeadLimits, Progress, RequestHead, encode, parse_request};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NAMES: [&str; 3] = ["users", "orders", "reviews"];

/// The ports of the configuration file, taken where they are free.
const PORTS: [u16; 3] = [8081, 8082, 8083];

/// The longest request body that is looked at.
const BODY_MAX: u64 = 64 * 1024;

/// A connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(60);

/// The running backends; they end with the process.
#[derive(Clone)]
pub(super) struct Backends {
    addresses: [SocketAddr; 3],
}

/// Which backends fail on purpose.
#[derive(Default)]
struct Broken([AtomicBool; 3]);

impl Backends {
    /// Binds the ports and starts to answer.
    pub(super) fn start() -> io::Result<Backends> {
        let broken = Arc::new(Broken::default());
        let mut addresses = Vec::new();
        for (which, port) in PORTS.into_iter().enumerate() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
            addresses.push(listener.local_addr()?);
            let broken = broken.clone();
            std::thread::Builder::new()
                .name(format!("demo-{}", NAMES[which]))
                .spawn(move || accept(&listener, which, &broken))?;
        }
        let addresses =
            addresses.try_into().map_err(|_| io::Error::other("three are asked for"))?;
        Ok(Backends { addresses })
    }

    /// Backends at these addresses, for tests of the texts.
    #[cfg(test)]
    pub(super) fn at(addresses: [SocketAddr; 3]) -> Backends {
        Backends { addresses }
    }

    /// Users, orders, reviews.
    pub(super) fn addresses(&self) -> [SocketAddr; 3] {
        self.addresses
    }

    /// The configuration with these addresses in the place of its own.
    pub(super) fn placed_in(&self, configuration: &str) -> String {
        let mut text = configuration.to_owned();
        // By way of a name, so that no address is taken for one that comes later.
        for (port, name) in PORTS.into_iter().zip(NAMES) {
            text = text.replace(&format!("http://127.0.0.1:{port}"), &format!("http://<{name}>"));
        }
        for (address, name) in self.addresses.iter().zip(NAMES) {
            text = text.replace(&format!("<{name}>"), &address.to_string());
        }
        text
    }
}

fn accept(listener: &TcpListener, which: usize, broken: &Arc<Broken>) {
    for stream in listener.incoming().flatten() {
        let broken = broken.clone();
        let serving = std::thread::Builder::new().spawn(move || {
            // A client that breaks off or breaks HTTP ends its own connection.
            let _ = serve(stream, which, &broken);
        });
        drop(serving);
    }
}

fn serve(mut stream: TcpStream, which: usize, broken: &Broken) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    let mut input = Vec::new();
    let mut head = RequestHead::default();
    loop {
        match parse_request(&input, &HeadLimits::DEFAULT, &mut head) {
            Ok(Progress::Done) => {}
            Ok(Progress::NeedMore) => {
                if fill(&mut stream, &mut input)? == 0 {
                    return Ok(());
                }
                continue;
            }
            Err(_) => return stream.write_all(&answer(400, "{\"error\":\"not HTTP\"}")),
        }
        let method = head.method.as_bytes(&input).to_vec();
        let path = String::from_utf8_lossy(head.target.path(&input)).into_owned();
        let query = String::from_utf8_lossy(head.target.query(&input)).into_owned();
        let keeps_alive = head.keep_alive;
        input.drain(..head.len);
        let length = match head.body {
            BodyKind::None | BodyKind::UntilClose => 0,
            BodyKind::Length(length) if length <= BODY_MAX => length as usize,
            BodyKind::Length(_) | BodyKind::Chunked => {
                return stream.write_all(&answer(411, "{\"error\":\"up to 64 KiB, please\"}"));
            }
        };
        if head.expect_continue && input.len() < length {
            stream.write_all(encode::CONTINUE)?;
        }
        while input.len() < length {
            if fill(&mut stream, &mut input)? == 0 {
                return Ok(());
            }
        }
        let content: Vec<u8> = input.drain(..length).collect();
        let (status, body) = respond(which, broken, &method, &path, &query, &content);
        stream.write_all(&answer(status, &body))?;
        if !keeps_alive {
            return Ok(());
        }
    }
}

fn fill(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 4096];
    let n = stream.read(&mut chunk)?;
    input.extend_from_slice(&chunk[..n]);
    Ok(n)
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode::status_line(&mut out, Version::H11, status);
    encode::field(&mut out, b"Content-Type", b"application/json");
    encode::content_length(&mut out, body.len() as u64);
    encode::end_of_head(&mut out);
    out.extend_from_slice(body.as_bytes());
    out
}

/// Status and body.
fn respond(
    which: usize,
    broken: &Broken,
    method: &[u8],
    path: &str,
    query: &str,
    content: &[u8],
) -> (u16, String) {
    for (order, is_broken) in [("/break/", true), ("/mend/", false)] {
        let Some(name) = path.strip_prefix(order).filter(|_| method == b"POST") else { continue };
        let Some(at) = NAMES.iter().position(|known| *known == name) else {
            return (404, "{\"error\":\"users, orders or reviews\"}".into());
        };
        broken.0[at].store(is_broken, Ordering::Relaxed);
        return (
            200,
            format!("{{\"{name}\":\"{}\"}}", if is_broken { "broken" } else { "mended" }),
        );
    }
    let name = NAMES[which];
    if broken.0[which].load(Ordering::Relaxed) {
        return (500, format!("{{\"error\":\"{name} is broken; POST /mend/{name} mends it\"}}"));
    }
    let user = match (method, name, path) {
        (b"GET", "users", _) => path.strip_prefix("/users/"),
        (b"GET", "reviews", _) => path.strip_prefix("/reviews/"),
        (b"GET", "orders", "/orders") => query.strip_prefix("user="),
        (b"POST", "orders", "/orders") => {
            let bytes = content.len();
            return (201, format!("{{\"id\":1004,\"state\":\"received\",\"bytes\":{bytes}}}"));
        }
        _ => None,
    };
    let body = match (user, name) {
        (Some("1"), "users") => ADA,
        (Some("2"), "users") => GRACE,
        (Some("1"), "orders") => ADAS_ORDERS,
        (Some("2"), "orders") => "[]",
        (Some("1"), "reviews") => ADAS_REVIEWS,
        (Some("2"), "reviews") => "{\"stars\":4.5,\"count\":2,\"internal\":{\"flagged\":1}}",
        _ => return (404, "{\"error\":\"not found\"}".into()),
    };
    (200, body.to_owned())
}

const ADA: &str = r#"{"id":1,"name":"Ada Lovelace","email":"ada@example.org","address":{"street":"12 St James's Square","city":"London"},"password_hash":"$argon2id$v=19$"}"#;
const GRACE: &str = r#"{"id":2,"name":"Grace Hopper","email":"grace@example.org","address":{"street":"1 Vassar Street","city":"Arlington"},"password_hash":"$argon2id$v=19$"}"#;
const ADAS_ORDERS: &str = r#"[{"id":1001,"total":"19.90","currency":"EUR","items":[{"sku":"PUNCH-80","count":2}]},{"id":1003,"total":"250.00","currency":"EUR","items":[{"sku":"MILL-1","count":1}]}]"#;
const ADAS_REVIEWS: &str = r#"{"stars":4.8,"count":3,"latest":{"sku":"MILL-1","text":"Runs by itself."},"internal":{"flagged":0}}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_answers() {
        let broken = Broken::default();
        let ask = |which: usize, line: &str| {
            let (method, target) = line.split_once(' ').expect("method and target");
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            respond(which, &broken, method.as_bytes(), path, query, b"abc").0
        };
        for (which, line, status) in [
            (0, "GET /users/1", 200),
            (0, "GET /users/9", 404),
            (0, "GET /orders?user=1", 404),
            (1, "GET /orders?user=1", 200),
            (1, "GET /orders?user=9", 404),
            (1, "POST /orders", 201),
            (2, "GET /reviews/2", 200),
            (0, "POST /break/orders", 200),
            (1, "GET /orders?user=1", 500),
            (0, "GET /users/1", 200),
            (1, "GET /break/users", 500),
            (2, "POST /mend/orders", 200),
            (1, "GET /orders?user=1", 200),
            (1, "POST /break/nothing", 404),
        ] {
            assert_eq!(ask(which, line), status, "{which} {line}");
        }
        for body in [ADA, GRACE, ADAS_ORDERS, ADAS_REVIEWS] {
            let read: Result<serde_json::Value, _> = serde_json::from_str(body);
            assert!(read.is_ok(), "{body}");
        }
    }
}

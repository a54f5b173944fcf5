//! More connections than the gateway takes (docs/reference/hardening.md 4.2): those that are served
//! stay served, the admin socket answers, and a place that is free is given to the next.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest};
use crate::support::client::Connection;
use crate::support::{PATIENCE, call, json, ms, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

both_drivers! {
    client_connections_beyond_the_cap,
    client_connections_of_one_address,
}

const GET: &str = "GET /a?id=1 HTTP/1.1\r\nHost: gw\r\n\r\n";
const BODY: &str = r#"{"id":"1"}"#;

fn client_connections_beyond_the_cap() {
    const CAP: usize = 20;
    let peer = honest();
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .ringway("limits", json!({ "connections": CAP, "connections_per_ip": 0 }))
            .endpoint("/a", [call(&peer, "/a")])
            .input_query_strings(&["id"]),
    );
    let mut served: Vec<Connection> = (0..CAP).map(|_| site.gw.connect()).collect();
    for client in &mut served {
        client.send(GET).status(200).body(BODY);
    }
    let mut waiting: Vec<Connection> = (0..3 * CAP).map(|_| site.gw.connect()).collect();
    for client in &mut waiting {
        client.write(GET);
    }
    // Whoever is in goes on, the others wait in the kernel's queue; the admin socket answers.
    for _ in 0..3 {
        for client in &mut served {
            client.send(GET).status(200).body(BODY);
        }
    }
    waiting[0].quiet_for(ms(150));
    site.gw.admin_get("/live").status(200);
    let open = site.gw.metrics().sum("ringway_connections_open", &[]) as usize;
    assert_eq!(open, CAP);
    // Places that are given up go to those who wait.
    drop(served);
    let mut done = 0;
    while !waiting.is_empty() {
        let n = waiting.len().min(CAP);
        let batch: Vec<Connection> = waiting.drain(..n).collect();
        for mut client in batch {
            client.response("GET").status(200).body(BODY);
            done += 1;
        }
    }
    site.counts((4 * CAP + done) as u64);
    assert_eq!(done, 3 * CAP);
    site.settled();
}

/// What another connection is told, if anything; its reset may come while it connects.
fn one_more(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(GET.as_bytes()).ok()?;
    let mut bytes = [0; 4096];
    let n = stream.read(&mut bytes).ok().filter(|n| *n > 0)?;
    let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    Some(text)
}

fn client_connections_of_one_address() {
    const CAP: usize = 8;
    let peer = honest();
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .ringway("limits", json!({ "connections_per_ip": CAP }))
            .endpoint("/a", [call(&peer, "/a")])
            .input_query_strings(&["id"]),
    );
    let mut served: Vec<Connection> = (0..CAP).map(|_| site.gw.connect()).collect();
    for client in &mut served {
        client.send(GET).status(200).body(BODY);
    }
    for _ in 0..CAP {
        assert!(one_more(site.gw.address).is_none(), "one too many is ended without a word");
    }
    for client in &mut served {
        client.send(GET).status(200).body(BODY);
    }
    site.counts(2 * CAP as u64);
    drop(served);
    until("another one is taken", || {
        let taken = one_more(site.gw.address);
        site.counts(u64::from(taken.is_some()));
        taken.is_some()
    });
    site.settled();
}

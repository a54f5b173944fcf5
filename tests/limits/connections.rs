//! How many connections there may be: of the process, of one address, of the open files. Beyond it
//! nothing spins: an acceptor that may not accept sleeps, and the metric counts its sleeps.

use crate::both_drivers;
use crate::support::client::Connection;
use crate::support::{Gateway, PATIENCE, backend, gateway, json, ms, silence, until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

both_drivers! {
    connections_of_the_process,
    connections_of_one_address,
    one_address_leaves_places_to_others,
    more_than_the_open_files_allow,
    backends_leave_the_reserved_files,
    accepting_goes_on_when_there_is_room,
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: gw\r\n\r\n";
const PAUSES: &str = "ringway_accept_pauses_total";

fn pauses(gw: &Gateway, reason: &str) -> f64 {
    gw.metrics().sum(PAUSES, &[&format!("reason=\"{reason}\"")])
}

/// A connection that was served once. A reset may come as early as in the connect.
fn served(gw: &Gateway) -> std::io::Result<TcpStream> {
    let mut client = TcpStream::connect(gw.address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.write_all(GET.as_bytes())?;
    client.read_exact(&mut [0; 12])?;
    Ok(client)
}

/// No pause is shorter than 10 ms, and the longest is 200 ms: whatever the machine does meanwhile,
/// there cannot be more of them in this time.
fn sleeps_between_its_looks(gw: &Gateway, reason: &str) {
    let (from, before) = (Instant::now(), pauses(gw, reason));
    until("it looked some times", || pauses(gw, reason) >= before + 3.0);
    let most = from.elapsed().as_secs_f64() * 1000.0 / 10.0 + 1.0;
    let looked = pauses(gw, reason) - before;
    assert!(looked <= most + 3.0, "{looked} looks in {:?}", from.elapsed());
}

fn connections_of_the_process() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = gateway()
        .one_worker()
        .admin()
        .ringway("limits", json!({"connections": 3}))
        .endpoint("/a", [&peer])
        .start();
    let open = "ringway_connections_open";
    until("the harness's own look is over", || gw.metrics().sum(open, &[]) < 0.5);
    let mut clients: Vec<Connection> = (0..3).map(|_| gw.connect()).collect();
    for client in &mut clients {
        client.send(GET).status(200);
    }
    let mut waiting = gw.connect();
    waiting.write(GET);
    sleeps_between_its_looks(&gw, "connections");
    waiting.quiet_for(ms(100));
    // Who is in is served; the admin listener has files of its own.
    clients[1].send(GET).status(200);
    gw.admin_get("/live").status(200);
    drop(clients.remove(0));
    waiting.response("GET").status(200);
}

fn connections_of_one_address() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = gateway()
        .one_worker()
        .admin()
        .ringway("limits", json!({"connections_per_ip": 2}))
        .endpoint("/a", [&peer])
        .start();
    // The harness's own look at the port may still be counted.
    let mut held = Vec::new();
    until("two are in", || {
        held.extend(served(&gw).ok());
        held.len() == 2
    });
    assert!(served(&gw).is_err(), "two connections of an address are all");
    assert!(gw.metrics().sum("ringway_connections_refused_total", &["reason=\"per_ip\""]) >= 1.0);
    held.pop();
    until("there is room again", || served(&gw).is_ok());
}

/// Without a setting an address may have three quarters of all; with 0 all of them.
fn one_address_leaves_places_to_others() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let start = |limits| {
        let gw = gateway().one_worker().admin().ringway("limits", limits).endpoint("/a", [&peer]);
        let gw = gw.service("listen_ip", "0.0.0.0").start();
        let open = "ringway_connections_open";
        until("the harness's own look is over", || gw.metrics().sum(open, &[]) < 0.5);
        gw
    };
    let gw = start(json!({"connections": 8}));
    let held: Vec<_> = (0..6).map(|_| served(&gw).expect("three quarters")).collect();
    assert!(served(&gw).is_err(), "the last quarter is for others");
    // 127.0.0.2 is another address of this machine.
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let other = other.expect("a socket");
    let from = std::net::SocketAddr::from(([127, 0, 0, 2], 0));
    other.bind(&from.into()).expect("a local address");
    other.connect(&gw.address.into()).expect("it listens");
    let mut other = TcpStream::from(other);
    other.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    other.write_all(GET.as_bytes()).expect("sent");
    other.read_exact(&mut [0; 12]).expect("another address is served");
    drop(held);
    let gw = start(json!({"connections": 8, "connections_per_ip": 0}));
    let _held: Vec<_> = (0..8).map(|_| served(&gw).expect("all of them")).collect();
}

/// 256 open files and clients without end: the file asks for more than there can be, is told so, and
/// the rest waits in the kernel's queue.
fn more_than_the_open_files_allow() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = gateway()
        .one_worker()
        .admin()
        .rlimit(libc::RLIMIT_NOFILE, 256)
        .ringway("limits", json!({"connections": 1000, "connections_per_ip": 0}))
        .endpoint("/a", [&peer])
        .start();
    gw.wait_log("limits.connections is 1000, but 256 open files are enough for 100");
    let mut clients: Vec<Connection> = (0..300).map(|_| gw.connect()).collect();
    let open = |gw: &Gateway| gw.metrics().sum("ringway_connections_open", &[]);
    until("as many are open as may be", || open(&gw) >= 100.0);
    sleeps_between_its_looks(&gw, "connections");
    assert!(open(&gw) <= 100.0, "{}", open(&gw));
    for client in &mut clients {
        client.try_write(GET);
    }
    // Everybody is served in turn as those before leave.
    for mut client in clients {
        client.response("GET").status(200);
    }
    until("all is over", || open(&gw) < 0.5);
    served(&gw).expect("served as before");
}

/// Backends that never answer take files until only the reserved ones are left: calls fail with a
/// label of their own, nobody else is touched, and the admin listener has a file.
fn backends_leave_the_reserved_files() {
    let mute = backend().on("/mute", silence());
    let good = backend().on("/a", r#"{"a":1}"#);
    let five = [&mute; 5];
    let gw = gateway()
        .one_worker()
        .admin()
        .rlimit(libc::RLIMIT_NOFILE, 256)
        .ringway("limits", json!({"reserved_files": 40, "connections_per_ip": 0}))
        .endpoint("/mute", five)
        .timeout(ms(60_000))
        .endpoint("/a", [&good])
        .start();
    served(&gw).expect("a connection to the good backend is kept");
    let failed = |gw: &Gateway| {
        gw.metrics().sum("ringway_backend_calls_total", &["outcome=\"backend_connect_failed\""])
    };
    let mut clients = Vec::new();
    until("the files are used up", || {
        let mut client = gw.connect();
        client.write("GET /mute HTTP/1.1\r\nHost: gw\r\n\r\n");
        clients.push(client);
        failed(&gw) >= 1.0
    });
    let files = crate::support::process::open_files(gw.pid());
    assert!((200..=256 - 30).contains(&files), "{files} files are open");
    gw.admin_get("/ready").status(200);
    drop(clients);
    mute.close_all();
    until("it goes on", || served(&gw).is_ok());
    // The host was not to blame: it is not stepped over afterwards.
    until("the files are back", || crate::support::process::open_files(gw.pid()) < 60);
}

fn accepting_goes_on_when_there_is_room() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = gateway()
        .one_worker()
        .admin()
        .ringway("limits", json!({"connections": 1, "connections_per_ip": 0}))
        .endpoint("/a", [&peer])
        .start();
    for _ in 0..5 {
        let mut first = None;
        until("one is in", || {
            first = served(&gw).ok();
            first.is_some()
        });
        let mut second = gw.connect();
        second.write(GET);
        drop(first);
        second.response("GET").status(200);
    }
}

//! The limit of open files is low and clients are many: what does not fit waits, nothing spins, and
//! accepting goes on when files are free.

use crate::both_drivers;
use crate::invariants::subject;
use crate::support::client::Connection;
use crate::support::{backend, gateway, json, ms, until};
use std::time::Instant;

both_drivers! {
    a_thousand_connections_on_256_files,
    all_files_but_the_reserved_ones,
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: gw\r\n\r\n";

/// Times that the workers' threads let go of their core, which a loop that spins never does by
/// itself; and times that they were made to.
fn switches(pid: u32) -> (u64, u64) {
    let mut sum = (0, 0);
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        sum.0 += field("voluntary_ctxt_switches:");
        sum.1 += field("nonvoluntary_ctxt_switches:");
    }
    sum
}

fn a_thousand_connections_on_256_files() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let builder = gateway()
        .rlimit(libc::RLIMIT_NOFILE, 256)
        .ringway("limits", json!({"connections_per_ip": 0}))
        .endpoint("/a", [&peer]);
    let mut subject = subject(builder);
    let mut clients: Vec<Connection> = (0..1000).map(|_| subject.gw.connect()).collect();
    let pauses =
        |gw: &crate::support::Gateway| gw.metrics().sum("ringway_accept_pauses_total", &[]);
    until("it stops accepting", || pauses(&subject.gw) >= 1.0);
    // It sleeps between its looks, 10 ms at least: as many pauses as fit into the time, no more.
    let (from, before, turns) = (Instant::now(), pauses(&subject.gw), switches(subject.gw.pid()));
    until("it looks for room", || pauses(&subject.gw) >= before + 5.0);
    let looked = pauses(&subject.gw) - before;
    let most = from.elapsed().as_secs_f64() * 100.0 + 5.0;
    assert!(looked <= most, "{looked} looks in {:?}", from.elapsed());
    assert!(switches(subject.gw.pid()).0 > turns.0, "its threads sleep");
    subject.gw.admin_get("/live").status(200);
    // Files become free one after the other: everybody gets in, and gets an answer.
    for client in &mut clients {
        client.try_write(GET);
    }
    for mut client in clients {
        client.response("GET").status(200).json(r#"{"a":1}"#);
    }
    subject.recovers();
}

/// Backends that do not answer hold files, too: 200 calls at once from 40 clients.
fn all_files_but_the_reserved_ones() {
    let mute = backend().on("/mute", crate::support::silence());
    let builder = gateway()
        .rlimit(libc::RLIMIT_NOFILE, 160)
        .ringway("limits", json!({"connections_per_ip": 0}))
        .endpoint("/mute", [&mute; 5])
        .timeout(ms(60_000));
    let mut subject = subject(builder);
    let mut clients: Vec<Connection> = Vec::new();
    let failed = |gw: &crate::support::Gateway| {
        gw.metrics().sum("ringway_backend_calls_total", &["outcome=\"backend_connect_failed\""])
    };
    until("calls fail", || {
        if clients.len() < 40 {
            let mut client = subject.gw.connect();
            client.write("GET /mute HTTP/1.1\r\nHost: gw\r\n\r\n");
            clients.push(client);
        }
        failed(&subject.gw) >= 1.0
    });
    // Reserved files are left, and the admin listener lives on them.
    let open = crate::support::process::open_files(subject.gw.pid());
    assert!(open <= 160 - 20, "{open} of 160 files are open");
    for _ in 0..10 {
        subject.gw.admin_get("/ready").status(200);
    }
    drop(clients);
    mute.close_all();
    subject.recovers();
}

//! Memory is short: of the gateway's own budget, or of its control group. It sheds, it is not ended
//! by the kernel, and it recovers.

use crate::both_drivers;
use crate::invariants::{Subject, subject};
use crate::support::client::Connection;
use crate::support::{GatewayBuilder, backend, gateway, json, ms, until};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

both_drivers! {
    a_control_group_of_256_mib,
    a_budget_of_64_mib,
}

const MIB: usize = 1 << 20;

/// A control group for memory; `None` where this machine does not let us make one.
struct Group(PathBuf);

impl Group {
    fn new(name: &str, bytes: usize) -> Option<Group> {
        let name = format!("ringway-test-{}-{name}", std::process::id());
        for (root, limit) in
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
        {
            let path = Path::new(root).join(&name);
            if std::fs::create_dir(&path).is_err() {
                continue;
            }
            let group = Group(path);
            if std::fs::write(group.0.join(limit), bytes.to_string()).is_ok() {
                return Some(group);
            }
        }
        None
    }

    /// What the child does between fork and exec.
    fn enter(&self, builder: GatewayBuilder) -> GatewayBuilder {
        let file = self.0.join("cgroup.procs");
        builder.prepare(move |command| {
            let file = std::fs::File::options().write(true).open(&file).expect("the group's list");
            // SAFETY: between fork and exec one write to an open file; "0" is the writer itself.
            unsafe {
                command.pre_exec(move || {
                    use std::io::Write;
                    (&file).write_all(b"0")
                })
            };
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Empty once its processes were waited for.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(ms(20));
        }
    }
}

fn start(builder: GatewayBuilder, peer: &crate::support::Backend) -> Subject {
    let limits = json!({"body_idle": "5m", "body_rate_min": 0, "connections_per_ip": 0});
    subject(
        builder
            .ringway("limits", limits)
            .endpoint("/hold", [peer, peer])
            .method("POST")
            .timeout(ms(60_000)),
    )
}

/// Clients whose bodies of 8 MiB are held, twice as many as there is memory for.
fn floods(subject: &mut Subject, memory: usize) {
    let overload = |subject: &Subject| {
        subject.gw.metrics().sum("ringway_requests_total", &["outcome=\"overload\""])
    };
    let body = vec![b'x'; 8 * MIB - 1];
    let mut clients: Vec<Connection> = Vec::new();
    for _ in 0..2 * memory / (8 * MIB) {
        let mut client = subject.gw.connect();
        let stream = client.stream();
        stream.set_write_timeout(Some(ms(200))).expect("a deadline");
        client.try_write("POST /hold HTTP/1.1\r\nHost: gw\r\nContent-Length: 8388608\r\n\r\n");
        client.try_write(&body);
        clients.push(client);
        assert!(subject.gw.is_alive(), "ended\n{}", subject.gw.log());
    }
    until("it sheds", || {
        clients.push(subject.gw.connect());
        let last = clients.last_mut().expect("one");
        last.try_write("POST /hold HTTP/1.1\r\nHost: gw\r\nContent-Length: 8388608\r\n\r\n");
        last.stream().set_write_timeout(Some(ms(200))).expect("a deadline");
        last.try_write(&body);
        overload(subject) >= 1.0
    });
    // Who is not served is told so, or waits; the admin listener answers.
    subject.gw.admin_get("/live").status(200);
    drop(clients);
    subject.recovers();
}

fn a_control_group_of_256_mib() {
    let name = format!("{:?}", crate::support::Driver::current());
    let Some(group) = Group::new(&name, 256 * MIB) else {
        eprintln!("no control group can be made here: the budget's test stands for this one");
        return;
    };
    let peer = backend().on("/a", r#"{"a":1}"#);
    let mut subject = start(group.enter(gateway()), &peer);
    let shown = subject.gw.metrics();
    let allowed = shown.sum("ringway_memory_bytes", &["kind=\"allowed\""]);
    assert!((allowed - 256.0 * MIB as f64).abs() < 1.0, "the group's limit is seen: {allowed}");
    let blocks = shown.sum("ringway_memory_bytes", &["kind=\"blocks_limit\""]);
    assert!(blocks <= 192.0 * MIB as f64, "{blocks}");
    for _ in 0..2 {
        floods(&mut subject, 256 * MIB);
    }
    subject.gw.stop();
}

fn a_budget_of_64_mib() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let mut subject = start(gateway().ringway("memory", "64MiB"), &peer);
    for _ in 0..2 {
        floods(&mut subject, 64 * MIB);
    }
    subject.gw.stop();
}

//! Standard output is closed, full, or nobody reads it: lines are lost and counted, nothing waits,
//! nothing ends.

use crate::both_drivers;
use crate::invariants::{Subject, subject};
use crate::support::{GatewayBuilder, backend, gateway, until};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;

both_drivers! {
    standard_output_is_closed,
    standard_output_is_full,
    nobody_reads_standard_output,
    the_reader_goes_away,
}

fn start(builder: GatewayBuilder) -> (Subject, crate::support::Backend) {
    let peer = backend().on("/a", r#"{"a":1}"#);
    (subject(builder.endpoint("/a", [&peer])), peer)
}

fn dropped(subject: &Subject, reason: &str) -> f64 {
    subject.gw.metrics().sum("ringway_log_dropped_total", &[&format!("reason=\"{reason}\"")])
}

/// Requests until lines of this reason are lost; each is answered.
#[track_caller]
fn serves_and_loses(subject: &mut Subject, reason: &str) {
    let mut client = subject.gw.connect();
    let path = format!("/a?{}", "q".repeat(4000));
    until("lines are lost and counted", || {
        for _ in 0..50 {
            client
                .send(format!("GET {path} HTTP/1.1\r\nHost: gw\r\n\r\n"))
                .status(200)
                .json(r#"{"a":1}"#);
        }
        dropped(subject, reason) >= 1.0
    });
    drop(client);
    subject.recovers();
}

fn standard_output_is_closed() {
    let (mut subject, _peer) = start(gateway().prepare(|command| {
        // SAFETY: one system call between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::close(1);
                Ok(())
            })
        };
    }));
    // What is opened first gets its number: no connection and no ring may be written to.
    let mut client = subject.gw.connect();
    for _ in 0..100 {
        client.send("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n").status(200).json(r#"{"a":1}"#);
    }
    drop(client);
    subject.recovers();
    subject.gw.stop();
}

fn standard_output_is_full() {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let (mut subject, _peer) = start(gateway().stdout(full));
    serves_and_loses(&mut subject, "sink");
    subject.gw.stop();
}

fn nobody_reads_standard_output() {
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let (mut subject, _peer) = start(gateway().stdout(writer));
    // The writer's thread hangs in its write; the queue of the workers is full at some time.
    serves_and_loses(&mut subject, "full");
    subject.gw.stop();
}

fn the_reader_goes_away() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let (mut subject, _peer) = start(gateway().stdout(writer));
    subject.gw.get("/a").status(200);
    assert!(reader.read(&mut [0; 100]).expect("the log") > 0);
    drop(reader);
    serves_and_loses(&mut subject, "sink");
    subject.gw.stop();
}

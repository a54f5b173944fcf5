//! io_uring is absent, forbidden or short of something: the gateway runs on epoll, with one line that
//! says why, and everything works.

use crate::invariants::subject;
use crate::support::{backend, call, gateway};

/// Serves on epoll and tells so in one line.
#[track_caller]
fn falls_back(subject: &mut crate::invariants::Subject, peer: &crate::support::Backend) {
    for _ in 0..5 {
        subject.gw.get("/two").status(200).completed(true);
    }
    assert!(peer.requests().len() >= 10);
    subject.recovers();
    let log = subject.gw.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("epoll")).collect();
    assert_eq!(lines.len(), 1, "one line says so\n{log}");
    assert!(subject.gw.metrics().sum("ringway_driver_info", &["driver=\"epoll\""]) >= 1.0);
}

#[test]
fn io_uring_is_forbidden() {
    for errno in [libc::ENOSYS, libc::EPERM, libc::EACCES, libc::ENOMEM] {
        let peer = backend().on("/a", r#"{"a":1}"#);
        let builder = gateway().without_uring(errno);
        let mut subject = subject(builder.endpoint("/two", [call(&peer, "/a"), call(&peer, "/a")]));
        falls_back(&mut subject, &peer);
    }
}

/// Little locked memory: kernels before 5.12 count rings against it, later ones do not.
#[test]
fn little_memory_may_be_locked() {
    for bytes in [0, 64 << 10] {
        let peer = backend().on("/a", r#"{"a":1}"#);
        let builder = gateway().rlimit(libc::RLIMIT_MEMLOCK, bytes);
        let mut subject = subject(builder.endpoint("/a", [&peer]));
        subject.gw.get("/a").status(200);
        subject.recovers();
        let workers = subject.gw.metrics().sum("ringway_driver_info", &[]);
        assert!(workers >= 1.0, "on whatever driver works");
    }
}

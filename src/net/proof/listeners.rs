//! Listeners: who connects is told right, nothing is lost, descriptors have the right flags.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::super::block::Block;
use super::super::listener::{PeerAddr, bind, bind_unix};
use super::super::on_each_driver::on_each_driver;
use super::super::timer::timeout_at;
use super::super::{clock, yield_now};
use super::PATIENCE;

#[test]
fn accepted_connections_work() {
    on_each_driver(|| async {
        let bound = bind(Some(Ipv4Addr::LOCALHOST.into()), 0, 128).expect("a free port");
        let address = bound.local_addr().expect("TCP");
        let listener = bound.adopt().expect("adopted");
        assert_eq!(listener.local_addr(), Some(address));
        let mut peer = TcpStream::connect(address).expect("it listens");
        peer.set_read_timeout(Some(PATIENCE)).expect("a valid time");
        let (mut stream, from) = listener.accept().await.expect("connected");
        assert_eq!(from, PeerAddr::Ip(peer.local_addr().expect("connected")));
        assert!(stream.recv.socket.options().tcp_nodelay().expect("an option"));
        assert!(is_cloexec(&*stream.recv.socket));
        peer.write_all(b"hi").expect("sent");
        assert_eq!(&stream.recv.recv().await.expect("bytes")[..], b"hi");
        stream.send.send(Block::copy_of(b"ho")).await.0.expect("sent");
        let mut got = [0; 2];
        peer.read_exact(&mut got).expect("bytes");
        assert_eq!(&got, b"ho");
    });
}

#[test]
fn a_dropped_accept_loses_no_connection() {
    on_each_driver(|| async {
        let bound = bind(Some(Ipv4Addr::LOCALHOST.into()), 0, 128).expect("a free port");
        let address = bound.local_addr().expect("TCP");
        let listener = bound.adopt().expect("adopted");
        for _ in 0..20 {
            let short = clock::now() + Duration::from_millis(1);
            assert!(timeout_at(short, listener.accept()).await.is_err());
            let peer = TcpStream::connect(address).expect("it listens");
            let (stream, _) = listener.accept().await.expect("connected");
            assert_eq!(stream.peer_addr(), peer.local_addr().ok());
        }
    });
}

#[test]
fn the_unspecified_address_takes_both_families() {
    on_each_driver(|| async {
        let bound = bind(None, 0, 128).expect("a free port");
        let port = bound.port().expect("TCP");
        // A second worker's listener on the same port.
        let second = bind(None, port, 128).expect("the port is shared");
        let listener = bound.adopt().expect("adopted");
        drop(second);
        let mut expected = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
        if TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok() {
            expected.insert(0, Ipv6Addr::LOCALHOST.into());
        }
        let _v4 = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
        for ip in expected {
            let (stream, from) = listener.accept().await.expect("connected");
            assert_eq!(from.ip(), Some(ip));
            assert_eq!(stream.peer_addr().map(|address| address.ip()), Some(ip));
        }
    });
}

#[test]
fn a_flood_of_connections_leaves_turns_for_others() {
    on_each_driver(|| async {
        let bound = bind(Some(Ipv4Addr::LOCALHOST.into()), 0, 256).expect("a free port");
        let address = bound.local_addr().expect("TCP");
        let listener = bound.adopt().expect("adopted");
        let turns = std::rc::Rc::new(std::cell::Cell::new(0));
        let counted = turns.clone();
        let (stop, mut stopped) = super::super::wake::mailbox::<()>(1);
        super::super::spawn(async move {
            while stopped.try_recv().is_none() {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        });
        let peers: Vec<_> =
            (0..200).map(|_| TcpStream::connect(address).expect("it listens")).collect();
        for _ in &peers {
            listener.accept().await.expect("connected");
        }
        assert!(turns.get() >= 5, "{} turns", turns.get());
        stop.try_send(()).expect("it listens");
        yield_now().await;
        yield_now().await;
    });
}

#[test]
fn unix_listeners_replace_left_over_files_only() {
    on_each_driver(|| async {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("admin");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a new file"));
        let listener = bind_unix(&path, 8).expect("nobody listens there").adopt().expect("adopted");
        let mut peer = UnixStream::connect(&path).expect("it listens");
        let (mut stream, from) = listener.accept().await.expect("connected");
        assert_eq!(from, PeerAddr::Unix);
        peer.write_all(b"hi").expect("sent");
        assert_eq!(&stream.recv.recv().await.expect("bytes")[..], b"hi");
        assert!(bind_unix(&path, 8).is_err(), "somebody listens there now");
        drop(listener);
        assert!(!path.exists());

        std::fs::write(&path, "precious").expect("a file");
        assert!(bind_unix(&path, 8).is_err());
        assert!(path.exists());
    });
}

fn is_cloexec(socket: &impl std::os::fd::AsFd) -> bool {
    // The kernel's own account of the descriptor: octal flags, 02000000 is O_CLOEXEC.
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd());
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).expect("proc");
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags");
    i32::from_str_radix(flags.trim(), 8).expect("octal") & libc::O_CLOEXEC != 0
}

//! Streams: what is sent arrives, ends are told apart, sockets close when they are dropped.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use super::super::block::{Block, LARGE, SMALL};
use super::super::connect::{ConnectFailure, Endpoint};
use super::super::on_each_driver::on_each_driver;
use super::super::timer::timeout_at;
use super::super::write_list::WriteList;
use super::super::{budget, clock, stream::Stream};
use super::{connected, pattern, reset, soon};

#[test]
fn bytes_go_both_ways_and_fin_is_an_empty_block() {
    on_each_driver(|| async {
        let (mut stream, mut peer) = connected();
        peer.write_all(b"ping").expect("sent");
        assert_eq!(&stream.recv.recv().await.expect("bytes")[..], b"ping");
        let (sent, block) = stream.send.send(Block::copy_of(b"pong")).await;
        sent.expect("sent");
        assert_eq!(&block[..], b"pong");
        let mut back = [0; 4];
        peer.read_exact(&mut back).expect("bytes");
        assert_eq!(&back, b"pong");

        peer.shutdown(Shutdown::Write).expect("open");
        assert!(stream.recv.recv().await.expect("an orderly end").is_empty());
        stream.send.shutdown().await.expect("open");
        assert_eq!(peer.read(&mut back).expect("an orderly end"), 0);
    });
}

#[test]
fn a_send_that_fails_tells_whether_it_began() {
    on_each_driver(|| async {
        let (mut stream, mut peer) = connected();
        assert_eq!(stream.send.sent(), 0);
        let reading = thread::spawn(move || {
            let mut some = vec![0; 64 * 1024];
            peer.read_exact(&mut some).expect("bytes");
            reset(peer);
        });
        let (sent, _) = stream.send.send(Block::copy_of(&pattern(32 << 20))).await;
        sent.expect_err("the peer reset the connection");
        reading.join().expect("the peer reads");
        assert!(stream.send.sent() >= 64 * 1024, "the peer had some of it");

        let before = stream.send.sent();
        let (sent, _) = stream.send.send(Block::copy_of(b"more")).await;
        sent.expect_err("nothing can be sent any more");
        assert_eq!(stream.send.sent(), before);
    });
}

#[test]
fn a_reset_is_an_error() {
    on_each_driver(|| async {
        let (mut stream, peer) = connected();
        reset(peer);
        let error = stream.recv.recv().await.expect_err("a reset is not an end");
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
    });
}

#[test]
fn recv_shows_only_written_bytes() {
    on_each_driver(|| async {
        let mut dirty = Block::small();
        dirty.resize(SMALL, b'!');
        drop(dirty);
        let (mut stream, mut peer) = connected();
        peer.write_all(b"four").expect("sent");
        assert_eq!(&stream.recv.recv().await.expect("bytes")[..], b"four");
    });
}

#[test]
fn reads_grow_and_rest_small() {
    on_each_driver(|| async {
        let (mut stream, mut peer) = connected();
        let whole = pattern(2 << 20);
        let expected = whole.clone();
        let sending = thread::spawn(move || peer.write_all(&whole).map(|()| peer));
        let mut got = Vec::new();
        let mut sizes = Vec::new();
        while got.len() < expected.len() {
            let block = stream.recv.recv().await.expect("bytes");
            sizes.push(block.capacity());
            got.extend_from_slice(&block);
        }
        assert!(got == expected);
        assert_eq!(sizes[0], SMALL);
        assert!(sizes.contains(&LARGE) && sizes.iter().all(|size| *size <= LARGE));
        let mut peer = sending.join().expect("no panic").expect("sent");
        stream.recv.rest();
        peer.write_all(b"x").expect("sent");
        assert_eq!(stream.recv.recv().await.expect("bytes").capacity(), SMALL);
    });
}

#[test]
fn large_sends_survive_partial_writes() {
    on_each_driver(|| async {
        let (mut stream, mut peer) = connected();
        let whole = pattern(8 << 20);
        let expected = whole.clone();
        let reading = thread::spawn(move || {
            let mut got = Vec::new();
            peer.read_to_end(&mut got).map(|_| got)
        });
        let half = whole.len() / 2;
        stream.send.send(Block::copy_of(&whole[..half])).await.0.expect("sent");

        let mut list = WriteList::new();
        let block = list.own(Block::copy_of(&whole[half..]));
        let mut at = 0;
        while at < half {
            // Copies and ranges in turn, so that neighbours do not melt into one.
            let len = (at % 7000 + 1).min(half - at);
            if at % 2 == 0 {
                list.push(block, at..at + len);
            } else {
                list.copy(&whole[half + at..half + at + len]);
            }
            at += len;
        }
        assert_eq!(list.len(), half);
        let (sent, list) = stream.send.send_list(list).await;
        sent.expect("sent");
        assert_eq!(list.len(), half);
        stream.send.shutdown().await.expect("open");
        assert!(reading.join().expect("no panic").expect("read") == expected);
    });
}

#[test]
fn sending_into_a_closed_connection_is_an_error_not_a_signal() {
    on_each_driver(|| async {
        let (mut stream, peer) = connected();
        reset(peer);
        let error = stream.recv.recv().await.expect_err("reset");
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
        for _ in 0..2 {
            assert!(stream.send.send(Block::copy_of(b"x")).await.0.is_err());
            let mut list = WriteList::new();
            list.push_static(b"x");
            assert!(stream.send.send_list(list).await.0.is_err());
        }
    });
}

#[test]
fn a_read_may_be_armed_while_sending() {
    on_each_driver(|| async {
        let (stream, mut peer) = connected();
        let Stream { mut recv, mut send } = stream;
        let echo = thread::spawn(move || {
            // Answers only when it has all: the read below waits during the whole send.
            let mut got = vec![0; 4 << 20];
            peer.read_exact(&mut got)?;
            peer.write_all(b"done").map(|()| peer)
        });
        let mut reading = Box::pin(recv.recv());
        let mut sending = Box::pin(send.send(Block::copy_of(&pattern(4 << 20))));
        let mut sent = None;
        let block = std::future::poll_fn(|cx| {
            if sent.is_none()
                && let std::task::Poll::Ready((result, _)) = sending.as_mut().poll(cx)
            {
                sent = Some(result);
            }
            reading.as_mut().poll(cx)
        })
        .await;
        assert_eq!(&block.expect("bytes")[..], b"done");
        assert!(matches!(sent, Some(Ok(()))));
        drop(echo.join().expect("no panic").expect("echoed"));
    });
}

#[test]
fn dropping_a_stream_with_a_read_in_flight_closes_the_socket() {
    on_each_driver(|| async {
        let (mut stream, mut peer) = connected();
        let charged = budget::used_here();
        // Polled once, so that the read is really submitted, then given up.
        let late =
            timeout_at(clock::now() + std::time::Duration::from_millis(1), stream.recv.recv());
        assert!(late.await.is_err());
        drop(stream);
        let (ended, end) = super::super::wake::oneshot();
        thread::spawn(move || ended.send(peer.read(&mut [0])));
        let end = timeout_at(soon(), end).await.expect("the socket closes").expect("an answer");
        assert_eq!(end.expect("an orderly end"), 0);
        // The block that was lent came back as well.
        while budget::used_here() > charged {
            super::super::yield_now().await;
        }
    });
}

#[test]
fn a_reset_stream_with_a_read_in_flight_resets() {
    on_each_driver(|| async {
        let (mut stream, mut peer) = connected();
        let late =
            timeout_at(clock::now() + std::time::Duration::from_millis(1), stream.recv.recv());
        assert!(late.await.is_err());
        stream.reset();
        let (ended, end) = super::super::wake::oneshot();
        thread::spawn(move || ended.send(peer.read(&mut [0])));
        let end = timeout_at(soon(), end).await.expect("the socket closes").expect("an answer");
        assert_eq!(end.expect_err("a reset").kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn idle_connections_show_when_they_are_stale() {
    on_each_driver(|| async {
        let (stream, mut peer) = connected();
        assert!(!stream.is_stale());
        peer.write_all(b"x").expect("sent");
        assert!(stream.is_stale(), "bytes wait");

        let (mut stream, peer) = connected();
        drop(peer);
        stream.recv.readable().await.expect("an end is readable");
        assert!(stream.is_stale(), "ended");

        let (mut stream, mut peer) = connected();
        let early = timeout_at(clock::now(), stream.recv.readable()).await;
        assert!(early.is_err() && !stream.is_stale(), "a read may be armed, nothing came");
        peer.write_all(b"x").expect("sent");
        stream.recv.readable().await.expect("bytes are readable");
        assert!(stream.is_stale(), "an armed read, if any, has them");

        let (mut stream, peer) = connected();
        reset(peer);
        stream.recv.readable().await.expect("an error is readable");
        assert!(stream.is_stale(), "reset");
    });
}

#[test]
fn connecting() {
    on_each_driver(|| async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stream = Stream::connect(&Endpoint::Tcp(address), soon()).await.expect("it listens");
        assert_eq!(stream.peer_addr(), Some(address));
        assert!(stream.local_addr().is_some_and(|local| local.ip().is_loopback()));
        assert!(stream.recv.socket.options().tcp_nodelay().expect("an option"));
        let (mut peer, _) = listener.accept().expect("connected");
        let mut stream = stream;
        stream.send.send(Block::copy_of(b"hi")).await.0.expect("sent");
        let mut got = [0; 2];
        peer.read_exact(&mut got).expect("bytes");
        peer.write_all(&got).expect("sent");
        let block = stream.recv.recv().await.expect("bytes");
        assert_eq!(&block[..], b"hi");

        drop(listener);
        let error = Stream::connect(&Endpoint::Tcp(address), soon()).await.err().expect("refused");
        assert_eq!(ConnectFailure::of(&error), ConnectFailure::Refused);
    });
}

#[test]
fn connecting_to_unix_sockets() {
    on_each_driver(|| async {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let to = Endpoint::Unix(path.clone());
        let error = Stream::connect(&to, soon()).await.err().expect("no file");
        assert_eq!(ConnectFailure::of(&error), ConnectFailure::Refused);

        let listener = std::os::unix::net::UnixListener::bind(&path).expect("a new file");
        let mut stream = Stream::connect(&to, soon()).await.expect("it listens");
        let (mut peer, _) = listener.accept().expect("connected");
        peer.write_all(b"hi").expect("sent");
        assert_eq!(&stream.recv.recv().await.expect("bytes")[..], b"hi");
        assert_eq!(stream.peer_addr(), None);
        stream.send.set_nodelay(true).expect("ignored");
    });
}

#[test]
fn connecting_has_a_deadline() {
    on_each_driver(|| async {
        // A listener whose queue is full drops what comes: nobody answers.
        let raw = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
            .expect("a socket");
        let any: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
        raw.bind(&any.into()).expect("a free port");
        raw.listen(0).expect("listens");
        let address = raw.local_addr().expect("bound").as_socket().expect("an address");
        let short = std::time::Duration::from_millis(200);
        let _filling: Vec<_> =
            (0..3).filter_map(|_| TcpStream::connect_timeout(&address, short).ok()).collect();
        let deadline = clock::now() + short;
        let error =
            Stream::connect(&Endpoint::Tcp(address), deadline).await.err().expect("no answer");
        assert_eq!(ConnectFailure::of(&error), ConnectFailure::Timeout);
        assert!(clock::now() >= deadline);
    });
}

#[test]
fn a_large_body_passes_with_little_memory() {
    const BODY: usize = 64 << 20;
    on_each_driver(|| async {
        let (from, mut source) = connected();
        let (to, mut sink) = connected();
        let writing = thread::spawn(move || {
            let part = pattern(1 << 20);
            (0..BODY >> 20).try_for_each(|_| source.write_all(&part))
        });
        let reading = thread::spawn(move || {
            let mut part = vec![0; 1 << 20];
            let mut total = 0;
            loop {
                match sink.read(&mut part) {
                    Ok(0) => return total,
                    Ok(n) => total += n,
                    Err(_) => return 0,
                }
            }
        });
        let (mut from, mut to) = (from, to);
        let before = budget::used_here();
        let mut most = 0;
        let mut passed = 0;
        while passed < BODY {
            let block = from.recv.recv().await.expect("bytes");
            assert!(!block.is_empty());
            passed += block.len();
            most = most.max(budget::used_here() - before);
            to.send.send(block).await.0.expect("sent");
        }
        to.send.shutdown().await.expect("open");
        assert!(most <= 256 * 1024, "{most} bytes were charged");
        writing.join().expect("no panic").expect("sent");
        assert_eq!(reading.join().expect("no panic"), BODY);
    });
}

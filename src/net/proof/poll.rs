//! The poll-style stream: bytes both ways, and HTTP/2 by the `h2` crate over it, plain and sealed.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::Pin;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::super::on_each_driver::on_each_driver;
use super::super::poll_stream::PollStream;
use super::super::spawn;
use super::super::stream::Stream;
use super::super::timer::timeout_at;
use super::{connected, pattern, soon};

#[test]
fn bytes_go_both_ways() {
    on_each_driver(|| async {
        let (stream, mut peer) = connected();
        let whole = pattern(1 << 20);
        let expected = whole.clone();
        let echo = thread::spawn(move || {
            let mut got = Vec::new();
            peer.read_to_end(&mut got)?;
            peer.write_all(&got)
        });
        let mut stream = PollStream::new(stream);
        for part in whole.chunks(3000) {
            stream.write_all(part).await.expect("sent");
        }
        stream.shutdown().await.expect("open");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("bytes");
        assert!(got == expected);
        echo.join().expect("no panic").expect("echoed");
    });
}

#[test]
fn a_reset_is_seen_by_readers_and_writers() {
    on_each_driver(|| async {
        let (stream, peer) = connected();
        super::reset(peer);
        let mut stream = PollStream::new(stream);
        assert!(stream.read(&mut [0]).await.is_err());
        let sent = async {
            stream.write_all(b"x").await?;
            stream.flush().await
        };
        assert!(sent.await.is_err());
    });
}

/// Serves HTTP/2 on one connection: the answer is the request's body.
pub(crate) async fn serve(stream: Stream) {
    let mut connection = h2::server::handshake(PollStream::new(stream)).await.expect("HTTP/2");
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted.expect("a request");
        spawn(async move {
            let mut body = request.into_body();
            let mut all = Vec::new();
            while let Some(part) = body.data().await {
                let part = part.expect("a part");
                body.flow_control().release_capacity(part.len()).expect("taken in");
                all.extend_from_slice(&part);
            }
            let response = ::http::Response::builder().status(200).body(()).expect("a head");
            let mut stream = respond.send_response(response, all.is_empty()).expect("open");
            let mut at = 0;
            while at < all.len() {
                stream.reserve_capacity(all.len() - at);
                let granted = poll_fn(|cx| stream.poll_capacity(cx)).await;
                let granted = granted.expect("open").expect("a window");
                let end = at + granted;
                let part = all[at..end].to_vec();
                stream.send_data(part.into(), end == all.len()).expect("open");
                at = end;
            }
        });
    }
}

/// Ten requests at the same time, each with a body larger than the windows.
pub(crate) async fn call(stream: Stream) {
    let (client, connection) =
        h2::client::handshake(PollStream::new(stream)).await.expect("HTTP/2");
    spawn(async move { connection.await.expect("an orderly end") });
    let mut client = client.ready().await.expect("open");
    let mut calls = Vec::new();
    for n in 0..10 {
        let request = ::http::Request::post("https://backend.test/echo").body(()).expect("a head");
        let (response, mut stream) = client.send_request(request, false).expect("open");
        let body = pattern(100_000 + n);
        let expected = body.clone();
        let sending = async move {
            let mut at = 0;
            while at < body.len() {
                stream.reserve_capacity(body.len() - at);
                let granted = poll_fn(|cx| stream.poll_capacity(cx)).await;
                let end = at + granted.expect("open").expect("a window");
                stream.send_data(body[at..end].to_vec().into(), end == body.len()).expect("open");
                at = end;
            }
        };
        spawn(sending);
        calls.push(async move {
            let mut body = response.await.expect("an answer").into_body();
            let mut got = Vec::new();
            while let Some(part) = body.data().await {
                let part = part.expect("a part");
                body.flow_control().release_capacity(part.len()).expect("taken in");
                got.extend_from_slice(&part);
            }
            assert!(got == expected);
        });
    }
    let mut all = super::super::fanout::FanOut::new();
    for call in calls {
        all.push(call);
    }
    while timeout_at(soon(), all.next()).await.expect("it ends").is_some() {}
}

#[test]
fn http2_runs_over_it() {
    on_each_driver(|| async {
        let (ours, peer) = connected();
        let peer = Stream::from_tcp(peer).expect("the driver takes it");
        spawn(serve(ours));
        call(peer).await;
    });
}

#[test]
fn unsent_bytes_are_sent_by_a_flush_only_or_when_they_are_many() {
    on_each_driver(|| async {
        let (stream, mut peer) = connected();
        let mut stream = PollStream::new(stream);
        stream.write_all(b"a").await.expect("gathered");
        stream.write_all(b"b").await.expect("gathered");
        peer.set_nonblocking(true).expect("a flag");
        assert!(peer.read(&mut [0]).is_err());
        peer.set_nonblocking(false).expect("a flag");
        stream.flush().await.expect("sent");
        let mut got = [0; 2];
        peer.read_exact(&mut got).expect("bytes");
        assert_eq!(&got, b"ab");
        assert!(Pin::new(&mut stream).is_write_vectored());
        peer.write_all(b"c").expect("sent");
        stream.read_exact(&mut got[..1]).await.expect("bytes");
        assert_eq!(got[0], b'c');
    });
}

//! The data path of the seam allocates nothing once it is warm: a worker serves requests on open
//! connections with an armed reader, a deadline for each, a fan-out of placed calls and a send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use ringway::net::fanout::FanOut;
use ringway::net::placed::place;
use ringway::net::pump::{Slot, drive, pump};
use ringway::net::timer::{Deadline, timeout_at};
use ringway::net::{Stream, WriteList, clock, driver, listener};

use super::counting;

const WARM: u64 = 200;
const REQUESTS: u64 = 2000;

/// Blocks in flight at once may reach their peak after the warm-up on a busy machine; the pool keeps
/// what it grew by, so this many are possible in all. One allocation a request would be 2000.
const POOL_GROWTH: u64 = 4;

/// A client that sends a request, reads the answer, and so on.
fn client(mut peer: TcpStream, answer_len: usize) -> std::io::Result<()> {
    let mut answer = vec![0; answer_len];
    for _ in 0..WARM + REQUESTS {
        peer.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
        peer.read_exact(&mut answer)?;
    }
    Ok(())
}

#[test]
fn a_request_on_an_open_connection_allocates_nothing() {
    let below = driver::probe(Some("monoio")).0;
    for kind in [driver::probe(None).0, below, driver::DriverKind::Epoll] {
        let (allocated, sites) =
            thread::spawn(move || driver::run(kind, serve()).expect("the driver starts"))
                .join()
                .expect("no panic");
        assert!(
            allocated <= POOL_GROWTH,
            "{kind}: {allocated} for {REQUESTS} requests: {sites:#?}"
        );
    }
}

async fn serve() -> (u64, Vec<(String, u64)>) {
    let bound = listener::bind(Some([127, 0, 0, 1].into()), 0, 8).expect("a free port");
    let address = bound.local_addr().expect("TCP");
    let listener = bound.adopt().expect("adopted");
    let peer = TcpStream::connect(address).expect("it listens");
    let (Stream { mut recv, mut send }, _) = listener.accept().await.expect("connected");
    let clients = thread::spawn(move || client(peer, 18 + 18 * 3));

    let slot = Slot::new();
    let reader = pin!(pump(&mut recv, &slot));
    let mut deadline = Deadline::never();
    let mut calls = FanOut::new();
    let allocated = drive(&slot, reader, async {
        let mut before = 0;
        for n in 0..WARM + REQUESTS {
            if n == WARM {
                counting::here().expect("this thread is counted").note();
                before = count();
            }
            let due = clock::now() + Duration::from_secs(20);
            let Ok(Ok(block)) = timeout_at(due, slot.next_block()).await else {
                panic!("a request comes");
            };
            deadline.reset(due);
            for at in 0..3_u64 {
                calls.push(place(async move { at * n }).erase());
            }
            let mut list = WriteList::new();
            while let Some((_, _product)) = calls.next().await {
                list.copy(&block);
            }
            calls.clear();
            list.push_block(block);
            let (sent, list) = send.send_list(list).await;
            sent.expect("sent");
            drop(list);
        }
        let sites = counting::here().map(counting::Thread::noted);
        (count() - before, sites.unwrap_or_default())
    })
    .await;
    clients.join().expect("no panic").expect("served");
    allocated
}

fn count() -> u64 {
    counting::here().map_or(0, counting::Thread::allocations)
}

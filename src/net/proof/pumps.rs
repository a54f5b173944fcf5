//! The armed reader: order, back-pressure, ends, idling and handing over without losing a byte.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use super::super::block::Block;
use super::super::fanout::FanOut;
use super::super::on_each_driver::on_each_driver;
use super::super::pump::{Closed, Slot, drive, pump, pump_with};
use super::super::stream::Stream;
use super::super::timer::{sleep_until, timeout_at};
use super::super::wake::oneshot;
use super::super::{budget, clock, yield_now};
use super::{connected, pattern, reset, soon};

#[test]
fn requests_are_served_in_order_until_the_end() {
    on_each_driver(|| async {
        let (Stream { mut recv, mut send }, mut peer) = connected();
        let client = thread::spawn(move || {
            let mut got = [0; 3];
            for n in 0..100 {
                write!(peer, "{n:03}")?;
                peer.read_exact(&mut got)?;
                assert_eq!(got, *format!("{n:03}").as_bytes());
            }
            peer.shutdown(Shutdown::Write)
        });
        let slot = Slot::new();
        let reader = pin!(pump(&mut recv, &slot));
        let closed = drive(&slot, reader, async {
            loop {
                match slot.next_block().await {
                    Ok(block) => send.send(block).await.0.expect("sent"),
                    Err(closed) => return closed,
                }
            }
        })
        .await;
        assert_eq!(closed, Closed::Fin);
        assert_eq!(slot.closed(), Some(Closed::Fin));
        client.join().expect("no panic").expect("served");
    });
}

#[test]
fn the_reader_goes_on_between_two_drives() {
    on_each_driver(|| async {
        let (Stream { mut recv, send: _send }, mut peer) = connected();
        let slot = Slot::new();
        let mut reader = pin!(pump(&mut recv, &slot));
        for n in 0..10_u8 {
            // The read is in flight before this request comes.
            drive(&slot, reader.as_mut(), yield_now()).await;
            peer.write_all(&[n]).expect("sent");
            let block = drive(&slot, reader.as_mut(), slot.next_block()).await;
            assert_eq!(&block.expect("bytes")[..], [n]);
        }
    });
}

#[test]
fn a_client_that_leaves_is_noticed_while_it_is_served() {
    on_each_driver(|| async {
        for (case, expected) in [("fin", Closed::Fin), ("reset", Closed::Reset)] {
            let (Stream { mut recv, send: _send }, mut peer) = connected();
            peer.write_all(b"request").expect("sent");
            let slot = Slot::new();
            let reader = pin!(pump(&mut recv, &slot));
            let closed = drive(&slot, reader, async {
                assert_eq!(&slot.next_block().await.expect("bytes")[..], b"request");
                assert_eq!(slot.closed(), None);
                match expected {
                    Closed::Fin => drop(peer),
                    Closed::Reset => reset(peer),
                }
                timeout_at(soon(), slot.wait_closed()).await
            })
            .await;
            assert_eq!(closed, Ok(expected), "{case}");
        }
    });
}

#[test]
fn bytes_before_the_end_come_before_it() {
    on_each_driver(|| async {
        let (Stream { mut recv, send: _send }, mut peer) = connected();
        peer.write_all(b"last words").expect("sent");
        drop(peer);
        let slot = Slot::new();
        let reader = pin!(pump(&mut recv, &slot));
        drive(&slot, reader, async {
            assert_eq!(slot.wait_closed().await, Closed::Fin);
            assert_eq!(&slot.next_block().await.expect("bytes")[..], b"last words");
            assert_eq!(slot.next_block().await.expect_err("the end"), Closed::Fin);
            assert_eq!(slot.next_block().await.expect_err("still the end"), Closed::Fin);
        })
        .await;
    });
}

#[test]
fn a_client_that_sends_without_end_is_held_back() {
    on_each_driver(|| async {
        let (Stream { mut recv, send: _send }, mut peer) = connected();
        let whole = pattern(16 << 20);
        let expected = whole.clone();
        let sending = thread::spawn(move || peer.write_all(&whole).map(|()| peer));
        let slot = Slot::new();
        let reader = pin!(pump(&mut recv, &slot));
        let before = budget::used_here();
        let got = drive(&slot, reader, async {
            let mut got = Vec::new();
            while got.len() < expected.len() {
                if got.len() < 1 << 20 {
                    // Slow at first, so that the slot fills.
                    yield_now().await;
                }
                let block = slot.next_block().await.expect("bytes");
                assert!(budget::used_here() - before <= 4 * 64 * 1024);
                got.extend_from_slice(&block);
            }
            got
        })
        .await;
        assert!(got == expected);
        drop(sending.join().expect("no panic").expect("sent"));
    });
}

#[test]
fn bytes_put_back_come_first() {
    on_each_driver(|| async {
        let (Stream { mut recv, send: _send }, mut peer) = connected();
        let slot = Slot::new();
        let mut reader = pin!(pump(&mut recv, &slot));
        let mut expected = Vec::new();
        for round in 0..50_u8 {
            peer.write_all(&[round, b'a', b'b']).expect("sent");
            expected.extend_from_slice(&[round, b'a', b'b']);
        }
        peer.shutdown(Shutdown::Write).expect("open");
        let got = drive(&slot, reader.as_mut(), async {
            let mut got = Vec::new();
            while let Ok(block) = slot.next_block().await {
                got.push(block[0]);
                slot.put_back(Block::copy_of(&block[1..]));
                yield_now().await;
            }
            got
        })
        .await;
        assert_eq!(got, expected);
    });
}

#[test]
fn an_idle_connection_holds_no_block_and_wakes_up() {
    on_each_driver(|| async {
        let (Stream { mut recv, send: _send }, mut peer) = connected();
        // The rungs on monoio read turns with a block of their own; the wheel takes one when it is
        // late, as on a busy machine.
        yield_now().await;
        let before = budget::used_here();
        let slot = Slot::new();
        let reader = pin!(pump_with(&mut recv, &slot, Duration::from_millis(20)));
        drive(&slot, reader, async {
            for n in 0..3_u8 {
                while !slot.is_resting() {
                    sleep_until(clock::now() + Duration::from_millis(5)).await;
                }
                assert_eq!(budget::used_here(), before);
                peer.write_all(&[n]).expect("sent");
                let block = slot.next_block().await.expect("bytes");
                assert_eq!((&block[..], block.capacity()), (&[n][..], 2048));
            }
            while !slot.is_resting() {
                sleep_until(clock::now() + Duration::from_millis(5)).await;
            }
            drop(peer);
            assert_eq!(slot.wait_closed().await, Closed::Fin);
        })
        .await;
    });
}

#[test]
fn no_byte_is_lost_when_idling_begins() {
    on_each_driver(|| async {
        let (Stream { mut recv, send: _send }, mut peer) = connected();
        let idle = Duration::from_millis(10);
        let client = thread::spawn(move || {
            // Around the moment at which the read is cancelled, now before and now after it.
            for n in 0..120_u8 {
                thread::sleep(Duration::from_micros(5000 + u64::from(n) * 137));
                peer.write_all(&[n])?;
            }
            Ok::<_, std::io::Error>(())
        });
        let slot = Slot::new();
        let reader = pin!(pump_with(&mut recv, &slot, idle));
        let got = drive(&slot, reader, async {
            let mut got = Vec::new();
            while let Ok(block) = slot.next_block().await {
                got.extend_from_slice(&block);
            }
            got
        })
        .await;
        assert_eq!(got, (0..120).collect::<Vec<u8>>());
        client.join().expect("no panic").expect("sent");
    });
}

#[test]
fn a_stopped_reader_leaves_everything_behind() {
    on_each_driver(|| async {
        for (case, wait) in [("while it reads", 0), ("while it rests", 60)] {
            let (Stream { mut recv, mut send }, mut peer) = connected();
            peer.write_all(b"upgrade").expect("sent");
            let slot = Slot::new();
            {
                let reader = pin!(pump_with(&mut recv, &slot, Duration::from_millis(20)));
                drive(&slot, reader, async {
                    assert_eq!(&slot.next_block().await.expect("bytes")[..], b"upgrade");
                    sleep_until(clock::now() + Duration::from_millis(wait)).await;
                    slot.stop().await;
                })
                .await;
            }
            assert_eq!(slot.closed(), None, "{case}");
            // The halves work as before.
            peer.write_all(b"raw").expect("sent");
            assert_eq!(&recv.recv().await.expect("bytes")[..], b"raw", "{case}");
            send.send(Block::copy_of(b"ok")).await.0.expect("sent");
            let mut got = [0; 2];
            peer.read_exact(&mut got).expect("bytes");
        }
    });
}

#[test]
fn parts_of_the_server_with_wakers_of_their_own_are_woken() {
    on_each_driver(|| async {
        let (Stream { mut recv, send: _send }, mut peer) = connected();
        let (go, gone) = oneshot::<()>();
        let client = thread::spawn(move || {
            peer.write_all(b"body")?;
            let _ = go.send(());
            thread::sleep(Duration::from_millis(20));
            peer.shutdown(Shutdown::Write)
        });
        let slot = Slot::new();
        let reader = pin!(pump(&mut recv, &slot));
        drive(&slot, reader, async {
            let mut parts = FanOut::new();
            parts.push(
                super::super::placed::place(async { slot.next_block().await.is_ok() }).erase(),
            );
            parts.push(
                super::super::placed::place(async { slot.wait_closed().await == Closed::Fin })
                    .erase(),
            );
            let all = async {
                while let Some((_, is_right)) = parts.next().await {
                    assert!(is_right);
                }
            };
            timeout_at(soon(), all).await.expect("both are woken");
        })
        .await;
        assert_eq!(gone.await, Some(()));
        client.join().expect("no panic").expect("sent");
    });
}

#[test]
fn a_dropped_drive_may_be_followed_by_another() {
    on_each_driver(|| async {
        let (Stream { mut recv, send: _send }, mut peer) = connected();
        let slot = Slot::new();
        let mut reader = pin!(pump(&mut recv, &slot));
        let short = clock::now() + Duration::from_millis(10);
        assert!(timeout_at(short, drive(&slot, reader.as_mut(), slot.next_block())).await.is_err());
        peer.write_all(b"late").expect("sent");
        let block = drive(&slot, reader.as_mut(), slot.next_block()).await.expect("bytes");
        assert_eq!(&block[..], b"late");
    });
}

#[test]
fn the_reader_is_small() {
    on_each_driver(|| async {
        let (Stream { mut recv, send: _send }, _peer) = connected();
        let slot = Slot::new();
        // What a connection keeps while it is idle; its future may have 768 bytes in all.
        let kept = size_of_val(&slot) + size_of_val(&pump(&mut recv, &slot));
        assert!(kept <= 480, "{kept} bytes");
    });
}

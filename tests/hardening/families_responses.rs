//! Families of responses, generated one by one: every control byte before, after and inside each
//! framing name and value and around chunk lines, and every split over two packets. The judge says
//! what the bytes mean; the client gets exactly that or a failure, the next request on the pool gets
//! its own answer, and a connection whose message did not end exactly serves nobody else.

use crate::both_drivers;
use crate::judge::{self, End as Meaning};
use crate::stage::Stage;
use crate::support::{Answer, End, Step, call, escaped, ms};

both_drivers! {
    a15_control_bytes_in_responses,
    a15_every_split_of_responses,
}

const BYTES: &[u8] =
    b"\0\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14\
    \x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f \x80\xa0\xff,;:=";

const STOLEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";

fn responses() -> Stage {
    Stage::with(|builder, peer| {
        builder.endpoint("/r/{id}", [call(peer, "/r/{id}")]).noop().ringway("stream_idle", "5s")
    })
}

/// One response of the backend in these packets, after which it ends its side if it must.
#[track_caller]
fn judge(stage: &Stage, what: &str, packets: &[&[u8]], closes: bool) {
    let bytes = packets.concat();
    let said = format!("{what}: {}", escaped(&bytes));
    let mut steps = Vec::new();
    for (n, packet) in packets.iter().enumerate() {
        if n > 0 {
            steps.push(Step::Wait(ms(1)));
        }
        steps.push(Step::Send(packet.to_vec()));
    }
    if closes {
        steps.push(Step::Close);
    }
    stage.peer.set("/r/1", [Answer::steps_are(steps)]);
    let found = stage.gw.get("/r/1");
    let meaning = judge::response(&bytes);
    match &meaning {
        Ok((message, _)) => {
            assert_eq!(found.code.to_string(), message.start[0], "{said}\n{found}");
            assert!(found.bytes == message.body, "{said}\n{found}");
            found.ended();
        }
        Err(Meaning::Refused(_) | Meaning::CutHead) => {
            assert!(found.code == 500 && found.bytes.is_empty(), "{said}\n{found}");
            found.ended();
        }
        Err(Meaning::BadBody(message) | Meaning::CutBody(message)) => {
            let is_visible = found.code == 500 || matches!(found.end, End::Cut | End::Reset);
            assert!(is_visible && message.body.starts_with(&found.bytes), "{said}\n{found}");
        }
        Err(Meaning::Used | Meaning::Closes) => unreachable!("no meaning of a response"),
    }
    let used = stage.peer.take().into_iter().find(|request| request.target == "/r/1");
    let used = used.expect("the request came").connection;
    stage.canary();
    stage.canary();
    let next = stage.peer.take();
    let is_reused = next.iter().any(|request| request.connection == used);
    let may_be = matches!(meaning, Ok((_, true)));
    assert!(!is_reused || may_be, "{said}: the connection was used again");
}

fn a15_control_bytes_in_responses() {
    let stage = responses();
    let mut n = 0;
    for (what, text, parts) in [
        (
            "a length",
            format!(
                "HTTP/1.1 200 OK\r\nX-Before: b\r\nContent-Length: 5\r\nX-After: a\r\n\r\nhello{STOLEN}"
            ),
            &["HTTP/1.1", "200", "OK\r", "Content-Length", ":", " 5", "5\r\nX", "\n\r\nhello"][..],
        ),
        (
            "chunks",
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: u\r\n\r\n{STOLEN}"
            ),
            &[
                "Transfer-Encoding",
                " chunked",
                "chunked\r",
                "5;a",
                ";a=b",
                "\r\nhello",
                "\r\n0\r",
                "0\r\nX",
                "X-T",
                "\n\r\nHTTP",
            ],
        ),
        (
            "a connection that ends",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            &["Connection", "close\r"],
        ),
    ] {
        for part in parts {
            let at = text.find(part).unwrap_or_else(|| panic!("{part:?} is there"));
            let last = at + part.trim_end_matches(['\r', '\n']).len().max(1);
            let mut places = vec![at, at + 1, at.midpoint(last), last];
            places.dedup();
            for place in places {
                for byte in BYTES {
                    let (before, after) = text.as_bytes().split_at(place);
                    let bytes = [before, &[*byte], after].concat();
                    judge(&stage, &format!("{what}: {byte:#04x} at {place}"), &[&bytes], true);
                    n += 1;
                }
            }
        }
    }
    assert!(n > 2000, "{n} responses");
}

fn a15_every_split_of_responses() {
    let stage = responses();
    for (what, text, closes) in [
        ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
            false,
        ),
        ("until the end", "HTTP/1.0 200 OK\r\n\r\nhello", true),
        (
            "interim first",
            "HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            false,
        ),
        ("no content", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", false),
        (
            "both framings",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
            true,
        ),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            true,
        ),
        (
            "a bad size",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
            true,
        ),
        (
            "a bad chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
            true,
        ),
        ("a bare line feed", "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello", true),
        ("cut content", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true),
    ] {
        for split in 1..text.len() {
            let (first, second) = text.as_bytes().split_at(split);
            judge(&stage, &format!("{what}, split at {split}"), &[first, second], closes);
        }
    }
    // A response and somebody else's behind it: only the first counts, wherever the packets end.
    let both = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello{STOLEN}");
    for split in 1..both.len() {
        let (first, second) = both.as_bytes().split_at(split);
        let steps = [Step::Send(first.to_vec()), Step::Wait(ms(1)), Step::Send(second.to_vec())];
        stage.answer_all("/r/1", steps.into(), "/r/1").status(200).body("hello");
        stage.canary();
        stage.canary();
    }
}

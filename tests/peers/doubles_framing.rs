//! Says twice, and differently, where the body ends. Hurts every hop behind which another hop
//! chooses the other length: response splitting.

use super::Peer;
use crate::support::{Answer, Step};

pub(super) fn peers() -> Vec<Peer> {
    let framings = [
        ("two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n"),
        ("two lengths in one line", "Content-Length: 2, 3\r\n"),
        ("a length and chunks", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
        ("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"),
        ("chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("an unknown coding", "Transfer-Encoding: identity\r\n"),
        ("a signed length", "Content-Length: +2\r\n"),
        ("an empty length", "Content-Length: \r\n"),
        ("a length over 64 bits", "Content-Length: 18446744073709551618\r\n"),
    ];
    framings
        .into_iter()
        .map(|(what, framing)| {
            let message = format!("HTTP/1.1 200 OK\r\n{framing}\r\n{{}}");
            Peer::fails(
                what,
                "backend_bad_head",
                Answer::steps_are([Step::Send(message.into_bytes()), Step::Close]),
            )
        })
        .collect()
}

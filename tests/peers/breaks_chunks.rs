//! Chunks as RFC 9112 section 7.1 does not know them: sizes with signs, bare line feeds, bytes
//! after the data, no last chunk. Hurts whoever reads them more kindly than the next hop: the two
//! then disagree where the message ends.

use super::Peer;
use crate::support::{Answer, Step};

pub(super) fn peers() -> Vec<Peer> {
    let chunks = [
        ("a sign before the size", "+2\r\n{}\r\n0\r\n\r\n"),
        ("a prefix before the size", "0x2\r\n{}\r\n0\r\n\r\n"),
        ("an underscore in the size", "0_2\r\n{}\r\n0\r\n\r\n"),
        ("an empty size", "\r\n{}\r\n0\r\n\r\n"),
        ("a blank before the size", " 2\r\n{}\r\n0\r\n\r\n"),
        ("a size over 64 bits", "10000000000000002\r\n{}\r\n0\r\n\r\n"),
        ("a bare line feed after the size", "2\n{}\r\n0\r\n\r\n"),
        ("bytes after the data", "2\r\n{}XX0\r\n\r\n"),
        ("a NUL in an extension", "2;\0x\r\n{}\r\n0\r\n\r\n"),
        ("no size at all", "hello"),
        ("no last chunk", "2\r\n{}\r\n"),
    ];
    chunks
        .into_iter()
        .map(|(what, body)| {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
            let message = format!("{head}{body}").into_bytes();
            let label = match what {
                "no last chunk" => "backend_truncated",
                _ => "backend_bad_chunk",
            };
            Peer::breaks(what, label, Answer::steps_are([Step::Send(message), Step::Close]))
        })
        .collect()
}

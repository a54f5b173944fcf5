//! Something else listens on the port. Hurts a gateway whose parser takes the first bytes for a
//! status line, and everybody who would get them forwarded.

use super::Peer;
use crate::support::{Answer, Step};

pub(super) fn peers() -> Vec<Peer> {
    let noise: Vec<u8> =
        (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let words: [(&str, &[u8]); 8] = [
        ("noise", &noise),
        ("a TLS alert", b"\x15\x03\x03\x00\x02\x02\x28"),
        ("HTTP/2", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80"),
        ("HTTP/0.9", b"<html>hello</html>\r\n"),
        ("another protocol", b"220 mail ready\r\n"),
        ("no version", b"200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        ("a status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}"),
        ("bare line feeds", b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"),
    ];
    words
        .into_iter()
        .map(|(what, bytes)| {
            Peer::fails(
                what,
                "backend_bad_head",
                Answer::steps_are([Step::Send(bytes.to_vec()), Step::Close]),
            )
        })
        .collect()
}

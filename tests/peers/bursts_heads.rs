//! Heads without measure: too many bytes, too many fields, a line without end. Hurts a gateway
//! that grows its buffer as long as something comes.

use super::Peer;
use crate::support::{Answer, Step};

pub(super) fn peers() -> Vec<Peer> {
    let message = |fields: String| {
        let message = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\n{{}}");
        Answer::steps_are([Step::Send(message.into_bytes()), Step::Close])
    };
    let endless = Answer::steps_are([
        Step::Send(b"HTTP/1.1 200 OK\r\nX-Endless: ".to_vec()),
        Step::SendTimes(vec![b'a'; 16 * 1024], 64),
        Step::Close,
    ]);
    vec![
        Peer::fails(
            "a field of 80 KiB",
            "backend_bad_head",
            message(format!("X-Big: {}\r\n", "a".repeat(80 << 10))),
        ),
        Peer::fails("5000 fields", "backend_bad_head", message("X-Many: 1\r\n".repeat(5000))),
        Peer::fails("a line without end", "backend_bad_head", endless),
    ]
}

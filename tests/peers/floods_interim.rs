//! Sends interim responses without end. Hurts a gateway that waits patiently for the final one,
//! and one that keeps what it skips.

use super::Peer;
use crate::support::{Answer, Step};

pub(super) fn peers() -> Vec<Peer> {
    let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n".to_vec();
    let last = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}".to_vec();
    let after = |interim: Vec<u8>, times| {
        let steps = [Step::SendTimes(interim, times), Step::Send(last.clone()), Step::Close];
        Answer::steps_are(steps)
    };
    let long = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "a".repeat(8000));
    let fails = |what, answer| Peer::fails(what, "backend_bad_interim", answer);
    vec![
        Peer::gives("16 interim responses", after(hint.clone(), 16), "{\"a\":1}"),
        Peer::gives(
            "100 Continue twice",
            after(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), 2),
            "{\"a\":1}",
        ),
        fails("17 interim responses", after(hint.clone(), 17)),
        fails("100,000 interim responses", after(hint, 100_000)),
        fails("120 KiB of them", after(long.into_bytes(), 15)),
    ]
}

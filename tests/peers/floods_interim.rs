//! Sends interim responses without end. Hurts a gateway that waits patiently for the final one,
//! and one that keeps what it skips.

use super::Peer;
use crate::support::{Answer, Step};

pub(super) fn peers() -> Vec<Peer> {
    let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n".to_vec();
    let flood = Answer::steps_are([Step::SendTimes(hint, 100_000), Step::Close]);
    let long = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "a".repeat(8000));
    let long = Answer::steps_are([Step::SendTimes(long.into_bytes(), 15), Step::Close]);
    vec![Peer::fails("100,000 interim responses", flood), Peer::fails("120 KiB of them", long)]
}

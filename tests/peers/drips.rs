//! Sends byte by byte. Nothing is wrong with any of them, but whoever works once for each read, or
//! restarts a deadline with each byte, is kept busy or waiting by a single peer.

use super::Peer;
use crate::support::{answer, ms};

pub(super) fn peers() -> Vec<Peer> {
    let body = r#"{"drop":"by drop"}"#;
    let plain = answer(200).body(body);
    let reusable = |peer| Peer { reusable: true, ..peer };
    vec![
        reusable(Peer::gives("a byte at a time", plain.clone().drip(1, ms(1)), body)),
        reusable(Peer::gives("chunks a byte at a time", plain.chunked().drip(1, ms(1)), body)),
    ]
}

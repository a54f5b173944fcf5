//! Sends a little gzip that becomes very much. Hurts a gateway that unpacks before it counts:
//! some such answers at once and the memory is gone (CVE-2022-29225).

use super::{Outcome, Peer};
use crate::support::answer;

pub(super) fn peers() -> Vec<Peer> {
    // 64 MiB of blanks before the object: about 1000 to 1, and over the limit for decoding.
    let mut body = vec![b' '; 64 << 20];
    body.extend_from_slice(b"{}");
    let bomb = answer(200).body(body).gzip();
    // Streamed, the client asked for identity: what it gets there is a matter of its own test.
    // Its framing is sound, so a decoding endpoint may keep the connection.
    vec![Peer {
        streamed: Outcome::Breaks,
        reusable: true,
        ..Peer::fails("64 MiB in 64 KiB of gzip", "backend_gzip_bomb", bomb)
    }]
}

//! Announces more than it sends, then closes. Hurts a client that is told that this was all.

use super::Peer;
use crate::support::answer;

pub(super) fn peers() -> Vec<Peer> {
    let whole = answer(200).body(r#"{"a":1}"#);
    vec![
        Peer::breaks("a byte more", "backend_truncated", whole.clone().length(8).close()),
        Peer {
            // Nobody begins to hold what is announced as too long.
            label: "backend_body_too_large",
            ..Peer::breaks(
                "gigabytes more",
                "backend_truncated",
                whole.length(5_000_000_000_u64).close(),
            )
        },
    ]
}

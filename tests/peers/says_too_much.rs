//! Announces more than it sends, then closes. Hurts a client that is told that this was all.

use super::Peer;
use crate::support::answer;

pub(super) fn peers() -> Vec<Peer> {
    let whole = answer(200).body(r#"{"a":1}"#);
    vec![
        Peer::breaks("a byte more", whole.clone().length(8).close()),
        Peer::breaks("gigabytes more", whole.length(5_000_000_000_u64).close()),
    ]
}

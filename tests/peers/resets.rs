//! Resets the connection in the middle. Hurts as a cut does, and may overtake bytes that were
//! already on their way.

use super::Peer;
use crate::support::answer;

pub(super) fn peers() -> Vec<Peer> {
    let whole = answer(200).body(r#"{"a":"0123456789"}"#);
    vec![
        Peer::fails("a reset without a byte", "backend_reset", whole.clone().reset(0)),
        Peer::fails("a reset in the head", "backend_reset", whole.clone().reset(30)),
        Peer::breaks("a reset in the body", "backend_reset", whole.clone().reset_body(6)),
        Peer::breaks("a reset between two chunks", "backend_reset", whole.chunked().reset_body(12)),
    ]
}

//! Answers before it has read the request's body, and closes. Hurts a gateway that goes on sending
//! into the void, or that takes the connection for reusable although half a request lies on it.

use super::Peer;
use crate::support::answer;

pub(super) fn peers() -> Vec<Peer> {
    let body = r#"{"early":1}"#;
    vec![Peer::gives("an early answer", answer(200).body(body).early().close(), body)]
}

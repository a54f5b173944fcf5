//! Closes in the middle: of the head, of the body, between chunks. Hurts a client that is told
//! that half a document is the whole one.

use super::Peer;
use crate::support::answer;

pub(super) fn peers() -> Vec<Peer> {
    let whole = answer(200).body(r#"{"a":"0123456789"}"#);
    vec![
        Peer::fails("closes without a byte", "backend_closed", whole.clone().cut(0)),
        Peer::fails("closes in the status line", "backend_truncated", whole.clone().cut(7)),
        Peer::fails("closes in the fields", "backend_truncated", whole.clone().cut(30)),
        Peer::breaks("closes in the body", "backend_truncated", whole.clone().cut_body(6)),
        Peer::breaks(
            "closes before the last byte",
            "backend_truncated",
            whole.clone().cut_body(17),
        ),
        Peer::breaks(
            "closes between two chunks",
            "backend_truncated",
            whole.chunked().cut_body(12),
        ),
    ]
}

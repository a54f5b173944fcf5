//! Sends a body with 204 or 304, which have none. The bytes would be read as the next response.

use super::{Outcome, Peer};
use crate::support::answer;

pub(super) fn peers() -> Vec<Peer> {
    let stolen = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let peer = |what, status| Peer {
        // 204 and 304 are no success for an endpoint that decodes: 500 with or without a body.
        streamed: Outcome::Gives(""),
        ..Peer::fails(what, "backend_bad_status", answer(status).extra(stolen))
    };
    vec![peer("a body with 204", 204), peer("a body with 304", 304)]
}

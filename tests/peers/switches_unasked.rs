//! Switches to another protocol that nobody asked for. Hurts whoever opens a tunnel then: what
//! follows escapes every rule.

use super::Peer;
use crate::support::Answer;

pub(super) fn peers() -> Vec<Peer> {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  \r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    vec![Peer::fails("101 unasked", "backend_bad_interim", Answer::bytes(switch))]
}

//! Takes the request and says nothing, or stops in the middle of its answer. Hurts everybody who
//! has no deadline.

use super::Peer;
use crate::support::{Answer, Step, silence};

pub(super) fn peers() -> Vec<Peer> {
    let stalls = |bytes: &[u8]| Answer::steps_are([Step::Send(bytes.to_vec()), Step::Hang]);
    vec![
        Peer::fails("not a byte", "backend_timeout", silence()),
        Peer::fails("half a head", "backend_timeout", stalls(b"HTTP/1.1 200 OK\r\nContent-Le")),
        Peer::breaks(
            "half a body",
            "backend_timeout",
            stalls(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\":"),
        ),
    ]
}

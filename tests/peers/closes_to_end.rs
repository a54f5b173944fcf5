//! Ends its answer by closing the connection, as HTTP/1.0 does. Nothing is wrong with it, but
//! whoever pools the connection afterwards waits for an answer that nobody will send.

use super::Peer;
use crate::support::answer;

pub(super) fn peers() -> Vec<Peer> {
    let body = r#"{"old":[1,2,3]}"#;
    let plain = answer(200).body(body);
    vec![
        Peer::gives("HTTP/1.0", plain.clone().http10(), body),
        Peer::gives("HTTP/1.1 without a length", plain.until_close(), body),
    ]
}

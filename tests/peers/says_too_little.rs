//! Announces less than it sends. What is left over looks like the answer to the next request:
//! whoever reuses the connection hands it to somebody else (response queue poisoning).

use super::Peer;
use crate::support::answer;

pub(super) fn peers() -> Vec<Peer> {
    let body = r#"{"mine":1}"#;
    let second = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"stolen\":1}";
    let plain = answer(200).body(body);
    vec![
        Peer::gives("a second response", plain.clone().extra(second), body),
        Peer::gives("surplus bytes", plain.clone().extra("surplus"), body),
        Peer::gives("bytes after the last chunk", plain.chunked().extra(second), body),
    ]
}

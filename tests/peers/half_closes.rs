//! Answers and shuts down its sending side, without having said so. Hurts whoever pools the
//! connection: the next request on it can have no answer.

use super::Peer;
use crate::support::{Answer, Step};

pub(super) fn peers() -> Vec<Peer> {
    let body = r#"{"half":1}"#;
    let length = body.len();
    let message = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    let steps = [Step::Send(message.into_bytes()), Step::HalfClose, Step::Hang];
    vec![Peer::gives("a half close after the answer", Answer::steps_are(steps), body)]
}

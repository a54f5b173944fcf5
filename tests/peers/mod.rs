//! Backends that misbehave, one misbehaviour a file: what it does wrong and whom it would hurt.
//! What the gateway must make of each of them stands beside its script.

use crate::support::{Answer, Backend, backend};

mod answers_early;
mod bombs;
mod breaks_chunks;
mod bursts_heads;
mod closes_to_end;
mod cuts;
mod doubles_framing;
mod drips;
mod floods_interim;
mod half_closes;
mod never_answers;
mod resets;
mod says_too_little;
mod says_too_much;
mod sends_a_body_where_none_is;
mod speaks_no_http;
mod switches_unasked;

/// What a client must see.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The failure of a backend: 500, nothing of what the peer sent.
    Fails,
    /// Whole and in order.
    Gives(&'static str),
    /// A failure, or a message that visibly breaks off; never one that seems whole.
    Breaks,
}

/// One way to misbehave.
#[derive(Clone)]
pub struct Peer {
    pub what: &'static str,
    pub answer: Answer,
    /// Through an endpoint that decodes JSON.
    pub decoded: Outcome,
    /// Through a `no-op` endpoint.
    pub streamed: Outcome,
    /// Whether the connection may serve another request afterwards.
    pub reusable: bool,
}

impl Peer {
    /// A peer that spoils the answer for everybody.
    fn fails(what: &'static str, answer: Answer) -> Self {
        Peer { what, answer, decoded: Outcome::Fails, streamed: Outcome::Fails, reusable: false }
    }

    /// A peer whose head is good and whose body is not.
    fn breaks(what: &'static str, answer: Answer) -> Self {
        Peer { streamed: Outcome::Breaks, ..Peer::fails(what, answer) }
    }

    /// A peer that is odd, but allowed.
    fn gives(what: &'static str, answer: Answer, body: &'static str) -> Self {
        let gives = Outcome::Gives(body);
        Peer { what, answer, decoded: gives.clone(), streamed: gives, reusable: false }
    }

    /// A backend that does this at `/bad` and behaves at `/good`.
    pub fn listen(&self) -> Backend {
        backend().on("/bad", self.answer.clone()).on("/good", GOOD)
    }
}

/// What the peers answer when they behave.
pub const GOOD: &str = r#"{"good":true}"#;

/// All of them.
pub fn all() -> Vec<Peer> {
    [
        answers_early::peers(),
        bombs::peers(),
        breaks_chunks::peers(),
        bursts_heads::peers(),
        closes_to_end::peers(),
        cuts::peers(),
        doubles_framing::peers(),
        drips::peers(),
        floods_interim::peers(),
        half_closes::peers(),
        never_answers::peers(),
        resets::peers(),
        says_too_little::peers(),
        says_too_much::peers(),
        sends_a_body_where_none_is::peers(),
        speaks_no_http::peers(),
        switches_unasked::peers(),
    ]
    .concat()
}

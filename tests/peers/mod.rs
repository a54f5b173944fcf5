//! Backends that misbehave, one misbehaviour a file: what it does wrong and whom it would hurt.
//! What the gateway must make of each of them stands beside its script.

use crate::support::backend::Plan;
use crate::support::{Answer, Backend, answer, backend_with};

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
    /// What the failure is called in metrics where JSON is decoded.
    pub label: &'static str,
    /// The same where the answer is streamed.
    pub label_streamed: &'static str,
    /// Through an endpoint that decodes JSON.
    pub decoded: Outcome,
    /// Through a `no-op` endpoint.
    pub streamed: Outcome,
    /// Whether the connection may serve another request afterwards.
    pub reusable: bool,
}

impl Peer {
    /// A peer that spoils the answer for everybody.
    fn fails(what: &'static str, label: &'static str, answer: Answer) -> Self {
        let (decoded, streamed) = (Outcome::Fails, Outcome::Fails);
        Peer { what, answer, label, label_streamed: label, decoded, streamed, reusable: false }
    }

    /// A peer whose head is good and whose body is not.
    fn breaks(what: &'static str, label: &'static str, answer: Answer) -> Self {
        Peer { streamed: Outcome::Breaks, ..Peer::fails(what, label, answer) }
    }

    /// A peer that is odd, but allowed.
    fn gives(what: &'static str, answer: Answer, body: &'static str) -> Self {
        let gives = Outcome::Gives(body);
        Peer { decoded: gives.clone(), streamed: gives, ..Peer::fails(what, "ok", answer) }
    }

    /// A backend that does this at `/bad`, and names the `id` of the query anywhere else.
    pub fn listen(&self) -> Backend {
        let bad = self.answer.clone();
        backend_with(move |request| match request.path() {
            "/bad" => Plan::of(bad.clone(), request),
            _ => {
                let id = request.target.split_once("id=").map_or("", |(_, id)| id);
                Plan::of(answer(200).body(format!(r#"{{"id":"{id}"}}"#)), request)
            }
        })
    }
}

/// All of them, by the name of their file.
pub fn groups() -> Vec<(&'static str, Vec<Peer>)> {
    vec![
        ("answers_early", answers_early::peers()),
        ("bombs", bombs::peers()),
        ("breaks_chunks", breaks_chunks::peers()),
        ("bursts_heads", bursts_heads::peers()),
        ("closes_to_end", closes_to_end::peers()),
        ("cuts", cuts::peers()),
        ("doubles_framing", doubles_framing::peers()),
        ("drips", drips::peers()),
        ("floods_interim", floods_interim::peers()),
        ("half_closes", half_closes::peers()),
        ("never_answers", never_answers::peers()),
        ("resets", resets::peers()),
        ("says_too_little", says_too_little::peers()),
        ("says_too_much", says_too_much::peers()),
        ("sends_a_body_where_none_is", sends_a_body_where_none_is::peers()),
        ("speaks_no_http", speaks_no_http::peers()),
        ("switches_unasked", switches_unasked::peers()),
    ]
}

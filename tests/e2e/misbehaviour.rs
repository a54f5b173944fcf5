//! Backends that misbehave (`tests/peers`): what the client sees of each, and that nobody else
//! sees anything of it.

use crate::both_drivers;
use crate::peers::{GOOD, Outcome, Peer, all};
use crate::support::{Gateway, Response, gateway, ms};

/// The deadline of the endpoints: long enough for peers that drip, short for those that hang.
const TIMEOUT: std::time::Duration = ms(1500);

#[track_caller]
fn judge(peer: &Peer, outcome: &Outcome, response: &Response) {
    let said = format!("peer: {}, outcome: {outcome:?}\n{response}", peer.what);
    match outcome {
        Outcome::Fails => {
            assert!(response.code == 500, "{said}");
            response.completed(false).body("");
        }
        Outcome::Gives(body) => {
            assert!(response.code < 400, "{said}");
            assert!(response.bytes == body.as_bytes(), "{said}");
            response.ended();
        }
        Outcome::Breaks if response.code == 500 => {
            response.ended();
        }
        Outcome::Breaks => {
            response.broken_off();
        }
    }
}

/// One peer after the other: a decoding endpoint, a streaming one, and after each of them what
/// would show that a connection was reused which must not be.
fn misbehave(noop: bool) {
    for peer in all() {
        let bad = peer.listen();
        let canary = crate::support::backend().get("/canary", r#"{"canary":1}"#);
        let mut builder = gateway().one_worker();
        builder = builder.endpoint("/bad", [crate::support::call(&bad, "/bad")]).timeout(TIMEOUT);
        if noop {
            // A stalled stream ends by the idle deadline, which is long by default.
            builder = builder.noop().ringway("stream_idle", "1500ms");
        }
        let gw: Gateway = builder
            .endpoint("/good", [crate::support::call(&bad, "/good")])
            .endpoint("/canary", [&canary])
            .start();
        let outcome = if noop { &peer.streamed } else { &peer.decoded };
        let response = gw.get("/bad");
        judge(&peer, outcome, &response);
        let first = bad.wait_for_heads(1)[0].connection;
        bad.take();
        // The next answers are their own, whatever lay on the connection.
        gw.get("/good").status(200).json(GOOD);
        gw.get("/canary").status(200).json(r#"{"canary":1}"#);
        let next = bad.wait_for(1)[0].connection;
        assert!(peer.reusable || next != first, "{}: the connection was reused", peer.what);
        gw.stop();
    }
}

both_drivers! {
    misbehaving_backends_of_a_decoding_endpoint,
    misbehaving_backends_of_a_streaming_endpoint,
}

fn misbehaving_backends_of_a_decoding_endpoint() {
    misbehave(false);
}

fn misbehaving_backends_of_a_streaming_endpoint() {
    misbehave(true);
}

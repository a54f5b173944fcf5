//! Each peer of `tests/peers`, through a decoding and through a streaming endpoint, in both
//! profiles: what the client sees, what the failure is called, and that nobody else sees anything.

use crate::both_drivers;
use crate::invariants::{Profile, Site};
use crate::peers::{Outcome, Peer, groups};
use crate::support::{Backend, Response, call, ms};
use std::time::Duration;

/// The deadline of the endpoints: long enough for peers that drip, short for those that hang.
const TIMEOUT: Duration = ms(1500);

/// The same for peers that only hang.
const SHORT: Duration = ms(300);

both_drivers! {
    backend_reset_and_fin_at_any_point,
    backend_malformed_chunks,
    backend_huge_heads_and_doubled_framing,
    backend_interim_floods,
    backend_garbage_and_old_versions,
    backend_half_close_and_early_answers,
    backend_accepts_and_never_answers,
    backend_slow_drip,
    backend_bombs_and_bodies_where_none_is,
}

fn backend_reset_and_fin_at_any_point() {
    misbehave(&["cuts", "resets", "says_too_little", "says_too_much"]);
}

fn backend_malformed_chunks() {
    misbehave(&["breaks_chunks"]);
}

fn backend_huge_heads_and_doubled_framing() {
    misbehave(&["bursts_heads", "doubles_framing"]);
}

fn backend_interim_floods() {
    misbehave(&["floods_interim", "switches_unasked"]);
}

fn backend_garbage_and_old_versions() {
    misbehave(&["closes_to_end", "speaks_no_http"]);
}

fn backend_half_close_and_early_answers() {
    misbehave(&["answers_early", "half_closes"]);
}

fn backend_accepts_and_never_answers() {
    misbehave_within(&["never_answers"], SHORT);
}

fn backend_slow_drip() {
    // Some 150 pauses a message, each as long as a loaded machine makes it.
    misbehave_within(&["drips"], 10 * TIMEOUT);
}

fn backend_bombs_and_bodies_where_none_is() {
    misbehave(&["bombs", "sends_a_body_where_none_is"]);
}

#[test]
fn every_peer_has_its_row() {
    let text = include_str!("backend_peers.rs");
    for (group, _) in groups() {
        assert!(text.contains(&format!("\"{group}\"")), "no row meets the peers of {group}");
    }
}

fn misbehave(names: &[&str]) {
    misbehave_within(names, TIMEOUT);
}

fn misbehave_within(names: &[&str], timeout: Duration) {
    let peers: Vec<Peer> = groups()
        .into_iter()
        .filter(|(group, _)| names.contains(group))
        .flat_map(|(_, peers)| peers)
        .collect();
    assert!(peers.len() >= names.len());
    for profile in Profile::BOTH {
        for streams in [false, true] {
            all(&peers, profile, streams, timeout);
        }
    }
}

/// One gateway, an endpoint for each peer and another one on the same pool.
fn all(peers: &[Peer], profile: Profile, streams: bool, timeout: Duration) {
    let backends: Vec<Backend> = peers.iter().map(Peer::listen).collect();
    // A stalled stream ends by the idle deadline, which is long by default.
    let idle = format!("{}ms", timeout.as_millis());
    let mut builder = profile.gateway().ringway("stream_idle", idle);
    for (n, backend) in backends.iter().enumerate() {
        builder = builder.endpoint(&format!("/bad/{n}"), [call(backend, "/bad")]).timeout(timeout);
        if streams {
            builder = builder.noop();
        }
        builder = builder
            .endpoint(&format!("/good/{n}"), [call(backend, "/good")])
            .input_query_strings(&["id"]);
    }
    let mut site = Site::start(builder);
    for (n, (peer, backend)) in peers.iter().zip(&backends).enumerate() {
        let outcome = if streams { &peer.streamed } else { &peer.decoded };
        let label = if streams { peer.label_streamed } else { peer.label };
        let route = format!("/bad/{n}");
        let response = site.get(&route);
        judge(peer, outcome, label, profile, &response);
        let wanted = if matches!(outcome, Outcome::Gives(_)) { "ok" } else { label };
        site.counted(&route, wanted, 1);
        let first = backend.wait_for_heads(1)[0].connection;
        backend.take();
        // The next answer is its own, whatever lay on the connection.
        site.honest(&format!("/good/{n}"));
        let next = backend.wait_for(1)[0].connection;
        assert!(peer.reusable || next != first, "{}: the connection was reused", peer.what);
    }
    site.settled();
}

/// The status under `statuses: "rfc"`, by the failure's name.
fn rfc_status(label: &str) -> u16 {
    if label == "backend_timeout" { 504 } else { 502 }
}

#[track_caller]
fn judge(peer: &Peer, outcome: &Outcome, label: &str, profile: Profile, response: &Response) {
    let said = format!("peer: {}, outcome: {outcome:?}, {profile:?}\n{response}", peer.what);
    let status = profile.status(rfc_status(label));
    match outcome {
        Outcome::Fails => {
            assert!(response.code == status, "{said}");
            response.completed(false).body("");
        }
        Outcome::Gives(body) => {
            assert!(response.code < 400, "{said}");
            assert!(response.bytes == body.as_bytes(), "{said}");
            response.ended();
        }
        Outcome::Breaks if response.code == status => {
            response.completed(false).ended();
        }
        Outcome::Breaks => {
            assert!(response.code < 400, "{said}");
            response.broken_off();
        }
    }
}

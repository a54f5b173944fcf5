//! A response of 2 KiB that ends at every one of its bytes, by RST and by FIN, collected and
//! streamed (docs/reference/hardening.md 4.1): never an answer that seems whole.

use crate::both_drivers;
use crate::invariants::{Profile, Site, answering};
use crate::support::{Answer, Backend, answer, call};

/// Bytes of the content: with its head some 2 KiB.
const CONTENT: usize = 1900;

both_drivers! {
    backend_reset_at_every_byte,
    backend_fin_at_every_byte,
    backend_cut_in_a_merge_leaves_the_rest,
}

/// What the backend gives to this id: JSON that names it, filled up to its length.
fn content(id: &str) -> String {
    let head = format!(r#"{{"id":"{id}","x":""#);
    let fill = "x".repeat(CONTENT - head.len() - 2);
    format!("{head}{fill}\"}}")
}

fn message(id: &str, chunked: bool) -> Answer {
    let whole = answer(200).body(content(id));
    if chunked { whole.chunks_of(300) } else { whole }
}

/// Ends the message behind the byte that the id names: `n7` or `c7` (chunked).
fn ends(end: fn(Answer, usize) -> Answer) -> Backend {
    answering(move |id| {
        let (kind, at) = id.split_at(1);
        let whole = message(id, kind == "c");
        match at.parse() {
            Ok(at) => end(whole, at),
            Err(_) => whole,
        }
    })
}

fn sweep(end: fn(Answer, usize) -> Answer, labels: &[&str]) {
    // Each way meets each byte once: the profile and the framing alternate by the offset.
    let backend = ends(end);
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .router("disable_access_log", false)
                .endpoint("/collected", [call(&backend, "/a")])
                .input_query_strings(&["id"])
                .endpoint("/streamed", [call(&backend, "/a")])
                .input_query_strings(&["id"])
                .noop(),
        );
        let mut client = site.gw.connect();
        let mut failures = 0;
        for kind in ["n", "c"] {
            // The length of the message, from an id as long as the ones that follow.
            let whole = message_len(kind);
            let first = usize::from((kind == "n") == (profile == Profile::Safe));
            for at in (first..whole).step_by(2) {
                let id = format!("{kind}{at}");
                // Both are asked on one connection, which a collected failure leaves open.
                let request = format!("GET /collected?id={id} HTTP/1.1\r\nHost: gw\r\n\r\n");
                let found = client.send(request);
                site.counts(1);
                failures += 1;
                assert!(found.code == profile.status(502), "{id}: {found}");
                found.completed(false).body("");
                let found = site.get(&format!("/streamed?id={id}"));
                if found.code == 200 {
                    let part = &found.bytes;
                    assert!(content(&id).as_bytes().starts_with(part), "{id}: {found}");
                    found.broken_off();
                } else {
                    assert!(found.code == profile.status(502), "{id}: {found}");
                    found.body("");
                }
            }
        }
        drop(client);
        for route in ["/collected", "/streamed"] {
            let named: u64 = labels.iter().map(|label| site.outcomes(route, label)).sum();
            assert_eq!(named, failures, "{route}: each has its name among {labels:?}");
        }
        // A message that is not cut is whole, on the same pool.
        for path in ["/collected?id=nwhole", "/streamed?id=cwhole"] {
            site.get(path).status(200).body(content(&path[path.len() - 6..]));
        }
        site.settled();
    }
}

fn message_len(kind: &str) -> usize {
    let id = format!("{kind}1000");
    let head = message(&id, kind == "c").head_len("GET");
    let chunks = CONTENT.div_ceil(300);
    let sizes: usize = (0..chunks).map(|n| format!("{:x}", 300.min(CONTENT - 300 * n)).len()).sum();
    let framing = if kind == "c" { sizes + 4 * chunks + 5 } else { 0 };
    head + CONTENT + framing
}

fn backend_reset_at_every_byte() {
    sweep(Answer::reset, &["backend_reset", "backend_closed", "backend_truncated"]);
}

fn backend_fin_at_every_byte() {
    sweep(Answer::cut, &["backend_closed", "backend_truncated"]);
}

fn backend_cut_in_a_merge_leaves_the_rest() {
    let (good, bad) = (crate::invariants::honest(), ends(Answer::reset));
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .endpoint("/merge", [call(&bad, "/a").group("bad"), call(&good, "/a")])
                .input_query_strings(&["id"]),
        );
        let mut client = site.gw.connect();
        let mut asked = 0;
        for at in (0..2000).step_by(97) {
            let id = format!("n{at}");
            let found = client.send(format!("GET /merge?id={id} HTTP/1.1\r\nHost: gw\r\n\r\n"));
            found.status(200).completed(false).body(format!(r#"{{"id":"{id}"}}"#));
            site.counts(1);
            asked += 1;
        }
        drop(client);
        site.counted("/merge", "partial", asked);
        site.settled();
    }
}

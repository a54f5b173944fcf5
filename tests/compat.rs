//! The recorded answers of KrakenD CE 2.13.8 against ours: the same configuration, the same raw
//! requests, and what the client and the backend see must agree, save for the differences that
//! `compat/DIFFERENCES.md` lists. One that is not listed fails, and so does a listed one that does
//! not occur.
//!
//! `compat/cases` says what is sent, `compat/golden` what KrakenD answered and sent on.

#[path = "compat/canonical.rs"]
mod canonical;
#[path = "compat/case.rs"]
mod case;
#[path = "compat/differences.rs"]
mod differences;
#[path = "compat/facts.rs"]
mod facts;
#[path = "compat/observe.rs"]
mod observe;
#[path = "compat/scripted.rs"]
mod scripted;
#[path = "support/mod.rs"]
mod support;

use case::Case;
use differences::Differences;
use facts::{Observation, compare};

/// Every recorded answer that is JSON reads back as itself: the comparison sees what it compares.
#[test]
fn the_recorded_answers_are_their_own_canonical_form() {
    let mut bodies = 0;
    for case in Case::all() {
        for observation in case.golden() {
            for body in observation.bodies() {
                let Some(text) = body.strip_prefix("json ") else { continue };
                if text.starts_with("len=") {
                    continue;
                }
                let again = support::json::canonical(text.as_bytes());
                assert_eq!(again.as_deref(), Some(text), "{}", case.name);
                bodies += 1;
            }
            assert!(compare(&observation, &observation, &[]).is_empty());
        }
    }
    assert!(bodies > 100, "only {bodies} recorded bodies are JSON");
}

/// A changed status, header, body, backend request: each is seen.
#[test]
fn a_change_is_a_difference() {
    let cases = Case::all();
    let case = cases.iter().find(|case| case.name.starts_with("14-")).expect("a case");
    let golden = case.golden();
    let seen = golden.iter().find(|o| o.backend.iter().any(|b| b.headers.len() > 3));
    let original = seen.expect("an observation with headers");
    type Change = fn(&mut Observation);
    let changes: [(&str, Change); 6] = [
        ("status", |o| o.status = "500".into()),
        ("body", |o| o.body = Some("json {}".into())),
        ("header", |o| o.headers.push(("x-new".into(), "1".into()))),
        ("line", |o| o.backend[0].line.push('x')),
        ("backend header", |o| drop(o.backend[0].headers.pop())),
        ("one request more", |o| o.backend.push(o.backend[0].clone())),
    ];
    for (what, change) in changes {
        let mut changed = original.clone();
        change(&mut changed);
        assert!(!compare(original, &changed, &[]).is_empty(), "{what}");
    }
}

/// The whole promise: an existing configuration runs unchanged.
#[test]
fn answers_are_krakends_save_for_the_listed_differences() {
    let differences = Differences::read();
    let mut wrong = Vec::new();
    let (mut counted, mut same, mut soft_same) = (0, 0, 0);
    let (mut quirks, mut quirks_same) = (0, 0);
    for case in Case::all() {
        let golden = case.golden();
        let found = observe::run(&case);
        let labels = case.labels();
        let before = wrong.len();
        let n = if golden[1].is_up() { labels.len() } else { 2 };
        for (at, label) in labels.iter().enumerate().take(n) {
            if label.ignore.iter().any(|what| what == "skip") {
                continue;
            }
            let missing = Observation::missing();
            let theirs = golden.get(at).unwrap_or(&missing);
            let ours = found.observations.get(at).unwrap_or(&missing);
            let lines = compare(theirs, ours, &label.ignore);
            if let Some(quirk) = &label.quirk {
                quirks += 1;
                quirks_same += usize::from(lines.is_empty());
                if !lines.is_empty() {
                    println!("quirk not copied ({quirk}): {} {}", case.name, label.text);
                }
                continue;
            }
            counted += 1;
            same += usize::from(lines.is_empty());
            soft_same += usize::from(theirs.soft(&label.ignore) == ours.soft(&label.ignore));
            if let Err(text) = differences.judge(&case.name, at, label, &lines) {
                wrong.push(format!("{}: {}\n{text}", case.name, label.text));
            }
        }
        if wrong.len() > before {
            let shown: Vec<&str> = found.log.lines().take(20).collect();
            wrong.push(format!("{}: the log of ours begins\n{}", case.name, shown.join("\n")));
        }
    }
    wrong.extend(differences.never_asked());
    println!("{same} of {counted} requests identical, {} listed as different", counted - same);
    println!("quirks copied: {quirks_same} of {quirks}; soft facts: {soft_same} of {counted}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

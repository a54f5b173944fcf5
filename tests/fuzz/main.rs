//! Every parser against hostile bytes, on stable Rust: a committed corpus (`corpora/`), what becomes
//! of it under mutation, and noise. The seed is fixed, so that each run is the same.
//!
//! `FUZZ_SECONDS` runs longer and goes on to inputs that a short run never reaches, `FUZZ_SEED`
//! chooses others, `FUZZ_TARGET` takes only targets whose name holds this text, `FUZZ_KEEP` names a
//! directory for inputs that did something new, `FUZZ_REPLAY` one file to run instead of all this.
//! See `docs/security.md`.
//!
//! What must hold for any input is asserted in the entry points. An input that breaks one is made
//! small, printed with its escapes and written to a file: put it into the corpus of its target.

mod corpus;
mod differential;
mod forward;
mod hunt;
mod minimise;
mod mutate;
mod strict;
mod targets;
mod words;

use std::time::{Duration, Instant};

use hunt::Hunt;
use targets::{TARGETS, Target};

/// In a long run each target has this long, then the next: dear ones do not take the time of cheap
/// ones.
const TURN: Duration = Duration::from_millis(250);

fn chosen() -> impl Iterator<Item = &'static Target> {
    let part = std::env::var("FUZZ_TARGET").unwrap_or_default();
    TARGETS.iter().filter(move |target| target.name.contains(&part))
}

#[test]
fn nothing_breaks_a_parser() {
    if let Ok(file) = std::env::var("FUZZ_REPLAY") {
        let input = std::fs::read(&file).expect("FUZZ_REPLAY names a readable file");
        let failures: Vec<_> = chosen().filter_map(|target| hunt::judge(target, &input)).collect();
        assert!(failures.is_empty(), "\n{}", failures.join("\n"));
        return;
    }
    let seed = number("FUZZ_SEED").unwrap_or(0x9e37_79b9_7f4a_7c15);
    let mut hunts: Vec<Hunt> = chosen().map(|target| Hunt::new(target, seed)).collect();
    // What once broke a parser, and plain examples, come first and unchanged.
    hunts.iter_mut().for_each(Hunt::run_corpus);
    match number("FUZZ_SECONDS") {
        None => hunts.iter_mut().for_each(|hunt| hunt.run(hunt.target.n)),
        Some(seconds) => {
            let until = Instant::now() + Duration::from_secs(seconds);
            while Instant::now() < until && hunts.iter().any(|hunt| hunt.failure.is_none()) {
                for hunt in &mut hunts {
                    let turn = Instant::now();
                    while turn.elapsed() < TURN && hunt.failure.is_none() {
                        hunt.run(20);
                    }
                }
            }
        }
    }
    hunts.iter().for_each(|hunt| println!("{}", hunt.summary()));
    let failures: Vec<_> = hunts.iter().filter_map(|hunt| hunt.failure.as_deref()).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// An entry point that is not in the list would never be driven.
#[test]
fn every_entry_point_is_driven() {
    fn walk(directory: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let names = text.split("pub fn fuzz_").skip(1);
                let names = names.filter_map(|rest| rest.split_once("(")).map(|(name, _)| name);
                // Text about entry points is not one of them.
                found.extend(
                    names.filter(|n| n.len() < 32 && !n.contains(' ')).map(|n| format!("fuzz_{n}")),
                );
            }
        }
    }
    let mut found = Vec::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.retain(|name| !TARGETS.iter().any(|target| target.name.ends_with(&format!("::{name}"))));
    assert!(found.is_empty(), "not in TARGETS: {found:?}");
}

/// The corpora stay what people can read: few files, small ones, each for a target.
#[test]
fn corpora_are_small_and_belong_to_targets() {
    let mut sum = 0;
    for target in TARGETS {
        let inputs = corpus::of(target.name);
        assert!((3..=60).contains(&inputs.len()), "{}: {} files", target.name, inputs.len());
        sum += inputs.iter().map(Vec::len).sum::<usize>();
        let longest = inputs.iter().map(Vec::len).max().unwrap_or(0);
        assert!(longest <= target.len_max, "{}: {longest} bytes are cut", target.name);
    }
    assert!(sum <= 300 * 1024, "{sum} bytes");
    for directory in corpus::directories() {
        let known = TARGETS.iter().any(|target| corpus::directory(target.name) == directory);
        assert!(known, "no target for {}", directory.display());
    }
}

/// The tools themselves: a target that fails on one pattern is caught, made small, and shown.
#[test]
fn a_failure_is_caught_and_made_small() {
    fn fails_on_a_pair(input: &[u8]) -> u64 {
        assert!(!input.windows(2).any(|pair| pair == b"\r\r"), "two of them");
        input.len() as u64
    }
    let target = Target { name: "a::pair", enter: fails_on_a_pair, words: &[], len_max: 100, n: 0 };
    let failure = hunt::judge(&target, b"some bytes \r\r and others").expect("it fails");
    for part in ["a::pair", "b\"\\r\\r\"", "two of them", "FUZZ_REPLAY="] {
        assert!(failure.contains(part), "{part}: {failure}");
    }
    assert_eq!(hunt::judge(&target, b"\r \r"), None);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

//! Every parser against hostile bytes, on stable Rust: a corpus, what becomes of it under mutation,
//! and noise. The seed is fixed, so that each run is the same; `FUZZ_SECONDS` makes it longer and
//! goes on to inputs that a short run never reaches, `FUZZ_SEED` chooses others.
//!
//! What must hold for any input is asserted in the entry points. An input that breaks one is printed
//! as a Rust literal: put it into the corpus of its target, where it stays.

mod corpus;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mutate::{Mutator, Random};

/// One entry point with what it eats.
struct Target {
    name: &'static str,
    enter: fn(&[u8]),
    corpus: &'static [&'static [u8]],
    /// Inputs that grow longer than this are cut: costs stay bounded.
    len_max: usize,
    /// Inputs of a short run.
    n: u64,
}

const TARGETS: &[Target] = &[
    Target {
        name: "http::fuzz_head",
        enter: ringway::http::fuzz::fuzz_head,
        corpus: corpus::REQUESTS,
        len_max: 512,
        n: 4_000,
    },
    Target {
        name: "http::fuzz_response",
        enter: ringway::http::fuzz::fuzz_response,
        corpus: corpus::RESPONSES,
        len_max: 512,
        n: 4_000,
    },
    Target {
        name: "http::fuzz_chunked",
        enter: ringway::http::fuzz::fuzz_chunked,
        corpus: corpus::CHUNKED,
        len_max: 1024,
        n: 10_000,
    },
    Target {
        name: "http::fuzz_uri",
        enter: ringway::http::fuzz::fuzz_uri,
        corpus: corpus::TARGETS,
        len_max: 512,
        n: 10_000,
    },
    Target {
        name: "json::fuzz_scan",
        enter: ringway::json::fuzz::fuzz_scan,
        corpus: corpus::JSON,
        len_max: 2048,
        n: 10_000,
    },
    Target {
        name: "json::fuzz_decode",
        enter: ringway::json::fuzz::fuzz_decode,
        corpus: corpus::JSON,
        len_max: 1024,
        n: 500,
    },
    Target {
        name: "config::fuzz_config",
        enter: ringway::config::fuzz::fuzz_config,
        corpus: corpus::CONFIGURATIONS,
        len_max: 4096,
        n: 300,
    },
    Target {
        name: "config::fuzz_values",
        enter: ringway::config::fuzz::fuzz_values,
        corpus: corpus::VALUES,
        len_max: 256,
        n: 60,
    },
    Target {
        name: "plan::fuzz_router",
        enter: ringway::plan::router::fuzz_router,
        corpus: corpus::ROUTES,
        len_max: 512,
        n: 3_000,
    },
];

/// In a long run each target has this long, then the next: dear ones do not take the time of cheap
/// ones.
const TURN: Duration = Duration::from_millis(250);

#[test]
fn nothing_breaks_a_parser() {
    let seed = number("FUZZ_SEED").unwrap_or(0x9e37_79b9_7f4a_7c15);
    let seconds = number("FUZZ_SECONDS");
    let mut failures = Vec::new();
    let mut random = Random::new(seed);
    for target in TARGETS {
        // What once broke a parser, and plain examples, come first and unchanged.
        failures.extend(target.corpus.iter().filter_map(|input| target.run(input)));
    }
    match seconds {
        None => {
            for target in TARGETS {
                failures.extend(target.turn(&mut random, target.n).1);
            }
        }
        Some(seconds) => {
            let until = Instant::now() + Duration::from_secs(seconds);
            let mut counts = vec![0; TARGETS.len()];
            // A target takes part until it has failed.
            let mut failed = vec![false; TARGETS.len()];
            while Instant::now() < until {
                for (at, target) in TARGETS.iter().enumerate() {
                    if failed[at] {
                        continue;
                    }
                    let (turn, mut failure) = (Instant::now(), None);
                    while failure.is_none() && turn.elapsed() < TURN {
                        let (n, found) = target.turn(&mut random, 20);
                        counts[at] += n;
                        failure = found;
                    }
                    failed[at] = failure.is_some();
                    failures.extend(failure);
                }
            }
            for (target, n) in TARGETS.iter().zip(counts) {
                println!("{:24} {n} inputs", target.name);
            }
        }
    }
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

impl Target {
    /// Runs `n` inputs; how many it were, and the first that broke something.
    fn turn(&self, random: &mut Random, n: u64) -> (u64, Option<String>) {
        let mut mutator = Mutator::new(self.corpus, self.len_max);
        for at in 0..n {
            let input = mutator.next(random);
            if let Some(failure) = self.run(input) {
                return (at + 1, Some(failure));
            }
        }
        (n, None)
    }

    fn run(&self, input: &[u8]) -> Option<String> {
        let result = catch_unwind(AssertUnwindSafe(|| (self.enter)(input)));
        result.err().map(|_| format!("{}: b\"{}\"", self.name, input.escape_ascii()))
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

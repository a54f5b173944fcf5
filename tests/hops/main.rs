//! A gateway in front of a gateway, both the real binary, and a backend that records: what the first
//! one makes of hostile bytes, the second must read as the same requests, and no answer may go to
//! another request than its own.
//!
//! Inputs come from the families of request smuggling (`families.rs`: docs/reference/hardening.md
//! A1–A14, C1–C5), alone, in pairs on one connection, and with bytes changed. The seed is fixed;
//! `FUZZ_SECONDS` runs longer (a part for each driver and direction), `FUZZ_SEED` chooses other inputs, and
//! `FUZZ_REPLAY` sends one file. What is true of each input a second reader says (`tests/fuzz/strict`).

mod chain;
mod families;
#[allow(dead_code, reason = "the fuzzer uses all of it")]
#[path = "../fuzz/mutate.rs"]
mod mutate;
mod responses;
#[path = "../fuzz/strict/mod.rs"]
mod strict;
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the fuzzer uses all of them")]
#[path = "../fuzz/words.rs"]
mod words;

use std::time::{Duration, Instant};

use chain::Chain;
use families::Families;
use mutate::{Mutator, Random};
use responses::a_lying_backend_fools_neither_gateway;

both_drivers! {
    two_gateways_read_the_same_requests,
    a_lying_backend_fools_neither_gateway,
}

/// Generated inputs of a short run, besides each family's plain members.
const N: usize = 250;

fn two_gateways_read_the_same_requests() {
    let mut chain = Chain::start();
    if let Ok(file) = std::env::var("FUZZ_REPLAY") {
        chain.send("FUZZ_REPLAY", &std::fs::read(file).expect("FUZZ_REPLAY names a readable file"));
        return chain.settle();
    }
    let seed = number("FUZZ_SEED").unwrap_or(0x9e37_79b9_7f4a_7c15);
    let mut random = Random::new(seed);
    let families = Families::new();
    for (family, input) in families.plain() {
        chain.send(family, &input);
    }
    let pool = families.plain().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(pool, &[words::HTTP, words::CHUNKS, words::TARGETS], 4096);
    let until = deadline();
    for at in 0.. {
        if until.map_or(at >= N, |until| Instant::now() >= until) {
            break;
        }
        let (family, input) = match random.below(4) {
            0 => ("bytes changed", mutator.next(&mut random).to_vec()),
            1 => families.pair(&mut random),
            _ => families.mixed(&mut random),
        };
        chain.send(family, &input);
    }
    chain.settle();
}

/// The end of a long run: each driver and each direction has its part, one after the other.
fn deadline() -> Option<Instant> {
    number("FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds / 4))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

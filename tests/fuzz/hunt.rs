//! One target under attack: inputs are made, run and judged; those that did something new join the
//! pool that the next ones are made from.

use std::any::Any;
use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use crate::corpus;
use crate::minimise::minimise;
use crate::mutate::{Mutator, Random};
use crate::targets::Target;

pub struct Hunt {
    pub target: &'static Target,
    /// The first input that broke something, in words.
    pub failure: Option<String>,
    random: Random,
    mutator: Mutator,
    /// What inputs did so far, as the numbers that the entry gave back.
    known: HashSet<u64>,
    n_inputs: u64,
    slowest: (Duration, Vec<u8>),
}

impl Hunt {
    pub fn new(target: &'static Target, seed: u64) -> Hunt {
        // Each target has its own chance, so that a new one leaves the others as they were.
        let own = target
            .name
            .bytes()
            .fold(seed, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let pool = corpus::of(target.name);
        Hunt {
            target,
            failure: None,
            random: Random::new(own),
            mutator: Mutator::new(pool, target.words, target.len_max),
            known: HashSet::new(),
            n_inputs: 0,
            slowest: (Duration::ZERO, Vec::new()),
        }
    }

    /// Every committed input, unchanged.
    pub fn run_corpus(&mut self) {
        for input in corpus::of(self.target.name) {
            if let Some(did) = self.one(&input) {
                self.known.insert(did);
            }
        }
    }

    /// So many new inputs, or up to the first that breaks something.
    pub fn run(&mut self, n: u64) {
        for _ in 0..n {
            if self.failure.is_some() {
                return;
            }
            let input = self.mutator.next(&mut self.random).to_vec();
            if let Some(did) = self.one(&input)
                && self.known.insert(did)
            {
                keep(self.target.name, did, &input);
                self.mutator.keep(input, &mut self.random);
            }
        }
    }

    fn one(&mut self, input: &[u8]) -> Option<u64> {
        self.n_inputs += 1;
        let from = Instant::now();
        let did = enter(self.target.enter, input);
        if from.elapsed() > self.slowest.0 {
            self.slowest = (from.elapsed(), input.to_vec());
        }
        match did {
            Ok(did) => Some(did),
            Err(_) => {
                self.failure = judge(self.target, input);
                None
            }
        }
    }

    pub fn summary(&self) -> String {
        let (time, input) = &self.slowest;
        format!(
            "{:32} {:>9} inputs, {:>5} outcomes; slowest {time:?} for {} bytes",
            self.target.name,
            self.n_inputs,
            self.known.len(),
            input.len()
        )
    }
}

/// Runs one input. When it breaks something: the smallest form that was found, with its escapes, and
/// how to run it again.
pub fn judge(target: &Target, input: &[u8]) -> Option<String> {
    enter(target.enter, input).err()?;
    let small = minimise(input, |input| enter(target.enter, input).is_err());
    let why = enter(target.enter, &small).err().unwrap_or_default();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("fuzz-{}", target.name.replace("::", "-")));
    let saved = std::fs::write(&file, &small);
    let again = match saved {
        Ok(()) => file.display().to_string(),
        Err(error) => format!("(not written: {error})"),
    };
    Some(format!(
        "{}: b\"{}\"\n  {why}\n  again: FUZZ_TARGET={} FUZZ_REPLAY={again} cargo test --test fuzz",
        target.name,
        small.escape_ascii(),
        target.name,
    ))
}

/// Letters of a panic's message that are shown.
const MESSAGE_MAX: usize = 600;

thread_local! {
    /// Panics on this thread are outcomes: nobody needs to read about each.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What the entry said, or the message of its panic.
fn enter(entry: fn(&[u8]) -> u64, input: &[u8]) -> Result<u64, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| entry(input)));
    QUIET.set(false);
    result.map_err(|payload| message(&*payload).chars().take(MESSAGE_MAX).collect())
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Writes an input that did something new into the directory that `FUZZ_KEEP` names.
fn keep(target: &str, did: u64, input: &[u8]) {
    let Ok(directory) = std::env::var("FUZZ_KEEP") else { return };
    let directory = PathBuf::from(directory).join(target.replace("::", "-"));
    let written = std::fs::create_dir_all(&directory)
        .and_then(|()| std::fs::write(directory.join(format!("{did:016x}")), input));
    written.expect("FUZZ_KEEP names a directory that can be written to");
}

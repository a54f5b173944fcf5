//! Load at a fixed rate, each latency counted from the moment when the request should have begun:
//! a slow answer does not delay what is measured next. Without a rate: a closed loop.
//!
//! One pinned thread. Arguments: `--port N`, `--path P` (`{}`: a number below `--spread N`),
//! `--connections N`, `--rate N` a second (0: closed loop), `--seconds S`, `--warm S`, `--core N`,
//! `--new` (a connection for each request). Prints one line of JSON; times in microseconds.

use std::io;
use std::time::Duration;

use loadtest_tools::arguments::{flag, option};
use loadtest_tools::generator::{self, Plan};

fn main() -> io::Result<()> {
    let plan = Plan {
        port: option("--port", 0)?,
        path: option("--path", "/".to_owned())?,
        spread: option("--spread", 1)?,
        connections: option("--connections", 64)?,
        rate: option("--rate", 0.0)?,
        warm: Duration::from_secs_f64(option("--warm", 0.2)?),
        time: Duration::from_secs_f64(option("--seconds", 5.0)?),
        is_new_each: flag("--new"),
    };
    let core: i64 = option("--core", -1)?;
    if let Ok(id) = usize::try_from(core) {
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    let outcome = generator::run(&plan)?;
    let took = &outcome.took;
    let micros = |nanos: u64| nanos as f64 / 1e3;
    println!(
        "{{\"requests\": {}, \"microseconds\": {}, \"mean\": {:.1}, \"p50\": {:.1}, \"p90\": {:.1}, \
         \"p99\": {:.1}, \"p999\": {:.1}, \"max\": {:.1}, \"status\": {}, \"broken\": {}, \
         \"unfinished\": {}}}",
        outcome.answered,
        outcome.time.as_micros(),
        micros(took.mean()),
        micros(took.percentile(0.5)),
        micros(took.percentile(0.9)),
        micros(took.percentile(0.99)),
        micros(took.percentile(0.999)),
        micros(took.max()),
        outcome.status,
        outcome.broken,
        outcome.unfinished,
    );
    Ok(())
}

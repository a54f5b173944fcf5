//! Decoding a backend's content without holding the worker: a long one is read piece by piece, with
//! a turn of the driver after each. Source: docs/reference/hardening.md E1; docs/design/json.md.

use crate::json::decode::DecodeSpec;
use crate::json::error::JsonError;
use crate::json::long::Decoding;
use crate::json::part::Part;
use crate::net::yield_now;

/// Content up to here is better decoded at once: less than 200 µs of work.
pub const AT_ONCE_MAX: usize = 128 * 1024;

/// Work between two turns of the driver, in bytes scanned: about 100 µs.
const TURN: usize = 256 * 1024;

/// Reads `content` into `part`, with turns of the driver between.
pub async fn in_turns(content: &[u8], spec: &DecodeSpec, part: &mut Part) -> Result<(), JsonError> {
    let mut decoding = Decoding::begin(content, spec, part);
    loop {
        if let Some(result) = decoding.step(TURN) {
            return result;
        }
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::net::on_each_driver::on_each_driver;
    use crate::net::spawn;

    /// Decodes while another task counts its turns; the outcome and the count.
    async fn beside_another(content: &[u8]) -> (Result<(), JsonError>, u32) {
        let (turns, ended) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let (counted, stop) = (Rc::clone(&turns), Rc::clone(&ended));
        spawn(async move {
            while !stop.get() {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        });
        yield_now().await;
        let before = turns.get();
        let result = in_turns(content, &DecodeSpec::default(), &mut Part::new()).await;
        ended.set(true);
        (result, turns.get() - before)
    }

    #[test]
    fn others_run_while_a_long_answer_is_decoded() {
        const MIB: usize = 1 << 20;
        on_each_driver(|| async {
            let entry = r#"{"id":1234,"name":"a name","tags":["x","y"],"price":12.5},"#;
            let valid = format!("{{\"list\":[{}0]}}", entry.repeat(4 * MIB / entry.len()));
            let wide: String = (0..100_000).map(|n| format!("\"k{n}\":{n},")).collect();
            let wide = format!("{{{wide}\"k1\":0}}");
            let wrong = format!("{},", &valid[..valid.len() - 1]);
            let text = format!("{{\"text\":\"{}\"}}", "words ".repeat(2 * MIB / 6));
            for (case, content, is_right, turns_min) in [
                ("many entries", &valid, true, 8),
                ("many members", &wide, true, 8),
                ("one text", &text, true, 4),
                ("wrong at its end", &wrong, false, 16),
            ] {
                let (result, turns) = beside_another(content.as_bytes()).await;
                assert_eq!(result.is_ok(), is_right, "{case}: {result:?}");
                assert!(turns >= turns_min, "{case}: {turns} turns of another task");
            }
        });
    }
}

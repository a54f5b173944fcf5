//! Entry points for fuzzing of what is written about a client's bytes: log lines and labels.

use std::time::Duration;

use super::access_log::{self, Access};
use super::logger::{Level, Settings, Style};
use super::prometheus;
use super::ring::{Record, Ring};
use crate::http::fuzz::seen;

/// Bytes of a client in each text of the access log and in the log of the service: one line stays
/// one line, a terminal is told nothing, and the JSON form is JSON
/// (docs/reference/hardening.md F3).
pub fn fuzz_log(input: &[u8]) -> u64 {
    let (ring, mut record) = (Ring::new(0), Record::default());
    let mut kinds = Vec::new();
    for (path, query, ip, method) in [
        (input, &b""[..], &b"192.0.2.1"[..], &b"GET"[..]),
        (b"/", input, b"", b"PATCH"),
        (b"/a", b"b=c", input, b"X-OWN"),
    ] {
        let access = Access {
            unix_nanos: 1_795_532_645_006_000_000,
            status: 200,
            took: Duration::from_micros(input.len() as u64),
            client_ip: ip,
            method,
            path,
            query,
            errors: b"",
        };
        if ring.push(&access.draft()).is_none() || !ring.pop(&mut record) {
            continue;
        }
        let mut line = Vec::new();
        access_log::line(&record, false, &mut line);
        let line = line.strip_suffix(b"\n").expect("a line ends");
        // The address is not quoted; nothing but a header that is trusted by name could hold a break.
        let breaks = line.iter().filter(|byte| **byte == b'\n').count();
        assert!(breaks == 0 || ip == input, "{}", line.escape_ascii());
        let is_obeyed = |byte: &u8| *byte < b' ' && !matches!(byte, b'\n' | b'\t') || *byte == 0x7f;
        assert!(!line.iter().any(is_obeyed), "{}", line.escape_ascii());
        kinds.push(line.contains(&b'\\'));
    }
    let pretty = Style::Pretty { prefix: "[X]".into() };
    for style in [Style::Basic, Style::Logstash, pretty] {
        let settings = Settings { style: style.clone(), ..Settings::default() };
        let mut line = Vec::new();
        settings.line(0, Level::Info, &[input], &mut line);
        let line = line.strip_suffix(b"\n").expect("a line ends");
        if style == Style::Logstash {
            let value: serde_json::Value = serde_json::from_slice(line).expect("it is JSON");
            assert_eq!(value["message"], *String::from_utf8_lossy(input));
            assert!(!line.iter().any(|byte| *byte < b' ' || *byte == 0x7f));
        }
        // The codes around the level are ours.
        let codes = line.iter().filter(|byte| **byte == 0x1b).count();
        assert_eq!(codes, usize::from(matches!(style, Style::Pretty { .. })));
    }
    let text = String::from_utf8_lossy(input);
    let mut label = Vec::new();
    prometheus::escape(&text, true, &mut label);
    assert!(!label.contains(&b'\n'));
    let mut escaped = false;
    let open = label.iter().any(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    assert!(!open && !escaped, "a label ends early: {}", label.escape_ascii());
    seen((kinds, input.contains(&b'\n'), input.contains(&0x1b), std::str::from_utf8(input).is_ok()))
}

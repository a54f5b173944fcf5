//! The access log: what a worker notes about a request, and gin's line for it. Pure; the way to
//! standard output is `writer.rs`. Source: docs/reference/lura-core.md 7.

use std::time::Duration;

use super::ring::{Draft, Kind, Record};
use super::stamp::{Stamp, go_duration, number};
use crate::http::quote::quote;

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// When the answer was complete: nanoseconds since 1970.
    pub unix_nanos: u64,
    pub status: u16,
    pub took: Duration,
    /// The client's address as text, empty when it has none.
    pub client_ip: &'a [u8],
    pub method: &'a [u8],
    /// Decoded.
    pub path: &'a [u8],
    /// As it was sent, without the question mark; empty when there is none.
    pub query: &'a [u8],
    /// The texts of the request's errors, one `Error #01: ` line each, joined by NUL.
    pub errors: &'a [u8],
}

impl Access<'_> {
    pub(super) fn draft(&self) -> Draft<'_> {
        Draft {
            kind: Kind::Access,
            level: 0,
            status: self.status,
            unix_nanos: self.unix_nanos,
            took_nanos: u64::try_from(self.took.as_nanos()).unwrap_or(u64::MAX),
            texts: [self.client_ip, self.method, self.path, self.query, self.errors],
        }
    }
}

/// Appends the lines of a record.
pub(super) fn line(record: &Record, colours: bool, out: &mut Vec<u8>) {
    let [ip, method] = [record.text(0), record.text(1)];
    let took = truncated(Duration::from_nanos(record.took_nanos));
    let paint = |code: &'static str| if colours { code } else { "" };
    out.extend_from_slice(b"[GIN] ");
    Stamp::new(record.unix_nanos).write(" - ", out);
    out.extend_from_slice(b" |");
    out.extend_from_slice(paint(status_colour(record.status)).as_bytes());
    out.push(b' ');
    padded(3, out, |out| number(u64::from(record.status), out));
    out.push(b' ');
    out.extend_from_slice(paint(RESET).as_bytes());
    out.push(b'|');
    out.extend_from_slice(paint(latency_colour(took)).as_bytes());
    out.push(b' ');
    padded(8, out, |out| go_duration(took, out));
    out.push(b' ');
    out.extend_from_slice(paint(RESET).as_bytes());
    out.extend_from_slice(b"| ");
    padded(15, out, |out| super::logger::plain(ip, out));
    out.extend_from_slice(b" |");
    out.extend_from_slice(paint(method_colour(method)).as_bytes());
    out.push(b' ');
    out.extend_from_slice(method);
    out.resize(out.len() + 7_usize.saturating_sub(method.len()), b' ');
    out.push(b' ');
    out.extend_from_slice(paint(RESET).as_bytes());
    out.push(b' ');
    let target;
    let shown = match record.text(3) {
        b"" => record.text(2),
        query => {
            target = [record.text(2), b"?", query].concat();
            &target
        }
    };
    quote(shown, out);
    out.push(b'\n');
    let errors = record.text(4);
    if !errors.is_empty() {
        for (nth, text) in errors.split(|byte| *byte == 0).enumerate() {
            out.extend_from_slice(format!("Error #{:02}: ", nth + 1).as_bytes());
            super::logger::plain(text, out);
            out.push(b'\n');
        }
    }
}

/// gin shows fewer digits the longer it took.
fn truncated(took: Duration) -> Duration {
    let step = match took {
        _ if took > Duration::from_secs(60) => Duration::from_secs(10),
        _ if took > Duration::from_secs(1) => Duration::from_millis(10),
        _ if took > Duration::from_millis(1) => Duration::from_micros(10),
        _ => return took,
    };
    let nanos = took.as_nanos() / step.as_nanos() * step.as_nanos();
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Right-aligned in `width` characters.
fn padded(width: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let from = out.len();
    write(out);
    let shown = String::from_utf8_lossy(&out[from..]).chars().count();
    let missing = width.saturating_sub(shown);
    out.splice(from..from, std::iter::repeat_n(b' ', missing));
}

const WHITE: &str = "\x1b[90;47m";
const GREEN: &str = "\x1b[97;42m";
const YELLOW: &str = "\x1b[90;43m";
const RED: &str = "\x1b[97;41m";
const BLUE: &str = "\x1b[97;44m";
const MAGENTA: &str = "\x1b[97;45m";
const CYAN: &str = "\x1b[97;46m";
const RESET: &str = "\x1b[0m";

fn status_colour(status: u16) -> &'static str {
    match status {
        100..200 | 300..400 => WHITE,
        200..300 => GREEN,
        400..500 => YELLOW,
        _ => RED,
    }
}

fn latency_colour(took: Duration) -> &'static str {
    match took.as_millis() {
        0..100 => WHITE,
        100..200 => GREEN,
        200..300 => CYAN,
        300..500 => BLUE,
        500..1000 => YELLOW,
        1000..2000 => MAGENTA,
        _ => RED,
    }
}

fn method_colour(method: &[u8]) -> &'static str {
    match method {
        b"GET" => BLUE,
        b"POST" => CYAN,
        b"PUT" => YELLOW,
        b"DELETE" => RED,
        b"PATCH" => GREEN,
        b"HEAD" => MAGENTA,
        b"OPTIONS" => WHITE,
        _ => RESET,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::Ring;
    use super::*;

    fn text(access: &Access<'_>, colours: bool) -> String {
        let (ring, mut record) = (Ring::new(0), Record::default());
        assert!(ring.push(&access.draft()).is_some() && ring.pop(&mut record));
        let mut out = Vec::new();
        line(&record, colours, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Status, nanoseconds, address, method, path, query, errors, colours, the lines.
    type GinLine = (
        u16,
        u64,
        &'static str,
        &'static str,
        &'static [u8],
        &'static str,
        &'static str,
        bool,
        &'static str,
    );

    #[test]
    fn lines_as_gin_prints_them() {
        // Made by gin 1.12.0's own format string under Go 1.26.
        let cases: &[GinLine] = &include!("testdata/access.in");
        for (status, took, ip, method, path, query, errors, colours, expected) in cases {
            let access = Access {
                unix_nanos: 1_795_532_645_006_000_000,
                status: *status,
                took: Duration::from_nanos(*took),
                client_ip: ip.as_bytes(),
                method: method.as_bytes(),
                path,
                query: query.as_bytes(),
                errors: errors.as_bytes(),
            };
            assert_eq!(text(&access, *colours), *expected);
        }
    }
}

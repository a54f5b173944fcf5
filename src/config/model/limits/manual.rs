//! The page of the manual that lists every limit: the keys from their table, then the fixed bounds.

use super::fixed::FIXED;
use super::{Limits, Row};
use std::fmt::Write as _;

const INTRODUCTION: &str = "# Limits

Every bound that a peer can meet, in force by default. The keys stand in `extra_config.ringway.limits`; where KrakenD has a key of its own, that one wins. \"500 / 502\" is the status in the profile `krakend` and with `statuses: \"rfc\"`. Labels are the `outcome` of [`ringway_requests`](metrics.md#outcomes), after \"reason\" that of [`ringway_connections_closed`](metrics.md#close-reasons), after \"accept_pauses\" and \"refused\" that of `ringway_accept_pauses` and `ringway_connections_refused`. What an overload looks like from outside stands in [operation](operations.md#overload), an example in `config/limits.json`.

This page is made from the code: what is not in it is not bounded.

## Keys of `ringway.limits`

| key | default | allowed | KrakenD's key | it | beyond it | label |
| --- | --- | --- | --- | --- | --- | --- |
";

const BETWEEN: &str = "
Bytes are a number, or text such as `\"64KiB\"`; times are text such as `\"30s\"`. A time cannot be turned off. Rows on served TLS and on HTTP/2 come with those features.

Beside them: [`ringway.memory`](operations.md#memory) bounds the memory, [`stream_idle`](reference-keys.md#ringway) the pauses of a streamed response, `timeout` a whole exchange until the head of its response, `max_shutdown_wait_time` the end of the process, and `read_timeout` and `write_timeout`, which are unset by default, a whole request and a whole answer.

## Without a key

| what | bound | beyond it | label |
| --- | --- | --- | --- |
";

/// The page.
pub fn markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    for Row { key, krakend, default, range, does, beyond, label } in Limits::rows() {
        let krakend = names(krakend);
        let _ = writeln!(
            page,
            "| `{key}` | {default} | {range} | {krakend} | {does} | {beyond} | {} |",
            labels(label)
        );
    }
    page.push_str(BETWEEN);
    for one in FIXED {
        let label = labels(one.label);
        let _ = writeln!(page, "| {} | {} | {} | {label} |", one.what, one.bound, one.beyond);
    }
    page
}

/// KrakenD's keys as code.
fn names(text: &str) -> String {
    let quoted = |part: &str| match part.strip_prefix("else ") {
        Some(name) => format!("else `{name}`"),
        None => format!("`{part}`"),
    };
    match text {
        "" => String::new(),
        text => text.split(", ").map(quoted).collect::<Vec<_>>().join(", "),
    }
}

/// The last word of each label as code, the family before it as it is.
fn labels(text: &str) -> String {
    let quoted = |part: &str| match part.rsplit_once(' ') {
        Some((family, label)) => format!("{family} `{label}`"),
        None => format!("`{part}`"),
    };
    match text {
        "" => String::new(),
        text => text.split(", ").map(quoted).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page in the manual is this one: `RINGWAY_WRITE_MANUAL=1` writes it anew.
    #[test]
    fn the_manual_has_this_page() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/limits.md");
        if std::env::var_os("RINGWAY_WRITE_MANUAL").is_some() {
            std::fs::write(path, markdown()).expect("the manual can be written");
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == markdown(), "docs/limits.md is old: RINGWAY_WRITE_MANUAL=1 cargo test");
    }

    #[test]
    fn names_and_labels_are_code() {
        assert_eq!(
            names("read_header_timeout, else read_timeout"),
            "`read_header_timeout`, else `read_timeout`"
        );
        assert_eq!(labels("accept_pauses memory, overload"), "accept_pauses `memory`, `overload`");
        assert_eq!((names(""), labels("")), (String::new(), String::new()));
    }
}

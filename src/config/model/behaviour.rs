//! Where Ringway and KrakenD differ by choice: the profile and its switches, resolved.
//! Source: the table of decided differences in the manual.

use super::TIMEOUT_MAX;
use crate::config::diagnostic::Diagnostics;
use crate::config::known::{Scope, check_own_keys};
use crate::config::node::Node;
use std::time::Duration;

/// `ringway.profile`: the set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Profile {
    /// `krakend`: as KrakenD answers. The default.
    #[default]
    Krakend,
    /// `safe`: what a new file should have.
    Safe,
}

/// `ringway.statuses`: what the client gets when backends fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statuses {
    /// `krakend`: 500.
    Krakend,
    /// `rfc`: 502, or 504 when time ran out.
    Rfc,
}

/// `ringway.merge_order`: which backend wins when two give the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeOrder {
    /// `configuration`: the later one in the file.
    Configuration,
    /// `arrival`: the one that answered last, as in KrakenD.
    Arrival,
}

/// `ringway.json.trailing`: bytes after the first JSON value of a backend's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailing {
    /// `ignore`: cut off and counted.
    Ignore,
    /// `refuse`: the call failed.
    Refuse,
}

/// `ringway.json.utf8`: invalid UTF-8 and lone surrogates in strings of a backend's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utf8 {
    /// `replace`: by U+FFFD.
    Replace,
    /// `refuse`: the call failed.
    Refuse,
}

/// `ringway.http1.half_close_grace`: what a FIN after a complete request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfCloseGrace {
    /// An answer that is ready within this time is still sent; zero cancels at once.
    Within(Duration),
    /// `"inf"`: the answer is always sent.
    Always,
}

/// All switches, for one service, endpoint or backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// `profile`; the service's.
    pub profile: Profile,
    /// `statuses`: `krakend` (default), `rfc` (default when safe).
    pub statuses: Statuses,
    /// `merge_order`: `configuration` (default), `arrival`.
    pub merge_order: MergeOrder,
    /// `json.sort_keys`: keys sorted bytewise, as KrakenD writes them. Default false.
    pub sort_keys: bool,
    /// `json.escape_html`: `<`, `>`, `&` as `\u003c`, `\u003e`, `\u0026`. Default false.
    pub escape_html: bool,
    /// `json.trailing`: `ignore` (default), `refuse` (default when safe).
    pub trailing: Trailing,
    /// `json.utf8`: `replace` (default), `refuse` (default when safe).
    pub utf8: Utf8,
    /// `http1.half_close_grace`: default 250 ms.
    pub half_close_grace: HalfCloseGrace,
    /// `stream_idle`: longest pause of a streamed body, default 30 s.
    pub stream_idle: Duration,
    /// `auto_head`: HEAD is answered wherever GET is. Default false.
    pub auto_head: bool,
    /// `next_host`: another host is tried when one cannot be connected to. Default true.
    pub next_host: bool,
}

impl Behaviour {
    /// The defaults of a profile.
    pub fn of(profile: Profile) -> Self {
        let safe = profile == Profile::Safe;
        Behaviour {
            profile,
            statuses: if safe { Statuses::Rfc } else { Statuses::Krakend },
            merge_order: MergeOrder::Configuration,
            sort_keys: false,
            escape_html: false,
            trailing: if safe { Trailing::Refuse } else { Trailing::Ignore },
            utf8: if safe { Utf8::Refuse } else { Utf8::Replace },
            half_close_grace: HalfCloseGrace::Within(Duration::from_millis(250)),
            stream_idle: Duration::from_secs(30),
            auto_head: false,
            next_host: true,
        }
    }
}

impl Profile {
    /// `profile` of the service's block; absent: `krakend`.
    pub(super) fn read(block: Option<Node<'_>>, found: &mut Diagnostics) -> Profile {
        const WORDS: &[(&str, Profile)] = &[("krakend", Profile::Krakend), ("safe", Profile::Safe)];
        block.and_then(|block| block.word("profile", WORDS, found)).unwrap_or_default()
    }
}

impl Behaviour {
    /// The switches of a `ringway` block over what is inherited.
    pub(super) fn read(self, block: Node<'_>, found: &mut Diagnostics) -> Behaviour {
        const STATUSES: &[(&str, Statuses)] =
            &[("krakend", Statuses::Krakend), ("rfc", Statuses::Rfc)];
        const ORDERS: &[(&str, MergeOrder)] =
            &[("configuration", MergeOrder::Configuration), ("arrival", MergeOrder::Arrival)];
        let statuses = block.word("statuses", STATUSES, found).unwrap_or(self.statuses);
        let order = block.word("merge_order", ORDERS, found).unwrap_or(self.merge_order);
        let idle = block.duration("stream_idle", TIMEOUT_MAX, found).filter(|idle| !idle.is_zero());
        let mut behaviour = Behaviour {
            statuses,
            merge_order: order,
            stream_idle: idle.unwrap_or(self.stream_idle),
            auto_head: block.field("auto_head", found).unwrap_or(self.auto_head),
            next_host: block.field("next_host", found).unwrap_or(self.next_host),
            ..self
        };
        if let Some(json) = block.get("json") {
            behaviour.read_json(json, found);
        }
        if let Some(http1) = block.get("http1")
            && check_own_keys(http1, Scope::RingwayHttp1, found)
        {
            behaviour.read_grace(http1, found);
        }
        behaviour
    }

    fn read_json(&mut self, json: Node<'_>, found: &mut Diagnostics) {
        const TRAILING: &[(&str, Trailing)] =
            &[("ignore", Trailing::Ignore), ("refuse", Trailing::Refuse)];
        const UTF8: &[(&str, Utf8)] = &[("replace", Utf8::Replace), ("refuse", Utf8::Refuse)];
        if !check_own_keys(json, Scope::RingwayJson, found) {
            return;
        }
        self.sort_keys = json.field("sort_keys", found).unwrap_or(self.sort_keys);
        self.escape_html = json.field("escape_html", found).unwrap_or(self.escape_html);
        self.trailing = json.word("trailing", TRAILING, found).unwrap_or(self.trailing);
        self.utf8 = json.word("utf8", UTF8, found).unwrap_or(self.utf8);
    }

    fn read_grace(&mut self, http1: Node<'_>, found: &mut Diagnostics) {
        let always = http1.get("half_close_grace").is_some_and(|node| node.text() == Some("inf"));
        if always {
            self.half_close_grace = HalfCloseGrace::Always;
        } else if let Some(time) = http1.duration("half_close_grace", TIMEOUT_MAX, found) {
            self.half_close_grace = HalfCloseGrace::Within(time);
        }
    }
}

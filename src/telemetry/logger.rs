//! The log of the service: levels, KrakenD's line formats, and the handles that write. Lines go
//! through bounded queues to the writer thread, whoever writes them. Sources:
//! docs/reference/lura-core.md 7, docs/reference/krakend-components.md 18.1.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::stamp::Stamp;
use super::writer::Shared;

/// How bad it is. CRITICAL and FATAL are always written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Fatal,
}

impl Level {
    const ALL: [Self; 7] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Fatal,
    ];

    /// The `level` of `telemetry/logging`, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL[..6].iter().copied().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
            Self::Fatal => "FATAL",
        }
    }

    pub(super) fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Error)
    }

    /// The codes that KrakenD's logger puts around `▶ LEVEL`, on a terminal or not.
    fn colour(self) -> &'static str {
        match self {
            Self::Debug => "\x1b[36m",
            Self::Info => "",
            Self::Notice => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Error => "\x1b[31m",
            Self::Critical | Self::Fatal => "\x1b[35m",
        }
    }
}

/// The shape of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// No `telemetry/logging`: `2006/01/02 15:04:05 KRAKEND LEVEL: text`.
    Basic,
    /// `telemetry/logging` with `stdout`: prefix, ` 2006/01/02 - 15:04:05.000 ▶ LEVEL text`.
    Pretty { prefix: Box<str> },
    /// `format: logstash`, with the message escaped (KrakenD's is not, so a quote breaks its JSON).
    Logstash,
    /// `telemetry/logging` without `stdout`: nothing.
    Silent,
}

/// What is written, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub style: Style,
    /// Nothing below this, save CRITICAL and FATAL.
    pub level: Level,
    /// Colours in the access log: gin's, when standard output is a terminal.
    pub access_colours: bool,
}

impl Default for Settings {
    /// KrakenD's without a `telemetry/logging` block.
    fn default() -> Self {
        Self { style: Style::Basic, level: Level::Debug, access_colours: false }
    }
}

impl Settings {
    pub(super) fn wants(&self, level: Level) -> bool {
        self.style != Style::Silent && (level >= self.level || level >= Level::Critical)
    }

    /// Appends one line; `parts` are its text.
    pub(super) fn line(&self, unix_nanos: u64, level: Level, parts: &[&[u8]], out: &mut Vec<u8>) {
        let stamp = Stamp::new(unix_nanos);
        match &self.style {
            Style::Silent => return,
            Style::Basic => {
                stamp.write(" ", out);
                out.extend_from_slice(b" KRAKEND ");
                out.extend_from_slice(level.name().as_bytes());
                out.extend_from_slice(b": ");
                parts.iter().for_each(|part| plain(part, out));
            }
            Style::Pretty { prefix } => {
                out.extend_from_slice(prefix.as_bytes());
                out.push(b' ');
                stamp.write(" - ", out);
                stamp.write_milliseconds(out);
                out.push(b' ');
                out.extend_from_slice(level.colour().as_bytes());
                out.extend_from_slice("▶ ".as_bytes());
                out.extend_from_slice(level.at_most_critical().as_bytes());
                out.extend_from_slice(b"\x1b[0m ");
                parts.iter().for_each(|part| plain(part, out));
            }
            Style::Logstash => {
                out.extend_from_slice(b"{\"@timestamp\":\"");
                stamp.write_iso(out);
                out.extend_from_slice(b"\", \"@version\": 1, \"level\": \"");
                out.extend_from_slice(level.at_most_critical().as_bytes());
                out.extend_from_slice(b"\", \"message\": \"");
                parts.iter().for_each(|part| json(part, out));
                out.extend_from_slice(b"\", \"module\": \"KRAKEND\"}");
            }
        }
        out.push(b'\n');
    }
}

impl Level {
    /// The logger behind `telemetry/logging` knows no FATAL.
    fn at_most_critical(self) -> &'static str {
        self.min(Self::Critical).name()
    }
}

/// Text without control characters that a terminal would obey; lines of an aggregated error stay.
pub(super) fn plain(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'\n' | b'\t' | 0x20..=0x7e | 0x80.. => out.push(*byte),
            _ => {
                let digits = b"0123456789abcdef";
                out.extend_from_slice(b"\\x");
                out.push(digits[usize::from(byte >> 4)]);
                out.push(digits[usize::from(byte & 0xf)]);
            }
        }
    }
}

fn json(text: &[u8], out: &mut Vec<u8>) {
    for letter in String::from_utf8_lossy(text).chars() {
        match letter {
            '"' | '\\' => out.extend_from_slice(&[b'\\', letter as u8]),
            '\n' => out.extend_from_slice(b"\\n"),
            '\0'..' ' | '\x7f' => {
                out.extend_from_slice(format!("\\u{:04x}", letter as u32).as_bytes());
            }
            _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// The handle of control-side code; workers have `writer::Lane`. Cheap to clone. Never waits for the
/// sink: a full queue drops the line and counts it.
#[derive(Clone)]
pub struct Logger(pub(super) Arc<Shared>);

impl Logger {
    /// Writes a line. The text is made only when its level is wanted.
    pub fn log(&self, level: Level, text: impl std::fmt::Display) {
        if self.wants(level) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
            self.0.enqueue(nanos, level, text.to_string());
        }
    }

    pub fn wants(&self, level: Level) -> bool {
        self.0.settings().wants(level)
    }

    pub fn debug(&self, text: impl std::fmt::Display) {
        self.log(Level::Debug, text);
    }

    pub fn info(&self, text: impl std::fmt::Display) {
        self.log(Level::Info, text);
    }

    pub fn warning(&self, text: impl std::fmt::Display) {
        self.log(Level::Warning, text);
    }

    pub fn error(&self, text: impl std::fmt::Display) {
        self.log(Level::Error, text);
    }

    pub fn critical(&self, text: impl std::fmt::Display) {
        self.log(Level::Critical, text);
    }
}

/// Takes the events of `tracing` whose target is this crate into the same log.
pub struct Bridge(pub Logger);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Bridge {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let meta = event.metadata();
        if !meta.target().starts_with("ringway") {
            return;
        }
        let level = match *meta.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => Level::Debug,
        };
        if self.0.wants(level) {
            let mut text = Fields(String::new());
            event.record(&mut text);
            self.0.log(level, text.0);
        }
    }
}

/// The message, then the other fields as ` name=value`.
struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            self.0.push_str(&format!(" {}={value:?}", field.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 15:04:05.006 UTC.
    const AT: u64 = 1_795_532_645_006_000_000;

    fn line(style: Style, level: Level, text: &str) -> String {
        let mut out = Vec::new();
        let settings = Settings { style, ..Settings::default() };
        settings.line(AT, level, &[b"[X] ", text.as_bytes()], &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn lines_look_like_krakends() {
        let pretty = || Style::Pretty { prefix: "[KRAKEND]".into() };
        for (style, level, text, expected) in [
            (Style::Basic, Level::Info, "up", "2026/11/24 15:04:05 KRAKEND INFO: [X] up\n"),
            (
                Style::Basic,
                Level::Fatal,
                "a\x1bb",
                "2026/11/24 15:04:05 KRAKEND FATAL: [X] a\\x1bb\n",
            ),
            (
                pretty(),
                Level::Error,
                "no",
                "[KRAKEND] 2026/11/24 - 15:04:05.006 \x1b[31m▶ ERROR\x1b[0m [X] no\n",
            ),
            (pretty(), Level::Info, "", "[KRAKEND] 2026/11/24 - 15:04:05.006 ▶ INFO\x1b[0m [X] \n"),
            (
                Style::Logstash,
                Level::Warning,
                "say \"a\"\n\\",
                "{\"@timestamp\":\"2026-11-24T15:04:05.006+00:00\", \"@version\": 1, \"level\": \
                 \"WARNING\", \"message\": \"[X] say \\\"a\\\"\\n\\\\\", \"module\": \"KRAKEND\"}\n",
            ),
            (Style::Silent, Level::Fatal, "x", ""),
        ] {
            assert_eq!(line(style, level, text), expected);
        }
    }

    #[test]
    fn levels() {
        assert_eq!(Level::parse("warning"), Some(Level::Warning));
        assert_eq!(Level::parse("Critical"), Some(Level::Critical));
        assert_eq!(Level::parse("WARN"), None);
        let quiet = Settings { level: Level::Critical, ..Settings::default() };
        assert!(!quiet.wants(Level::Error) && quiet.wants(Level::Fatal));
        let silent = Settings { style: Style::Silent, ..Settings::default() };
        assert!(!silent.wants(Level::Fatal));
        for (at, level) in Level::ALL.into_iter().enumerate() {
            assert_eq!(Level::of(at as u8), level);
        }
    }
}

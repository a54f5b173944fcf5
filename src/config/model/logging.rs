//! `extra_config.telemetry/logging`: how much is logged, and whether at all.
//! Source: docs/reference/krakend-components.md 18.1.

/// KrakenD's levels, least to most important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LogLevel {
    /// `DEBUG`: everything; the default.
    #[default]
    Debug,
    /// `INFO`
    Info,
    /// `NOTICE`
    Notice,
    /// `WARNING`
    Warning,
    /// `ERROR`
    Error,
    /// `CRITICAL`
    Critical,
}

/// What is logged, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// `level`: case does not count. No block: `DEBUG`.
    pub level: LogLevel,
    /// `stdout`: log to standard output. No block: true; a block without the key: false, so nothing
    /// is logged at all.
    pub stdout: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Logging { level: LogLevel::Debug, stdout: true }
    }
}

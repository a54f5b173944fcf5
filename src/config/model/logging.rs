//! `extra_config.telemetry/logging`: how much is logged, and whether at all.
//! Source: docs/reference/krakend-components.md 18.1.

use crate::config::diagnostic::Diagnostics;
use crate::config::known::{Scope, check_keys};
use crate::config::nearest::nearest;
use crate::config::node::Node;

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
    /// Whether the file has the block: it decides the format of the lines.
    pub has_block: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Logging { level: LogLevel::Debug, stdout: true, has_block: false }
    }
}

impl LogLevel {
    /// All levels with their names.
    pub const NAMES: [(&str, LogLevel); 6] = [
        ("DEBUG", LogLevel::Debug),
        ("INFO", LogLevel::Info),
        ("NOTICE", LogLevel::Notice),
        ("WARNING", LogLevel::Warning),
        ("ERROR", LogLevel::Error),
        ("CRITICAL", LogLevel::Critical),
    ];

    /// The name in the log.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, level)| *level == self).map_or("DEBUG", |(name, _)| name)
    }
}

impl Logging {
    pub(super) fn read(block: Node<'_>, found: &mut Diagnostics) -> Logging {
        check_keys(block, Scope::Logging, found);
        let stdout = block.plain_bool("stdout", found).unwrap_or(false);
        let Some(node) = block.get("level") else {
            found.warn(block, "no level: everything is logged").allowed(Self::levels());
            return Logging { level: LogLevel::Debug, stdout: true, has_block: false };
        };
        let text = block.plain_text("level", found).unwrap_or("DEBUG");
        let level = LogLevel::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        if level.is_none() {
            let near = nearest(text, LogLevel::NAMES.iter().map(|(name, _)| *name));
            found.refuse(node, "is not a level", &Self::levels()).nearest(near);
        }
        Logging {
            level: level.map_or(LogLevel::Debug, |(_, level)| *level),
            stdout,
            has_block: true,
        }
    }

    fn levels() -> String {
        LogLevel::NAMES.map(|(name, _)| name).join(", ")
    }
}

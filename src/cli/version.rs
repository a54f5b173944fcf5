//! `ringway version`.

use super::print;
use std::process::ExitCode;

/// Our version and the version of the configurations that are read.
pub(super) fn run() -> ExitCode {
    print(&format!("Ringway Version: {}\nConfiguration Version: 3 (KrakenD)\n", crate::VERSION));
    ExitCode::SUCCESS
}

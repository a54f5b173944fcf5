//! `ringway completions`: what a shell needs to complete our commands.

use super::print;
use clap_complete::Shell;
use std::process::ExitCode;

/// Which shell.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The shell; put its output where the shell looks for completions
    shell: Shell,
}

/// Prints the script to standard output.
pub(super) fn run(arguments: &Arguments, mut command: clap::Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "ringway", &mut script);
    print(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

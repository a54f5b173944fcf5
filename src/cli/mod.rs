//! One file per command: reads arguments, calls the floors below, prints. No behaviour of the
//! gateway lives here.
//!
//! Streams and exit codes are KrakenD's (`docs/reference/krakend-components.md` 22): what a command
//! has to say goes to standard error, what was asked for (help, version, completions, JSON, a
//! starter file) to standard output; a wrong command line ends with 255.

mod check;
mod completions;
mod config_file;
mod demo;
mod dump;
mod explain;
mod init;
mod run;
mod version;

use crate::config::diagnostic::Diagnostics;
use crate::config::model::Service;
use crate::{policy, server};
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// What a wrong command line ends with.
const USAGE: u8 = 255;

/// An API gateway: one declarative file turns many backends into one fast API. Reads KrakenD v3
/// configurations as they are: JSON, YAML or TOML, by the file's extension.
#[derive(Parser)]
#[command(name = "ringway", version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until SIGTERM or SIGINT; SIGHUP reads it again
    Run(run::Arguments),
    /// Say everything that is wrong with a configuration; refuses exactly what `run` refuses
    #[command(visible_alias = "validate")]
    Check(check::Arguments),
    /// Say what a configuration does with a request: route, policies, backends, answer
    Explain(explain::Arguments),
    /// Serve a demo with backends of its own, and say what to try
    Demo(demo::Arguments),
    /// Write a commented starter file
    Init(init::Arguments),
    /// Print the version
    Version,
    /// Print the completions of a shell
    Completions(completions::Arguments),
}

/// The whole program, with the arguments of the process.
pub fn main() -> ExitCode {
    dispatch(std::env::args_os())
}

fn dispatch(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments, &verify),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Version => version::run(),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
    }
}

/// Looks as far as `run` will: routes, policies, TLS.
fn verify(service: &Service, found: &mut Diagnostics) {
    server::verify(service, policy::REGISTRATIONS, found);
}

/// Help that was asked for goes to standard output; a mistake is told on both streams.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe is no reason to fail differently.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    if let Some(first) = text.lines().next() {
        print(first);
        print("\n");
    }
    ExitCode::from(USAGE)
}

/// Writes to standard output; a reader that went away is its own business.
fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line to standard error.
fn tell(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_sound() {
        Arguments::command().debug_assert();
    }

    fn code(arguments: &[&str]) -> String {
        let arguments = std::iter::once("ringway").chain(arguments.iter().copied());
        format!("{:?}", dispatch(arguments.map(OsString::from)))
    }

    #[test]
    fn exit_codes() {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        let (good, bad, doubtful) = (path("good.yaml"), path("bad.json"), path("doubtful.json"));
        let doubt = br#"{"version": 3, "nope": 1, "endpoints": []}"#;
        std::fs::write(&bad, "{").expect("a file for the test");
        std::fs::write(&doubtful, doubt).expect("a file for the test");
        let (ok, failed, usage) = (ExitCode::SUCCESS, ExitCode::FAILURE, ExitCode::from(USAGE));
        for (arguments, expected) in [
            (&["init", &good][..], ok),
            (&["init", &good], failed),
            (&["init", &good, "--force"], ok),
            (&["check", "-c", &good, "--strict"], ok),
            (&["validate", "--config", &good, "-ddd", "-t"], ok),
            (&["check", "-c", &bad], failed),
            (&["check", "-c", &bad, "--json"], failed),
            (&["check", "-c", &path("missing")], failed),
            (&["check", "-c", &doubtful], ok),
            (&["check", "-c", &doubtful, "-l"], failed),
            (&["check"], failed),
            (&["check", "--nope"], usage),
            (&["nope"], usage),
            (&["version"], ok),
            (&["--version"], ok),
            (&["help"], ok),
            (&["completions", "bash"], ok),
        ] {
            assert_eq!(code(arguments), format!("{expected:?}"), "{arguments:?}");
        }
    }

    #[test]
    fn help_texts() {
        let mut command = Arguments::command();
        insta::assert_snapshot!(command.render_long_help());
        for name in ["run", "check", "explain", "demo", "init", "completions"] {
            let part = command.find_subcommand_mut(name).expect("it is a command");
            insta::assert_snapshot!(name, part.render_long_help());
        }
    }
}

//! `ringway check`: every problem of a configuration, and what is in it.

use super::{config_file, dump, print, tell};
use crate::config::diagnostic::{Diagnostics, Severity};
use crate::config::load::Options;
use crate::config::model::Service;
use crate::config::render;
use std::process::ExitCode;

/// What `check` is asked.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The configuration: .yaml, .yml and .toml by their names, anything else is JSON
    #[arg(short, long, value_name = "FILE")]
    config: Option<String>,
    /// Print what is in the file; twice and three times say more
    #[arg(short, long, action = clap::ArgAction::Count)]
    debug: u8,
    /// What each level of the print is indented with
    #[arg(short, long, value_name = "TEXT", default_value = "\t", hide_default_value = true)]
    indent: String,
    /// Look for conflicts of routes (always done)
    #[arg(short, long)]
    test_gin_routes: bool,
    /// Refuse unknown keys, like --strict
    #[arg(short, long)]
    lint: bool,
    /// The same as --lint: there is never a schema to fetch
    #[arg(short = 'n', long)]
    lint_no_network: bool,
    /// Refuse unknown keys and names that KrakenD silently replaces by others
    #[arg(long)]
    strict: bool,
    /// Print the problems as JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
}

/// Looks further than the model can: routes, policies. Adds what it finds.
pub(super) type Verify<'a> = &'a dyn Fn(&Service, &mut Diagnostics);

/// Exit code 0 when the file would run, else 1.
pub(super) fn run(arguments: &Arguments, verify: Verify<'_>) -> ExitCode {
    let Some(path) = &arguments.config else {
        tell("Please, provide the path to the configuration file with --config FILE");
        return ExitCode::FAILURE;
    };
    if !arguments.json {
        tell(&format!("Parsing configuration file: {path}"));
    }
    let strict = arguments.strict || arguments.lint || arguments.lint_no_network;
    let loaded = match config_file::read(path, &Options { strict, ..Options::default() }) {
        Ok(loaded) => loaded,
        Err(why) => {
            tell(&format!("ERROR parsing the configuration file:\t{why}"));
            return ExitCode::FAILURE;
        }
    };
    let mut found = loaded.diagnostics;
    if let Some(service) = &loaded.service {
        verify(service, &mut found);
        found.sort();
    }
    let failed = found.has_errors();
    if arguments.json {
        print(&render::json(&found, &loaded.sources));
        return if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    config_file::tell(&found, &loaded.sources);
    if failed {
        tell(&format!("ERROR parsing the configuration file:\t{path}: {}", counted(&found)));
        return ExitCode::FAILURE;
    }
    if let (Some(service), 1..) = (&loaded.service, arguments.debug) {
        tell(dump::dump(service, arguments.debug, &arguments.indent).trim_end());
    }
    tell("Syntax OK!");
    ExitCode::SUCCESS
}

/// `2 errors, 1 warning`
fn counted(found: &Diagnostics) -> String {
    let errors = found.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = found.len() - errors;
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let mut text = format!("{errors} error{}", plural(errors));
    if warnings > 0 {
        text.push_str(&format!(", {warnings} warning{}", plural(warnings)));
    }
    text
}

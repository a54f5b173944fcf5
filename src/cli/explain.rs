//! `ringway explain`: what a configuration does with one request, in words, without running it.

use super::{config_file, print, tell};
use crate::config::load::Options;
use crate::plan::{self, Environment};
use crate::{policy, server};
use std::process::ExitCode;

/// What `explain` is asked.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The configuration: .yaml, .yml and .toml by their names, anything else is JSON
    #[arg(short, long, value_name = "FILE")]
    config: String,
    /// The method, such as GET
    method: String,
    /// The path, such as /users/7; a query may follow
    path: String,
}

/// Exit code 0 when there is an answer to tell of, 1 when the question or the file is wrong.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match told(arguments) {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(why) => {
            tell(&format!("ERROR {why}"));
            ExitCode::FAILURE
        }
    }
}

fn told(arguments: &Arguments) -> Result<String, String> {
    let Arguments { config, method, path } = arguments;
    let method = method.to_ascii_uppercase();
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') {
        return Err(format!("{method:?} is no method; such as GET"));
    }
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(format!(
            "{path:?} is no path as a request has it; such as /users/7 or /users/a%20b?page=2"
        ));
    }
    let loaded = config_file::read(config, &Options::default())?;
    let mut found = loaded.diagnostics;
    let plan = loaded.service.as_ref().and_then(|service| {
        let environment = Environment { workers: server::n_workers(service), slots: None };
        plan::compile(service, policy::REGISTRATIONS, environment, &mut found)
    });
    match (plan, &loaded.service) {
        (Some(plan), Some(service)) if !found.has_errors() => {
            Ok(plan::explain(&plan, service, &method, path))
        }
        _ => {
            found.sort();
            config_file::tell(&found, &loaded.sources);
            Err(format!("{config}: the file is refused"))
        }
    }
}

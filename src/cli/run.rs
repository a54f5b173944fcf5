//! `ringway run`: serve a configuration until a signal ends it.

use super::{config_file, tell};
use crate::config::load::Options;
use crate::config::render;
use crate::server::{self, Launch, Reread, Steering};
use std::process::ExitCode;

/// What `run` is asked.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The configuration: .yaml, .yml and .toml by their names, anything else is JSON
    #[arg(short, long, value_name = "FILE")]
    config: Option<String>,
    /// Turn /__debug/ on
    #[arg(short, long, action = clap::ArgAction::Count)]
    debug: u8,
    /// Listen on this port, whatever the file says
    #[arg(short, long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

/// What a configuration that cannot be run ends with, as KrakenD's.
const REFUSED: u8 = 255;

/// Exit code 0 after a signal, 255 when the file is refused, 1 when the process cannot start.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(path) = arguments.config.clone() else {
        tell("Please, provide the path to the configuration file with --config FILE");
        return ExitCode::SUCCESS;
    };
    tell(&format!("Parsing configuration file: {path}"));
    let loaded = match config_file::read(&path, &Options::default()) {
        Ok(loaded) => loaded,
        Err(why) => {
            tell(&format!("ERROR parsing the configuration file: {why}"));
            return ExitCode::from(REFUSED);
        }
    };
    let mut found = loaded.diagnostics;
    if let Some(service) = &loaded.service {
        super::verify(service, &mut found);
        found.sort();
    }
    config_file::tell(&found, &loaded.sources);
    let Some(mut service) = loaded.service.filter(|_| !found.has_errors()) else {
        tell(&format!("ERROR parsing the configuration file: {path}"));
        return ExitCode::from(REFUSED);
    };
    let (debug, port) = (arguments.debug > 0, arguments.port);
    let overrule = move |service: &mut crate::config::model::Service| {
        service.debug_endpoint |= debug;
        if port != 0 {
            service.port = port;
        }
    };
    overrule(&mut service);
    let reader: server::Reader = Box::new(move |verify| {
        let loaded = config_file::read(&path, &Options::default())?;
        let mut found = loaded.diagnostics;
        let mut service = loaded.service;
        if let Some(service) = &mut service {
            overrule(service);
            verify(service, &mut found);
            found.sort();
        }
        let problems = render::plain(&found, &loaded.sources).lines().map(str::to_owned).collect();
        Ok(Reread { service: service.filter(|_| !found.has_errors()), problems })
    });
    let launch = Launch {
        service,
        registrations: crate::policy::REGISTRATIONS.to_vec(),
        driver: std::env::var("RINGWAY_DRIVER").ok(),
        reader: Some(reader),
        steering: Steering::Signals,
        listening: None,
    };
    // Without it everything works, a little dearer.
    let _ = crate::net::huge_pages::start();
    match server::run(launch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("ERROR starting: {error}"));
            ExitCode::FAILURE
        }
    }
}

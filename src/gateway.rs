//! The embedding API: a gateway made in a program, with the program's own policies beside ours.
//! Stands above the server and below the command line, which is one user of it. Reads files and the
//! environment on behalf of the floors that may not.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::diagnostic::Diagnostics;
use crate::config::load::{Loaded, Options, load};
use crate::config::model::Service;
use crate::config::render;
use crate::control::signals::Signal;
use crate::net::{clock, timer};
use crate::plan::policy::{Registration, ordered};
use crate::policy::REGISTRATIONS;
use crate::server::{self, Launch, Reader, Reread, StartError, Steering};

/// What a gateway is made of. Start with [`Gateway::builder`].
#[derive(Default)]
pub struct Builder {
    source: Option<Source>,
    policies: Vec<Registration>,
    driver: Option<String>,
    port: Option<u16>,
    strict: bool,
    listening: Option<Box<dyn FnOnce(u16) + Send>>,
}

#[derive(Clone)]
enum Source {
    File(String),
    Text { name: String, text: Vec<u8> },
}

/// A gateway that is ready to serve.
pub struct Gateway {
    launch: Launch,
    warnings: Vec<String>,
}

/// A gateway that serves on threads of its own. Dropping it stops it.
pub struct Running {
    port: u16,
    asked: Option<Sender<Signal>>,
    thread: Option<JoinHandle<Result<(), StartError>>>,
}

/// Why a gateway cannot be built.
#[derive(Debug)]
pub enum BuildError {
    /// Neither a file nor a text was given.
    NoConfiguration,
    /// The file cannot be read.
    Unreadable(String),
    /// The configuration is refused: a line for each problem, with file, line and column.
    Refused(Vec<String>),
    /// A policy asks to stand after one that does not exist in its stage.
    NoPlace(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoConfiguration => out.write_str("no configuration was given"),
            BuildError::Unreadable(why) | BuildError::NoPlace(why) => out.write_str(why),
            BuildError::Refused(problems) => out.write_str(&problems.join("\n")),
        }
    }
}

impl std::error::Error for BuildError {}

impl Gateway {
    /// Nothing yet; a configuration has to be named.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What was found in the configuration that does not keep it from running: a line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Serves on this thread until SIGTERM or SIGINT; SIGHUP reads a file again.
    pub fn run(self) -> Result<(), StartError> {
        server::run(self.launch)
    }

    /// Serves on threads of its own; signals stay the program's. Returns once it listens. The
    /// memory budget is one for the process: the gateway that was started last sets it.
    pub fn start(self) -> Result<Running, StartError> {
        let (asked, steering) = channel();
        let (listening, port) = channel();
        let told = self.launch.listening;
        let launch = Launch {
            steering: Steering::Channel(steering),
            listening: Some(Box::new(move |port| {
                if let Some(told) = told {
                    told(port);
                }
                // Nobody waits any more where `start` has already failed.
                let _ = listening.send(port);
            })),
            ..self.launch
        };
        let thread = std::thread::Builder::new()
            .name("ringway".to_owned())
            .spawn(move || server::run(launch))
            .map_err(|error| StartError(format!("the gateway's thread does not start: {error}")))?;
        match port.recv() {
            Ok(port) => Ok(Running { port, asked: Some(asked), thread: Some(thread) }),
            Err(_) => Err(match thread.join() {
                Ok(Err(error)) => error,
                Ok(Ok(())) => StartError("it ended before it listened".into()),
                Err(_) => StartError("it panicked while it started".into()),
            }),
        }
    }
}

impl Running {
    /// The port that it listens on: the kernel's choice where the configuration says 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Reads the configuration again, as SIGHUP does; what is wrong with it goes to the log. Works
    /// for a file. Returns at once.
    pub fn reload(&self) {
        self.ask(Signal::Reload);
    }

    /// Takes no new connections, lets what is in flight finish (`max_shutdown_wait_time`), ends.
    pub fn stop(mut self) -> Result<(), StartError> {
        self.end()
    }

    fn ask(&self, what: Signal) {
        if let Some(asked) = &self.asked {
            // A gateway that has ended on its own needs no asking.
            let _ = asked.send(what);
        }
    }

    fn end(&mut self) -> Result<(), StartError> {
        self.ask(Signal::Stop);
        self.asked = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(StartError("it panicked".into())),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Builder {
    /// The configuration is this file: .yaml, .yml and .toml by their names, anything else is JSON.
    /// It can be reloaded.
    pub fn config_file(mut self, path: impl AsRef<Path>) -> Builder {
        self.source = Some(Source::File(path.as_ref().to_string_lossy().into_owned()));
        self
    }

    /// The configuration is this text; its name decides the format and stands in messages.
    pub fn config_text(mut self, name: impl Into<String>, text: impl Into<Vec<u8>>) -> Builder {
        self.source = Some(Source::Text { name: name.into(), text: text.into() });
        self
    }

    /// Adds a policy: at the end of its stage, or after the one that [`Registration::after`] names.
    /// Its namespace is then known to the configuration.
    pub fn policy(mut self, registration: Registration) -> Builder {
        self.policies.push(registration);
        self
    }

    /// `"io_uring"`, `"monoio"` (io_uring without our own ring, to compare) or `"epoll"`; default: the
    /// environment's `RINGWAY_DRIVER`, else the best that the kernel allows.
    pub fn driver(mut self, name: impl Into<String>) -> Builder {
        self.driver = Some(name.into());
        self
    }

    /// Listens on this port, whatever the configuration says.
    pub fn port(mut self, port: u16) -> Builder {
        self.port = Some(port);
        self
    }

    /// Unknown keys and names that KrakenD silently replaces refuse the configuration.
    pub fn strict(mut self) -> Builder {
        self.strict = true;
        self
    }

    /// Told the port once it listens, on the gateway's own thread.
    pub fn on_listening(mut self, told: impl FnOnce(u16) + Send + 'static) -> Builder {
        self.listening = Some(Box::new(told));
        self
    }

    /// Reads and checks everything.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let registrations = ordered(REGISTRATIONS, &self.policies).map_err(BuildError::NoPlace)?;
        let source = self.source.ok_or(BuildError::NoConfiguration)?;
        let reading = Reading {
            options: Options {
                strict: self.strict,
                also_known: self.policies.iter().map(|one| one.namespace.to_owned()).collect(),
            },
            port: self.port,
        };
        let verify = |service: &Service, found: &mut Diagnostics| {
            server::verify(service, &registrations, found);
        };
        let Reread { service, problems } =
            reading.read(&source, &verify).map_err(BuildError::Unreadable)?;
        let Some(service) = service else { return Err(BuildError::Refused(problems)) };
        let reader: Option<Reader> = match &source {
            Source::Text { .. } => None,
            Source::File(_) => Some(Box::new(move |verify| reading.read(&source, verify))),
        };
        let launch = Launch {
            service,
            registrations,
            driver: self.driver.or_else(|| std::env::var("RINGWAY_DRIVER").ok()),
            reader,
            steering: Steering::Signals,
            listening: self.listening,
        };
        Ok(Gateway { launch, warnings: problems })
    }
}

/// How the source is read, the first time and at each reload.
struct Reading {
    options: Options,
    port: Option<u16>,
}

impl Reading {
    fn read(&self, source: &Source, verify: &server::Verify<'_>) -> Result<Reread, String> {
        let loaded = match source {
            Source::File(path) => read_file(path, &self.options)?,
            Source::Text { name, text } => read_text(name, text, &self.options),
        };
        let mut found = loaded.diagnostics;
        let mut service = loaded.service;
        if let Some(service) = &mut service {
            service.port = self.port.unwrap_or(service.port);
            verify(service, &mut found);
            found.sort();
        }
        let problems = render::plain(&found, &loaded.sources).lines().map(str::to_owned).collect();
        Ok(Reread { service: service.filter(|_| !found.has_errors()), problems })
    }
}

/// Reads a configuration file with what its reading needs from the process; the error is that the
/// file itself cannot be read.
pub(crate) fn read_file(path: &str, options: &Options) -> Result<Loaded, String> {
    let text = std::fs::read(path).map_err(|error| format!("'{path}' (open): {error}"))?;
    Ok(read_text(path, &text, options))
}

fn read_text(name: &str, text: &[u8], options: &Options) -> Loaded {
    let environment: Vec<_> = std::env::vars_os()
        .map(|(name, value)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        })
        .collect();
    let files = |path: &str| std::fs::read(path).map_err(|error| error.to_string());
    load(&files, name, text, &environment, options)
}

/// Waits on a worker, for policies that answer [`crate::Verdict::Wait`]; to about 10 ms.
pub fn sleep(time: Duration) -> impl Future<Output = ()> {
    timer::sleep_until(clock::now() + time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::policy::{Level, Stage};

    fn one() -> Registration {
        Registration::new("test/one", Stage::Engine, Level::SERVICE, |_, _| None)
    }

    fn refusal(builder: Builder) -> String {
        builder.build().err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_cannot_be_built() {
        let text = |text: &str| Gateway::builder().config_text("g.json", text);
        let good = "{\"version\": 3, \"endpoints\": []}";
        for (case, builder, expected) in [
            ("nothing", Gateway::builder(), "no configuration was given"),
            ("no file", Gateway::builder().config_file("no-such.json"), "'no-such.json' (open):"),
            ("broken", text("{"), "g.json:1:"),
            ("no place", text(good).policy(one().after("nope")), "no policy is called \"nope\""),
        ] {
            let found = refusal(builder);
            assert!(found.starts_with(expected), "{case}: {found}");
        }
    }

    #[test]
    fn added_namespaces_are_known() {
        let text = "{\"version\": 3, \"endpoints\": [], \"extra_config\": {\"test/one\": {}}}";
        let builder = || Gateway::builder().config_text("g.json", text).strict();
        assert!(refusal(builder()).contains("test/one"), "unknown without the policy");
        let built = builder().policy(one()).build().expect("the namespace is known");
        let warnings = built.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("no endpoints"), "{warnings:?}");
    }
}

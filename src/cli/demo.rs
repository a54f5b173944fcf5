//! `ringway demo`: a gateway with three backends of its own, to try at once what a merge is and what
//! happens when a part of it is missing.

mod backends;

use super::tell;
use crate::gateway::Gateway;
use backends::Backends;
use std::process::ExitCode;

/// What `demo` is asked.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Listen on this port
    #[arg(short, long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
}

/// The configuration, as it stands in the repository.
const CONFIGURATION: &str = include_str!("../../config/demo.json");

/// Exit code 0 after a signal, 1 when it cannot start.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match serve(arguments.port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell(&format!("ERROR starting: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(port: u16) -> Result<(), String> {
    let backends = Backends::start().map_err(|error| format!("no backends: {error}"))?;
    let text = backends.placed_in(CONFIGURATION);
    let told = backends.clone();
    let gateway = Gateway::builder()
        .config_text("demo.json", text)
        .port(port)
        .on_listening(move |port| tell(&what_to_try(port, &told)))
        .build()
        .map_err(|error| error.to_string())?;
    gateway.run().map_err(|error| error.to_string())
}

fn what_to_try(port: u16, backends: &Backends) -> String {
    let [users, orders, reviews] = backends.addresses();
    format!(
        "Ringway serves config/demo.json on http://127.0.0.1:{port}, with backends of its own:\n\
         users on {users}, orders on {orders}, reviews on {reviews}. Ctrl-C ends it.\n\n\
         One answer made of three:\n\
         \x20 curl -i http://127.0.0.1:{port}/shop/1\n\n\
         A backend that fails leaves its part out, and X-Krakend-Completed says so:\n\
         \x20 curl -X POST http://{orders}/break/orders\n\
         \x20 curl -i http://127.0.0.1:{port}/shop/1\n\
         \x20 curl -X POST http://{orders}/mend/orders\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_to_try() {
        let backends = Backends::at([1, 2, 3].map(|port| ([127, 0, 0, 1], port).into()));
        insta::assert_snapshot!(what_to_try(8080, &backends));
        let placed = backends.placed_in(CONFIGURATION);
        for port in [8081, 8082, 8083] {
            assert!(!placed.contains(&format!("127.0.0.1:{port}")), "{port} is still there");
        }
    }
}

//! `ringway init`: a starter file in the profile `safe`, with comments.

use super::{print, tell};
use std::io::Write as _;
use std::process::ExitCode;

/// What is written, and where to.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The file; `-` for standard output. Default: ringway with the extension of the format
    file: Option<String>,
    /// The format; default: by the file's extension, else JSON
    #[arg(short, long)]
    format: Option<Format>,
    /// Replace a file that is already there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Json,
    Yaml,
    Toml,
}

impl Format {
    fn of(file: &str) -> Format {
        match crate::config::syntax::Format::of(file) {
            crate::config::syntax::Format::Json => Format::Json,
            crate::config::syntax::Format::Yaml => Format::Yaml,
            crate::config::syntax::Format::Toml => Format::Toml,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Format::Json => include_str!("init/ringway.json"),
            Format::Yaml => include_str!("init/ringway.yaml"),
            Format::Toml => include_str!("init/ringway.toml"),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Format::Json => "ringway.json",
            Format::Yaml => "ringway.yaml",
            Format::Toml => "ringway.toml",
        }
    }
}

/// Writes the file; exit code 1 when that fails or it is there already.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let by_name = arguments.file.as_deref().map_or(Format::Json, Format::of);
    let format = arguments.format.unwrap_or(by_name);
    let file = arguments.file.as_deref().unwrap_or(format.file());
    if file == "-" {
        print(format.text());
        return ExitCode::SUCCESS;
    }
    if Format::of(file) != format {
        tell(&format!("ERROR {file}: its extension stands for another format than was asked for"));
        return ExitCode::FAILURE;
    }
    match write(file, format.text(), arguments.force) {
        Ok(()) => {
            tell(&format!("{file} written; see what it says with: ringway check -d -c {file}"));
            ExitCode::SUCCESS
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            tell(&format!("ERROR {file} is there already; --force replaces it"));
            ExitCode::FAILURE
        }
        Err(error) => {
            tell(&format!("ERROR writing {file}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn write(file: &str, text: &str, force: bool) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    // `create_new` leaves no moment in which somebody else's file could be lost.
    options.write(true).create(force).create_new(!force).truncate(force);
    options.open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{Options, load};
    use crate::config::model::{Profile, Service};
    use crate::config::render;

    fn service(format: Format) -> Service {
        let strict = Options { strict: true, ..Options::default() };
        let files = |_: &str| Err(String::new());
        let loaded = load(&files, format.file(), format.text().as_bytes(), &[], &strict);
        let told = render::plain(&loaded.diagnostics, &loaded.sources);
        assert!(told.is_empty(), "{told}");
        loaded.service.expect("no problems were told")
    }

    #[test]
    fn all_formats_say_the_same() {
        let json = service(Format::Json);
        assert_eq!(json.behaviour.profile, Profile::Safe);
        for format in [Format::Yaml, Format::Toml] {
            let other = service(format);
            assert_eq!(
                super::super::dump::dump(&other, 3, " "),
                super::super::dump::dump(&json, 3, " ")
            );
        }
    }

    #[test]
    fn an_existing_file_stays() {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let path = directory.path().join("x.json");
        let file = path.to_str().expect("a plain path");
        write(file, "one", false).expect("a new file");
        let refused = write(file, "two", false).map_err(|error| error.kind());
        assert_eq!(refused, Err(std::io::ErrorKind::AlreadyExists));
        write(file, "3", true).expect("replaced");
        assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some("3"));
    }
}

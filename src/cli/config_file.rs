//! The file of `-c` with everything that its reading needs from the process: the file system, the
//! environment, the terminal. `check` and `run` come through here, so that they agree.

use crate::config::diagnostic::Diagnostics;
use crate::config::load::{Loaded, Options, load};
use crate::config::render;
use crate::config::source::Sources;
use std::io::IsTerminal as _;

/// Reads a configuration; the error is that the file itself cannot be read.
pub(super) fn read(path: &str, options: &Options) -> Result<Loaded, String> {
    let text = std::fs::read(path).map_err(|error| format!("'{path}' (open): {error}"))?;
    let environment: Vec<_> = std::env::vars_os()
        .map(|(name, value)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        })
        .collect();
    let files = |path: &str| std::fs::read(path).map_err(|error| error.to_string());
    Ok(load(&files, path, &text, &environment, options))
}

/// Prints problems to standard error: with the lines of the file on a terminal, one line each
/// otherwise.
pub(super) fn tell(found: &Diagnostics, sources: &Sources) {
    use std::io::Write as _;
    let error = std::io::stderr();
    let text = match error.is_terminal() {
        // https://no-color.org: any value but an empty one.
        true => {
            let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            render::snippets(found, sources, colour)
        }
        false => render::plain(found, sources),
    };
    let _ = error.lock().write_all(text.as_bytes());
}

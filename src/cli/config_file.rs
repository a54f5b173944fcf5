//! The file of `-c` and what is told about it on the terminal. `check`, `run` and `explain` come
//! through here, so that they agree.

use crate::config::diagnostic::Diagnostics;
use crate::config::render;
use crate::config::source::Sources;
pub(super) use crate::gateway::read_file as read;
use std::io::IsTerminal as _;

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

//! Arguments of the programs: positions for the bare loops, names for the generators.

use std::io;
use std::str::FromStr;

/// A positional argument of the program.
pub fn argument<T: FromStr>(at: usize, name: &str) -> io::Result<T> {
    let text = std::env::args().nth(at);
    let missing = || io::Error::other(format!("argument {at}: {name}"));
    text.and_then(|text| text.parse().ok()).ok_or_else(missing)
}

/// The argument after `name`, or `default` where it is not there.
pub fn option<T: FromStr>(name: &str, default: T) -> io::Result<T> {
    let mut all = std::env::args().skip_while(|argument| argument != name);
    if all.next().is_none() {
        return Ok(default);
    }
    let wrong = || io::Error::other(format!("{name}: a value is wanted"));
    all.next().and_then(|text| text.parse().ok()).ok_or_else(wrong)
}

/// Whether `name` stands there.
pub fn flag(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

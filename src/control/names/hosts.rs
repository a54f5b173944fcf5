//! The hosts file: names that need no query. Read again when it changes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Larger files are cut: a hosts file is written by hand, or by a list of blocked names.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The file as it was when it was last read.
pub(super) struct Hosts {
    path: PathBuf,
    changed: Option<SystemTime>,
    names: HashMap<String, Vec<IpAddr>>,
}

impl Hosts {
    pub fn new(path: PathBuf) -> Self {
        Self { path, changed: None, names: HashMap::new() }
    }

    /// The addresses of a lower-case name in the file's order; reads the file first when it is
    /// newer. No file is an empty file.
    pub fn find(&mut self, host: &str) -> Option<&[IpAddr]> {
        let changed = std::fs::metadata(&self.path).and_then(|about| about.modified()).ok();
        if changed != self.changed {
            self.changed = changed;
            self.names = read(&self.path);
        }
        self.names.get(host.trim_end_matches('.')).map(Vec::as_slice)
    }
}

fn read(path: &Path) -> HashMap<String, Vec<IpAddr>> {
    let bytes = std::fs::read(path).unwrap_or_default();
    parse(&String::from_utf8_lossy(&bytes[..bytes.len().min(BYTES_MAX)]))
}

fn parse(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut names: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        // A scoped address (`fe80::1%eth0`) names a link of this machine: no backend is there.
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        for name in words {
            let known = names.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default();
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_hosts_file() {
        let names = parse(
            "# comment\n127.0.0.1 localhost # me\n\n::1\tlocalhost ip6-localhost\n\
             10.0.0.1 Web.Example. web\n10.0.0.2 web\n10.0.0.1 web\nnonsense web\nfe80::1%lo0 x\n",
        );
        let find = |name: &str| {
            let found = names.get(name).cloned().unwrap_or_default();
            found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
        };
        for (name, expected) in [
            ("localhost", "127.0.0.1 ::1"),
            ("ip6-localhost", "::1"),
            ("web.example", "10.0.0.1"),
            ("web", "10.0.0.1 10.0.0.2"),
            ("me", ""),
            ("x", ""),
        ] {
            assert_eq!(find(name), expected, "{name}");
        }
    }
}

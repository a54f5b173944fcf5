//! The committed inputs of each target: `corpora/<floor>/<entry>/`, a file each, read in the order of
//! their names. A file that begins with `broke-` once broke something.

use std::path::{Path, PathBuf};

/// Where the inputs of a target stand: `http::fuzz_head` in `corpora/http/head`.
pub fn directory(target: &str) -> PathBuf {
    root().join(target.replace("::fuzz_", "::").replace("::", "/"))
}

/// All inputs of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut files = entries(&directory(target));
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a corpus file is readable")).collect()
}

/// All directories that hold inputs.
pub fn directories() -> Vec<PathBuf> {
    entries(&root()).iter().flat_map(|floor| entries(floor)).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpora")
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

//! What the documents tell people to type is typed here: each `sh` block of the README and the
//! manual runs in an empty directory with the built binary on the PATH. The blocks of a page are
//! one script, so that a later block sees what an earlier one wrote or started; what was started
//! in the background ends with the page. The examples in `config/` pass `check --strict`.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::process::{self, Log};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, takes: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, takes, found);
        } else if takes(&path) {
            found.push(path);
        }
    }
    found.sort();
}

/// The README and the manual, without the specifications that it was built from.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let takes = |path: &Path| {
        path.extension().is_some_and(|extension| extension == "md")
            && !path.starts_with(root().join("docs/reference"))
    };
    files(&root().join("docs"), &takes, &mut found);
    found.extend([root().join("README.md")].into_iter().filter(|path| path.is_file()));
    found
}

/// The lines of all blocks that begin with ```` ```sh ````.
fn script(page: &str) -> String {
    let mut script = String::new();
    let mut inside = false;
    for line in page.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") {
            inside = !inside && trimmed.trim_end() == "```sh";
            continue;
        }
        if inside {
            // The binary of this build stands in for one that would take minutes to build again;
            // `.ci/run` types the real lines.
            let installs = trimmed.starts_with("cargo install") || trimmed.starts_with("git clone");
            let enters = trimmed.starts_with("cd ringway");
            if installs || enters {
                script.push_str("ringway --version\n");
            } else {
                script.push_str(line);
                script.push('\n');
            }
        }
    }
    script
}

#[test]
fn only_sh_blocks_are_taken() {
    let page = "a\n```sh\none\n```\n```json\n{}\n```\n  ```sh\n  two\n  cargo install --path .\n  ```\n```\nno\n```\n";
    assert_eq!(script(page), "one\n  two\nringway --version\n");
}

#[test]
fn what_a_page_starts_ends_with_it() {
    let begun = std::time::Instant::now();
    run(Path::new("a page"), "sleep 1000 &\necho started >file\ngrep -q started file\n");
    assert!(begun.elapsed() < Duration::from_secs(100), "the background job was not ended");
}

#[test]
fn the_commands_of_the_documents_work() {
    for page in pages() {
        let script = script(&fs::read_to_string(&page).expect("a page"));
        if !script.is_empty() {
            run(&page, &script);
        }
    }
}

#[track_caller]
fn run(page: &Path, script: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // The examples that the pages name by path.
    for folder in ["config", "examples"] {
        let _ = std::os::unix::fs::symlink(root().join(folder), directory.path().join(folder));
    }
    let binary = Path::new(process::binary()).parent().expect("a directory");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let whole = format!(
        "set -euo pipefail\n\
         trap 'status=$?; trap - EXIT; kill $(jobs -p) 2>/dev/null || true; wait; exit $status' EXIT\n\
         {script}"
    );
    let mut command = Command::new("bash");
    command.arg("-c").arg(&whole).current_dir(directory.path()).env("PATH", path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that nothing that it started outlives it.
    let mut child = command.process_group(0).spawn().expect("bash");
    let (stdout, stderr) = (Log::of(child.stdout.take()), Log::of(child.stderr.take()));
    let status = process::wait(&mut child, Duration::from_secs(120));
    if status.is_none() {
        let _ = child.kill();
    }
    let ended = status.is_some_and(|status| status.success());
    let page = page.strip_prefix(root()).unwrap_or(page).display();
    assert!(
        ended,
        "{page}: {status:?}\n{script}\nstdout: {}\nstderr: {}",
        stdout.text(),
        stderr.text()
    );
}

#[test]
fn the_examples_pass_the_strict_check() {
    let mut examples = Vec::new();
    let takes = |path: &Path| {
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        ["json", "yml", "yaml", "toml"].contains(&extension.as_str())
    };
    files(&root().join("config"), &takes, &mut examples);
    for example in examples {
        let name = example.file_name().expect("a name").to_string_lossy().into_owned();
        let directory = example.parent().expect("a directory");
        let found = process::run_in(directory, &["check", "--strict", "-c", &name], &[]);
        assert_eq!(found.status.code(), Some(0), "{}: {found}", example.display());
    }
}

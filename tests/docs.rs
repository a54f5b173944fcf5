//! What the documents tell people to type is typed here: each `sh` block of the README and the
//! manual runs in an empty directory with the built binary on the PATH. The blocks of a page are
//! one script, so that a later block sees what an earlier one wrote or started; what was started
//! in the background ends with the page. The examples in `config/` pass `check --strict`, start and
//! answer. Links between the pages lead somewhere.

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
            // The binary of this build stands in for one that would take minutes to build again, and
            // this test is part of `cargo test`; `.ci/run` types the real lines.
            let installs = trimmed.starts_with("cargo ") || trimmed.starts_with("git clone");
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

fn examples() -> Vec<PathBuf> {
    let mut examples = Vec::new();
    let takes = |path: &Path| {
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        ["json", "yml", "yaml", "toml"].contains(&extension.as_str())
    };
    files(&root().join("config"), &takes, &mut examples);
    examples
}

#[test]
fn the_examples_pass_the_strict_check() {
    for example in examples() {
        let name = example.file_name().expect("a name").to_string_lossy().into_owned();
        let directory = example.parent().expect("a directory");
        let found = process::run_in(directory, &["check", "--strict", "-c", &name], &[]);
        assert_eq!(found.status.code(), Some(0), "{}: {found}", example.display());
    }
}

/// Each example says what it shows, starts on a port of its own, and answers its health route.
#[test]
fn the_examples_start_and_answer() {
    for example in examples() {
        let shown = example.display();
        let text = fs::read_to_string(&example).expect("an example");
        let says = text.contains("\"_comment\"") || text.starts_with('#');
        assert!(says, "{shown}: no comment says what it shows");
        let path = text.split("\"health_path\": \"").nth(1).and_then(|rest| rest.split('"').next());
        let health = path.unwrap_or("/__health");
        let port = support::ports::free_port();
        let number = port.number.to_string();
        let name = example.file_name().expect("a name").to_string_lossy().into_owned();
        let directory = example.parent().expect("a directory");
        let mut command = process::command(directory, &["run", "-c", &name, "-p", &number]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let (stdout, stderr) = (Log::of(child.stdout.take()), Log::of(child.stderr.take()));
        let told = || format!("{shown}\n{}{}", stdout.text(), stderr.text());
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port.number));
        support::until(&format!("{shown} listens"), || {
            let ended = child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "it ended with {ended:?}: {}", told());
            std::net::TcpStream::connect(address).is_ok()
        });
        support::Connection::open(address)
            .send(format!("GET {health} HTTP/1.1\r\nHost: gw\r\n\r\n"))
            .status(200);
        process::signal(child.id(), libc::SIGTERM);
        let status = process::wait(&mut child, support::PATIENCE);
        if status.is_none() {
            let _ = child.kill();
        }
        assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", told());
    }
}

/// The same example in three formats means the same.
#[test]
fn the_formats_agree() {
    let directory = root().join("config");
    let dump = |name: &str| {
        let found = process::run_in(&directory, &["check", "-dd", "-c", name], &[]);
        assert_eq!(found.status.code(), Some(0), "{name}: {found}");
        found.stderr.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let json = dump("merge.json");
    for name in ["merge.yaml", "merge.toml"] {
        assert_eq!(dump(name), json, "{name}");
    }
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// Targets of `[text](target)` and `![text](target)` outside of fenced blocks.
fn links(page: &str) -> Vec<&str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        }
        if !inside {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            found.extend(targets);
        }
    }
    found
}

#[test]
fn links_lead_somewhere() {
    assert_eq!(anchor("`ringway.limits`"), "ringwaylimits");
    let mut pages = pages();
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        pages.push(root().join(name));
    }
    let mut wrong = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        for link in links(&text) {
            // Results are made by a run of the load tests.
            if link.contains("://") || link.starts_with("loadtests/") {
                continue;
            }
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().expect("a directory").join(path),
            };
            let has_anchor = || {
                let text = fs::read_to_string(&target).unwrap_or_default();
                text.lines().any(|line| {
                    line.starts_with('#') && { anchor(line.trim_start_matches('#')) == wanted }
                })
            };
            if !target.exists() || (!wanted.is_empty() && !has_anchor()) {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The book shows every page of the manual.
#[test]
fn every_page_is_in_the_summary() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).expect("the summary");
    let listed = links(&summary);
    let mut found = Vec::new();
    files(&root().join("docs"), &|path| path.extension().is_some_and(|e| e == "md"), &mut found);
    let wrong: Vec<_> = found
        .iter()
        .filter_map(|page| page.strip_prefix(root().join("docs")).ok())
        .map(|page| page.display().to_string())
        .filter(|page| page != "SUMMARY.md" && !listed.contains(&page.as_str()))
        .collect();
    assert!(wrong.is_empty(), "not in docs/SUMMARY.md: {wrong:#?}");
}

/// The names of the rows' tests: the lists of `both_drivers!` in `tests/hardening`.
fn row_tests() -> Vec<String> {
    let mut sources = Vec::new();
    files(
        &root().join("tests/hardening"),
        &|path| path.extension() == Some("rs".as_ref()),
        &mut sources,
    );
    let mut names = Vec::new();
    for source in sources {
        let text = fs::read_to_string(source).expect("a source");
        for list in text.split("both_drivers! {").skip(1) {
            let list = list.split('}').next().unwrap_or_default();
            names.extend(list.split(',').map(|name| name.trim().to_owned()));
        }
    }
    names.retain(|name| !name.is_empty());
    names.sort();
    names
}

/// The cells of the lines of tables.
fn cells(page: &str) -> impl Iterator<Item = Vec<&str>> {
    page.lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.split('|').skip(1).map(str::trim).collect())
}

/// Each row of tables A and C has a test that is named after it, and the page that says what the
/// tests assert names them all, each at its row.
#[test]
fn every_row_of_the_hardening_tables_has_its_test() {
    let page = fs::read_to_string(root().join("docs/design/hardening-tests.md")).expect("the page");
    let tables = fs::read_to_string(root().join("docs/reference/hardening.md")).expect("the rows");
    let tests = row_tests();
    let of_row = |row: &str| format!("{}_", row.to_lowercase());
    let is_row = |cell: &str| {
        let (table, number) = cell.split_at(1.min(cell.len()));
        matches!(table, "A" | "C") && number.parse::<u32>().is_ok()
    };
    let rows: Vec<_> = cells(&tables).map(|cells| cells[0]).filter(|cell| is_row(cell)).collect();
    assert!(rows.len() >= 18 + 13, "rows: {rows:?}");
    for row in &rows {
        let has_test = tests.iter().any(|test| test.starts_with(&of_row(row)));
        assert!(has_test, "{row} has no test in tests/hardening");
    }
    let mut told: Vec<String> = cells(&page)
        .filter(|cells| cells.len() > 2 && cells[1].starts_with('`') && cells[1].contains('_'))
        .map(|cells| {
            let test = cells[1].trim_matches('`').to_owned();
            assert!(test.starts_with(&of_row(cells[0])), "{test} stands at {}", cells[0]);
            test
        })
        .collect();
    told.sort();
    assert_eq!(told, tests, "the page and the tests differ");
}

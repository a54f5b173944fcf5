//! The rules of the house, as tests: floors look down only, every file says what it is for, no
//! drawer files, no forbidden words, `unsafe` only where it is allowed.

use std::fs;
use std::path::{Path, PathBuf};

/// Floor of each top-level module: a module may name only modules of a lower number, or itself.
/// `net` and `control` stand beside the sans-IO floors: those may not name them, nor they `plan`.
const FLOORS: &[(&str, u32)] = &[
    ("json", 0),
    ("http", 0),
    ("config", 10),
    ("net", 15),
    ("plan", 20),
    ("control", 25),
    ("telemetry", 30),
    ("upstream", 40),
    ("protocol", 50),
    ("policy", 50),
    ("proxy", 60),
    ("admin", 70),
    ("server", 80),
    ("gateway", 85),
    ("cli", 90),
];

/// The floors that must stay free of I/O.
const SANS_IO: &[&str] = &["json", "http", "config", "plan"];

fn floor(module: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, level)| *level)
}

fn rust_files(under: &str) -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(under), &mut found);
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display().to_string()
}

/// The lines of a file that are code: comments are cut off, the text of strings is left in.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(at, line)| {
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") { None } else { Some((at + 1, line)) }
    })
}

#[test]
fn floors_look_down_only() {
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let name = relative(&path);
        let module = name.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
        let Some(own) = floor(module) else { continue };
        let text = fs::read_to_string(&path).expect("a source file is readable");
        for (line, code) in code_lines(&text) {
            for (at, _) in code.match_indices("crate::") {
                let rest = &code[at + "crate::".len()..];
                let other: String =
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let Some(level) = floor(&other) else { continue };
                let into_io = SANS_IO.contains(&module) && !SANS_IO.contains(&other.as_str());
                let beside =
                    matches!(module, "net" | "control") && SANS_IO.contains(&other.as_str());
                let allowed_beside = module == "control" && other != "plan";
                if other != module && (level >= own || into_io || (beside && !allowed_beside)) {
                    wrong.push(format!(
                        "{name}:{line}: `{module}` names `crate::{other}`, which is not below it: \
                         take the value or a trait instead, or move the code down"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let wrong: Vec<_> = ["src", "tests", "benches", "examples"]
        .iter()
        .flat_map(|under| rust_files(under))
        .filter(|path| !fs::read_to_string(path).is_ok_and(|text| text.starts_with("//!")))
        .map(|path| relative(&path))
        .collect();
    assert!(wrong.is_empty(), "no module doc at the top of: {wrong:#?}");
}

#[test]
fn no_drawer_files() {
    let drawers = ["utils.rs", "util.rs", "common.rs", "helpers.rs", "types.rs", "misc.rs"];
    let wrong: Vec<_> = rust_files("src")
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|n| drawers.iter().any(|d| n == *d)))
        .map(|path| relative(&path))
        .collect();
    assert!(wrong.is_empty(), "one concept, one file with its name: {wrong:#?}");
}

#[test]
fn no_forbidden_words() {
    // Written in halves so that this file does not find itself.
    let words = [
        ["to", "do!("].concat(),
        ["db", "g!("].concat(),
        ["unimple", "mented!("].concat(),
        ["FIX", "ME"].concat(),
        ["#[ig", "nore"].concat(),
        ["should_", "panic"].concat(),
    ];
    let mut wrong = Vec::new();
    for under in ["src", "tests", "benches", "examples"] {
        for path in rust_files(under) {
            let text = fs::read_to_string(&path).expect("a source file is readable");
            for (at, line) in text.lines().enumerate() {
                if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                    wrong.push(format!("{}:{}: `{word}`", relative(&path), at + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Files of `src/` with the lines where `unsafe` is written; a line of an attribute is none.
fn unsafe_lines() -> Vec<(String, String, Vec<usize>)> {
    let keyword = ["uns", "afe "].concat();
    let mut found = Vec::new();
    for path in rust_files("src") {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = code_lines(&text).filter(|(_, code)| code.contains(&keyword));
        let lines: Vec<usize> = lines.map(|(line, _)| line).collect();
        if !lines.is_empty() {
            found.push((relative(&path), text, lines));
        }
    }
    found
}

#[test]
fn unsafe_stands_where_it_may() {
    let wrong: Vec<_> = unsafe_lines()
        .into_iter()
        .filter(|(name, ..)| !name.starts_with("src/net/") && !name.starts_with("src/json/scan"))
        .map(|(name, _, lines)| format!("{name}: {lines:?}"))
        .collect();
    assert!(wrong.is_empty(), "`unsafe` belongs in `net/` and `json/scan.rs` only: {wrong:#?}");
}

/// Each place says why it is sound: in the comment before it, or, for a function, in what it does.
#[test]
fn every_unsafe_says_why_it_is_sound() {
    const BEFORE: usize = 12;
    const AFTER: usize = 6;
    let mut wrong = Vec::new();
    for (name, text, lines) in unsafe_lines() {
        let all: Vec<&str> = text.lines().collect();
        for line in lines {
            let (from, to) = (line.saturating_sub(BEFORE), (line + AFTER).min(all.len()));
            if !all[from..to].iter().any(|text| text.contains("SAFETY:")) {
                wrong.push(format!("{name}:{line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no SAFETY: near {wrong:#?}");
}

/// The table of `docs/design/unsafe.md` has each file, no other, and tests that exist.
#[test]
fn every_unsafe_is_in_its_table() {
    let page = source("docs/design/unsafe.md").expect("the page is there");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `src/")).collect();
    let listed: Vec<&str> = rows.iter().filter_map(|row| row.split('`').nth(1)).collect();
    let files: Vec<String> = unsafe_lines().into_iter().map(|(name, ..)| name).collect();
    let missing: Vec<_> = files.iter().filter(|file| !listed.contains(&file.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/design/unsafe.md: {missing:?}");
    let gone: Vec<_> = listed.iter().filter(|row| !files.iter().any(|file| file == *row)).collect();
    assert!(gone.is_empty(), "in docs/design/unsafe.md without any `unsafe`: {gone:?}");
    let code: String = ["src", "tests"]
        .iter()
        .flat_map(|under| rust_files(under))
        .map(|path| fs::read_to_string(path).unwrap_or_default())
        .collect();
    for row in rows {
        let tests = row.rsplit('|').nth(1).unwrap_or_default();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in the row {row}");
        for name in names {
            assert!(code.contains(&format!("fn {name}(")), "no test `{name}`: {row}");
        }
    }
}

/// The commands that the page on security gives as proof run something.
#[test]
fn the_proofs_of_the_security_page_exist() {
    let page = source("docs/security.md").expect("the page is there");
    let commands: Vec<&str> =
        page.split('`').filter(|text| text.starts_with("cargo test --")).collect();
    assert!(commands.len() > 20, "{}", commands.len());
    let mut wrong = Vec::new();
    for command in commands {
        let words: Vec<&str> = command.split(' ').skip(2).collect();
        let (under, filter) = match words[..] {
            ["--lib", filter] => ("src".to_owned(), Some(filter)),
            ["--test", binary] => (format!("tests/{binary}"), None),
            ["--test", binary, filter] => (format!("tests/{binary}"), Some(filter)),
            _ => {
                wrong.push(format!("not understood: {command}"));
                continue;
            }
        };
        let mut files = rust_files(&under);
        files.extend(Some(PathBuf::from(format!("{under}.rs"))).filter(|file| file.exists()));
        let parts: Vec<&str> = filter.into_iter().flat_map(|f| f.split("::")).collect();
        let is_known = |part: &&str| {
            files.iter().any(|file| {
                let is_file = relative(file).split(['/', '.']).any(|step| step == *part);
                let text = fs::read_to_string(file).unwrap_or_default();
                is_file
                    || text.contains(&format!("fn {part}("))
                    || text.contains(&format!("mod {part} "))
            })
        };
        let known = parts.iter().filter(|part| !part.is_empty()).all(|part| is_known(part));
        if files.is_empty() || !known {
            wrong.push(command.to_owned());
        }
    }
    assert!(wrong.is_empty(), "no such tests: {wrong:#?}");
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let mut wrong = Vec::new();
    for under in ["src", "tests", "benches", "examples", "loadtests"] {
        for path in rust_files(under) {
            let text = fs::read_to_string(&path).expect("a source file is readable");
            for (at, line) in text.lines().enumerate() {
                let machine = ["/ro", "ot/"].concat();
                let workplace = ["/wo", "rk/"].concat();
                if line.contains(&machine) || line.contains(&workplace) {
                    wrong.push(format!("{}:{}", relative(&path), at + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a path of one machine: {wrong:#?}");
}

/// The text of all manual pages, lower floors of `docs/` too.
fn manual() -> String {
    fn walk(directory: &Path, found: &mut String) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            // The specifications that the behaviour was taken from are no manual of ours.
            let is_reference = path.ends_with("docs/reference");
            if path.is_dir() && !is_reference {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push_str(&fs::read_to_string(&path).unwrap_or_default());
            }
        }
    }
    let mut found = String::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"), &mut found);
    found
}

fn source(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// Every string literal of the code in `text` that `wanted` takes.
fn literals(text: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code_lines(code)
        .flat_map(|(_, line)| line.split('"').skip(1).step_by(2))
        .filter(|literal| wanted(literal))
        .map(str::to_owned)
        .collect()
}

/// A policy that nobody lists does nothing, and nobody would notice.
#[test]
fn every_policy_and_protocol_is_listed_and_documented() {
    let manual = manual();
    let mut wrong = Vec::new();
    for floor in ["src/policy", "src/protocol"] {
        let list = source(&format!("{floor}/mod.rs")).unwrap_or_default();
        for path in rust_files(floor) {
            let name = relative(&path);
            let inside = name.trim_start_matches(floor).trim_start_matches('/');
            let module = inside.split(['/', '.']).next().unwrap_or_default();
            if module == "mod" {
                continue;
            }
            if !list.contains(&format!("mod {module};")) {
                wrong.push(format!("{name}: not declared in {floor}/mod.rs"));
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.contains("Registration::new(") {
                if !list.contains(&format!("{module}::POLICY")) {
                    wrong.push(format!("{name}: its POLICY is not in the list of {floor}/mod.rs"));
                }
                let namespace = text
                    .split("Registration::new(")
                    .nth(1)
                    .and_then(|rest| rest.split('"').nth(1))
                    .unwrap_or_default();
                if !manual.contains(namespace) {
                    wrong.push(format!("{name}: no page of docs/ mentions `{namespace}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_metric_is_in_the_manual() {
    let Some(names) = source("src/telemetry/names.rs") else { return };
    let manual = manual();
    let is_metric = |literal: &str| {
        let ours = ["ringway_", "krakend_", "http_"].iter().any(|p| literal.starts_with(p));
        ours && literal
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
    };
    let wrong: Vec<_> =
        literals(&names, is_metric).into_iter().filter(|name| !manual.contains(name)).collect();
    assert!(wrong.is_empty(), "metrics that no page of docs/ mentions: {wrong:#?}");
}

/// Labels that tell outcomes and ends of connections apart are met by whoever reads a dashboard.
#[test]
fn every_outcome_and_close_reason_is_in_the_manual() {
    let manual = manual();
    let is_label = |literal: &str| {
        literal.len() > 1 && literal.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let outcomes = source("src/proxy/outcome.rs").unwrap_or_default();
    let outcomes: String = outcomes
        .lines()
        .filter(|line| line.contains(" = \""))
        .map(|line| format!("{line}\n"))
        .collect();
    let connection = source("src/server/connection.rs").unwrap_or_default();
    let reasons = connection.split("CLOSE_REASONS: &[&str] = &[").nth(1).unwrap_or_default();
    let reasons = reasons.split("];").next().unwrap_or_default();
    let labels = [literals(&outcomes, is_label), literals(reasons, is_label)].concat();
    assert!(labels.len() > 40, "the tables were not found");
    let wrong: Vec<_> =
        labels.iter().filter(|label| !manual.contains(&format!("`{label}`"))).collect();
    assert!(wrong.is_empty(), "labels that no page of docs/ mentions: {wrong:#?}");
}

/// The manual shows each key that acts: its table is made from, or held against, the one table of
/// keys in `config/`.
#[test]
fn every_key_is_in_the_manual() {
    let page = ["docs/reference-keys.md", "docs/keys.md", "docs/configuration.md"]
        .iter()
        .find_map(|page| source(page));
    let Some(page) = page else { return };
    let mut wrong = Vec::new();
    for path in rust_files("src/config/known") {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let is_key = |literal: &str| {
            !literal.is_empty()
                && literal.bytes().all(|b| b.is_ascii_lowercase() || b"_/-.0123456789".contains(&b))
                && literal.bytes().any(|b| b.is_ascii_lowercase())
        };
        for key in literals(&text, is_key) {
            if !page.contains(&format!("`{key}`")) {
                wrong.push(format!("{}: `{key}`", relative(&path)));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "keys that the manual's table does not show:\n{}", wrong.join("\n"));
}

/// A peer that no list names is never met by the gateway.
#[test]
fn every_peer_and_topic_takes_part() {
    let mut wrong = Vec::new();
    for (folder, list) in [
        ("tests/peers", "tests/peers/mod.rs"),
        ("tests/e2e", "tests/e2e/main.rs"),
        ("tests/limits", "tests/limits/main.rs"),
        ("tests/host", "tests/host/main.rs"),
    ] {
        let list_text = source(list).unwrap_or_default();
        for path in rust_files(folder) {
            let name = relative(&path);
            if name == list || name.trim_start_matches(folder).matches('/').count() > 1 {
                continue;
            }
            let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !list_text.contains(&format!("mod {module};")) {
                wrong.push(format!("{name} is not in {list}"));
            }
            if folder == "tests/peers" && !list_text.contains(&format!("{module}::peers()")) {
                wrong.push(format!("{name}: its peers are not in the list of {list}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

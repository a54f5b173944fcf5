//! Each row of the fault matrix that stands in the specification has a line in
//! `docs/design/fault-tests.md`, and each test that is named there exists.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text between a heading and the next one.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}")).unwrap_or_else(|| panic!("no {heading}"));
    let rest = &text[start + 1 + heading.len()..];
    &rest[..rest.find("\n#").unwrap_or(rest.len())]
}

/// The rows of a table as cells.
fn rows(section: &str) -> Vec<Vec<String>> {
    let lines = section.lines().filter(|line| line.starts_with('|'));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    lines.map(cells).skip(2).collect()
}

/// The names of all functions of the project.
fn functions() -> String {
    fn walk(directory: &Path, found: &mut String) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push_str(&fs::read_to_string(&path).unwrap_or_default());
            }
        }
    }
    let mut found = String::new();
    for under in ["src", "tests"] {
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(under), &mut found);
    }
    found
}

#[test]
fn every_row_has_its_test() {
    let (specified, page) =
        (read("docs/reference/hardening.md"), read("docs/design/fault-tests.md"));
    let functions = functions();
    let mut wrong = Vec::new();
    let mut named = Vec::new();
    for (theirs, ours) in [
        ("### 4.1 ", "## 4.1 "),
        ("### 4.2 ", "## 4.2 "),
        ("### 4.4 ", "## 4.4 "),
        ("### E. ", "## E "),
        ("### F. ", "## F "),
    ] {
        let lines = rows(section(&page, ours));
        for row in rows(section(&specified, theirs)) {
            let Some(line) = lines.iter().find(|line| line[0] == row[0]) else {
                wrong.push(format!("{ours}: no line for {:?}", row[0]));
                continue;
            };
            let tests: Vec<_> = line[1].split('`').skip(1).step_by(2).collect();
            let says_why = line[1].starts_with('–') && line[1].len() > 8;
            if !says_why && (tests.is_empty() || line[2].is_empty()) {
                wrong.push(format!("{ours}: {:?} names no test and no reason", row[0]));
            }
            for test in tests.iter().filter(|test| !test.contains(['/', '.'])) {
                if !functions.contains(&format!("fn {test}(")) {
                    wrong.push(format!("{ours}: {:?} names {test}, which is nowhere", row[0]));
                }
                named.push((*test).to_owned());
            }
        }
    }
    assert!(named.len() > 50, "the tables were not found: {named:?}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

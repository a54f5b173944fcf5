//! The page of limits and these tests know the same keys and labels.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first cells of the first table.
fn keys() -> Vec<String> {
    let page = read("docs/limits.md");
    let table = page.split("## Without a key").next().expect("the first table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`').map(|(key, _)| key.to_owned())).collect()
}

#[test]
fn every_key_has_its_test() {
    let mut tests = String::new();
    for file in ["connections", "overload", "requests", "responses", "slow", "times"] {
        tests.push_str(&read(&format!("tests/limits/{file}.rs")));
    }
    // Only a clock that can be turned would reach an average over ten seconds at both of its sides.
    tests.push_str(&read("src/server/pace.rs").replace("rate_min", "\"body_rate_min\""));
    let keys = keys();
    assert!(keys.len() >= 30, "the table was not found: {keys:?}");
    let missing: Vec<_> =
        keys.iter().filter(|key| !tests.contains(&format!("\"{key}\""))).collect();
    assert!(missing.is_empty(), "keys without a test: {missing:?}");
}

/// What the page calls a label is one: of an outcome, of a close reason, or of the two counters.
#[test]
fn every_label_of_the_page_exists() {
    let page = read("docs/limits.md");
    let metrics = read("docs/metrics.md");
    let labels: BTreeSet<_> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| ---"))
        .filter_map(|line| line.trim_end_matches(" |").rsplit("| ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(labels.len() > 15, "{labels:?}");
    let unknown: Vec<_> =
        labels.iter().filter(|label| !metrics.contains(&format!("`{label}`"))).collect();
    assert!(unknown.is_empty(), "labels that docs/metrics.md does not know: {unknown:?}");
}

/// The example of `config/` says every key, so that it can be copied.
#[test]
fn the_example_has_every_key() {
    let example = read("config/limits.json");
    let missing: Vec<_> =
        keys().into_iter().filter(|key| !example.contains(&format!("\"{key}\""))).collect();
    assert!(missing.is_empty(), "keys that config/limits.json does not show: {missing:?}");
}

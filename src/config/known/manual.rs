//! The table of known keys as the manual prints it.

use super::{Class, Known, Scope, keys, namespaces};
use std::fmt::Write as _;

/// Both tables as Markdown: the keys of every kind of object, then the namespaces.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Known keys\n\nKeys that begin with `$`, `@`, `_` or `#` are comments everywhere. \
         Keys that stand in no table are told about with the nearest spelling; `--strict` refuses \
         them, and so does `ringway` always.\n",
    );
    for scope in Scope::ALL {
        let _ =
            write!(page, "\n## {}\n\n| key | here | it |\n| --- | --- | --- |\n", scope.title());
        for Known { key, class, does } in keys(scope) {
            let _ = writeln!(page, "| `{key}` | {} | {} |", class_words(*class), cell(does));
        }
    }
    page.push_str(
        "\n## Namespaces of `extra_config`\n\n| namespace | old name | in | here | it |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for row in namespaces() {
        let old = row.internal.map_or(String::new(), |name| format!("`{name}`"));
        let levels: Vec<_> = row.levels.iter().map(|level| level.words()).collect();
        let (levels, class) = (levels.join(", "), class_words(row.class));
        let _ =
            writeln!(page, "| `{}` | {old} | {levels} | {class} | {} |", row.alias, cell(row.does));
    }
    page
}

fn class_words(class: Class) -> &'static str {
    match class {
        Class::Acts => "acts",
        Class::RefusedUntilBuilt => "refused until built",
        Class::WarnedAbout => "warned about",
        Class::Comment => "comment",
    }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page in the manual is this table: `RINGWAY_WRITE_MANUAL=1` writes it anew.
    #[test]
    fn the_manual_has_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/known-keys.md");
        if std::env::var_os("RINGWAY_WRITE_MANUAL").is_some() {
            std::fs::write(path, markdown()).expect("the manual can be written");
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == markdown(), "docs/known-keys.md is old: RINGWAY_WRITE_MANUAL=1 cargo test");
    }

    #[test]
    fn every_row_is_printed() {
        let page = markdown();
        let rows: usize = Scope::ALL.iter().map(|scope| keys(*scope).len()).sum();
        let printed = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(printed, rows + namespaces().len());
        assert!(page.contains("| `tls` | refused until built | serves TLS |"));
    }
}

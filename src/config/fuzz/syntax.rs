//! The three syntaxes: what a text says is the same after it was written out, and our JSON is
//! exactly what another strict reader takes for JSON.

use crate::config::diagnostic::Diagnostics;
use crate::config::json_text;
use crate::config::node::Tree;
use crate::config::source::SourceId;
use crate::config::syntax::{self, Format};
use crate::http::fuzz::{about, seen};

/// Any text as JSON, YAML and TOML. A tree, written as JSON and read again, is the same tree.
pub fn fuzz_syntax(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let mut outcomes = Vec::new();
    for name in ["f.json", "f.yaml", "f.toml"] {
        let Some(tree) = parsed(name, text) else {
            outcomes.push(None);
            continue;
        };
        let written = written(&tree);
        outcomes.push(Some(about(tree.n_nodes())));
        // One format counts a value in the innermost list as a level, another does not.
        if !is_shallow(&written) {
            continue;
        }
        let again = parsed("f.json", &written).expect("a written tree is JSON");
        assert_eq!(self::written(&again), written, "{name}");
    }
    // Depths that the other reader refuses are not compared.
    if is_shallow(text) && !text.starts_with('\u{feff}') {
        let other = serde_json::from_str::<serde_json::Value>(text);
        let is_number_out_of_range = other.as_ref().is_err_and(|error| {
            let error = error.to_string();
            error.contains("out of range") || error.contains("surrogate")
        });
        if !is_number_out_of_range {
            let ours = outcomes.first().is_some_and(Option::is_some);
            assert_eq!(ours, other.is_ok(), "{other:?}");
        }
    }
    seen(outcomes)
}

fn is_shallow(text: &str) -> bool {
    text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() < 100
}

fn parsed(name: &str, text: &str) -> Option<Tree> {
    let mut found = Diagnostics::new(false);
    let tree = syntax::parse(Format::of(name), text, SourceId::default(), &mut found);
    tree.filter(|_| !found.has_errors())
}

fn written(tree: &Tree) -> String {
    let mut out = String::new();
    json_text::write(tree.root(), &mut out);
    out
}

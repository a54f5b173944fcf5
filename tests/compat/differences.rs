//! The table of allowed differences in `DIFFERENCES.md`: read, applied, and held to occur.
//!
//! A row is `| decision | case | request | facts | why |`. The request is a label such as
//! `GET /all`; `GET /all @15` is the fifteenth request of its case, where labels repeat. The facts
//! are the beginnings of the differing lines, in backticks: each line that differs must begin with
//! one of them, and each of them must be there.

use crate::case::Label;
use std::cell::Cell;
use std::path::Path;

struct Row {
    decision: String,
    case: String,
    request: String,
    facts: Vec<String>,
    used: Cell<bool>,
}

pub struct Differences(Vec<Row>);

impl Differences {
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/DIFFERENCES.md");
        Self::parse(&std::fs::read_to_string(path).expect("DIFFERENCES.md"))
    }

    fn parse(text: &str) -> Self {
        let rows = text.lines().filter(|line| line.starts_with("| ")).filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [decision, case, request, facts, _why] = cells.as_slice() else {
                panic!("not five cells: {line}")
            };
            if *decision == "decision" {
                return None;
            }
            let facts: Vec<String> =
                facts.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            assert!(!facts.is_empty(), "no facts: {line}");
            Some(Row {
                decision: decision.to_string(),
                case: case.to_string(),
                request: request.trim_matches('`').to_owned(),
                facts,
                used: Cell::new(false),
            })
        });
        Differences(rows.collect())
    }

    /// Are these differing lines of this request just those that the table explains?
    pub fn judge(
        &self,
        case: &str,
        at: usize,
        label: &Label,
        lines: &[String],
    ) -> Result<(), String> {
        // `check` and `run` come first, so the first request has position 2.
        let numbered = format!("{} @{}", label.text, at.saturating_sub(1));
        let rows: Vec<&Row> = self
            .0
            .iter()
            .filter(|row| row.case == case)
            .filter(|row| row.request == label.text || row.request == numbered)
            .collect();
        let mut wrong: Vec<String> = Vec::new();
        for line in lines {
            let explained = rows.iter().any(|row| row.facts.iter().any(|f| begins(line, f)));
            if !explained {
                let short: String = line.chars().take(400).collect();
                wrong.push(format!("    unexplained: {short}"));
            }
        }
        for row in rows {
            row.used.set(true);
            for fact in &row.facts {
                if !lines.iter().any(|line| begins(line, fact)) {
                    wrong.push(format!("    listed ({}), but equal: {fact}", row.decision));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// Rows that no request of any case matched.
    pub fn never_asked(&self) -> Vec<String> {
        let all = std::env::var("COMPAT_CASE").is_err();
        let rows = self.0.iter().filter(|row| all && !row.used.get());
        rows.map(|row| format!("{}: no request `{}`", row.case, row.request)).collect()
    }
}

/// A fact names the line with its sign, or on both sides without one.
fn begins(line: &str, fact: &str) -> bool {
    line.starts_with(fact) || line.get(2..).is_some_and(|rest| rest.starts_with(fact))
}

#[test]
fn a_table_explains_just_what_it_lists() {
    let table = Differences::parse(
        "| decision | case | request | facts | why |\n|---|---|---|---|---|\n\
         | 1 | c | `GET /a` | `- status: 200` `+ status: 400` | x |\n\
         | 2 | c | `GET /b @2` | `body` | x |\n",
    );
    let label = |text: &str| Label { text: text.into(), ignore: Vec::new(), quirk: None };
    let judge = |at, text, lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        table.judge("c", at, &label(text), &lines).is_ok()
    };
    assert!(judge(2, "GET /a", &["- status: 200", "+ status: 400"]));
    assert!(!judge(2, "GET /a", &["- status: 200", "+ status: 500"]), "another difference");
    assert!(!judge(2, "GET /a", &[]), "the listed one does not occur");
    assert_eq!(table.never_asked().len(), 1);
    assert!(judge(3, "GET /b", &["- body: x", "+ body: y"]));
    assert!(judge(4, "GET /b", &[]) && !judge(4, "GET /b", &["+ body: y"]), "another of its name");
    assert!(judge(5, "GET /c", &[]) && !judge(5, "GET /c", &["+ note: x"]));
    assert!(table.never_asked().is_empty());
}

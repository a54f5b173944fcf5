//! A case: a configuration, the script of the backend, the requests, and what was recorded.

use crate::facts::Observation;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

pub struct Case {
    pub name: String,
    pub value: Value,
    /// Positions of the requests that `later.txt` leaves out.
    left_out: Vec<usize>,
}

/// What a request is called, and what is not compared of its answer.
pub struct Label {
    pub text: String,
    pub ignore: Vec<String>,
    pub quirk: Option<String>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat")
}

impl Case {
    /// All cases, without what `later.txt` leaves out. `COMPAT_CASE` names the only ones to run.
    pub fn all() -> Vec<Case> {
        let only = std::env::var("COMPAT_CASE").unwrap_or_default();
        let mut names: Vec<String> = fs::read_dir(directory().join("cases"))
            .expect("the cases")
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json").map(Into::into))
            .filter(|name: &String| name.contains(&only))
            .collect();
        names.sort();
        assert!(!names.is_empty(), "no case");
        names.into_iter().map(Case::read).collect()
    }

    fn read(name: String) -> Case {
        let path = directory().join("cases").join(format!("{name}.json"));
        let text = fs::read_to_string(path).expect("a case");
        let value = serde_json::from_str(&text).expect("a case is JSON");
        let mut case = Case { name, value, left_out: Vec::new() };
        for path in later(&case.name) {
            case.leave_out(&path);
        }
        case
    }

    /// Takes an endpoint and the requests for it out of the case.
    fn leave_out(&mut self, path: &str) {
        let named = |entry: &Value, key: &str| {
            let target = entry[key].as_str().unwrap_or_default();
            target.split('?').next() == Some(path)
        };
        let endpoints = self.value["config"]["endpoints"].as_array_mut().expect("endpoints");
        let before = endpoints.len();
        endpoints.retain(|endpoint| !named(endpoint, "endpoint"));
        assert!(endpoints.len() < before, "later.txt: no {path} in {}", self.name);
        let requests = self.value["requests"].as_array().expect("requests");
        for (at, request) in requests.iter().enumerate() {
            if named(request, "path") {
                self.left_out.push(at);
            }
        }
    }

    /// The requests with their position among all of the case.
    pub fn requests(&self) -> impl Iterator<Item = &Value> {
        self.value["requests"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
            .filter(|(at, _)| !self.left_out.contains(at))
            .map(|(_, request)| request)
    }

    /// What was recorded: `check`, `run`, then one for each request.
    pub fn golden(&self) -> Vec<Observation> {
        let path = directory().join("golden").join(format!("{}.json", self.name));
        let text = fs::read_to_string(path).expect("recorded answers");
        let all: Vec<Value> = serde_json::from_str(&text).expect("recorded answers are JSON");
        let mut position = vec![None, None];
        for (at, request) in self.value["requests"].as_array().into_iter().flatten().enumerate() {
            position.extend(vec![Some(at); repeats(request)]);
        }
        assert_eq!(all.len(), position.len(), "{}: recorded answers", self.name);
        all.iter()
            .zip(position)
            .filter(|(_, at)| at.is_none_or(|at| !self.left_out.contains(&at)))
            .map(|(value, _)| Observation::recorded(value))
            .collect()
    }

    pub fn labels(&self) -> Vec<Label> {
        let plain = |text: &str| Label { text: text.into(), ignore: Vec::new(), quirk: None };
        let mut labels = vec![plain("check"), plain("run")];
        for request in self.requests() {
            let method = request["method"].as_str().unwrap_or("GET");
            let path = request["path"].as_str().expect("a path");
            for n in 0..repeats(request) {
                let mut text = format!("{method} {path}");
                if repeats(request) > 1 {
                    text.push_str(&format!(" #{}", n + 1));
                }
                let ignore = request["ignore"].as_array().into_iter().flatten();
                labels.push(Label {
                    text,
                    ignore: ignore.filter_map(|v| v.as_str().map(Into::into)).collect(),
                    quirk: request["quirk"].as_str().map(Into::into),
                });
            }
        }
        labels
    }
}

pub fn repeats(request: &Value) -> usize {
    request["repeat"].as_u64().map_or(1, |n| usize::try_from(n).expect("a small number"))
}

/// The endpoints of this case that wait for later work: lines `CASE PATH` of `later.txt`.
fn later(name: &str) -> Vec<String> {
    let text = fs::read_to_string(directory().join("later.txt")).expect("later.txt");
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .filter_map(|line| {
            let (case, path) = line.split_once(' ').expect("CASE PATH");
            (case == name).then(|| path.trim().to_owned())
        })
        .collect()
}

//! What was observed of one request, as comparable lines.

use serde_json::Value;

/// Headers of the answer that are never compared: hop, date, length, version banner.
pub const SKIP_RESPONSE: &[&str] = &[
    "date",
    "x-krakend",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "server",
];
/// Headers of the backend's request that are counted apart.
pub const SOFT_REQUEST: &[&str] = &[
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-via",
    "x-forwarded-proto",
    "content-length",
    "transfer-encoding",
];
pub const SKIP_REQUEST: &[&str] = &["connection", "keep-alive"];

pub type Pairs = Vec<(String, String)>;

/// One request as the backend got it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AtBackend {
    pub line: String,
    pub headers: Pairs,
    pub soft: Pairs,
    pub body: String,
}

/// Everything that is known of one request, or of `check` and `run`.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    pub exit: Option<String>,
    pub start: Option<String>,
    pub status: String,
    pub headers: Pairs,
    pub banner: Option<bool>,
    pub body: Option<String>,
    pub note: Option<String>,
    pub backend: Vec<AtBackend>,
}

impl Observation {
    pub fn missing() -> Self {
        Observation { status: "missing".into(), ..Default::default() }
    }

    pub fn is_up(&self) -> bool {
        self.start.as_deref() == Some("up")
    }

    pub fn recorded(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let pairs = |value: &Value| {
            let pairs = value.as_array().into_iter().flatten();
            let part = |pair: &Value, n: usize| text(&pair[n]).expect("a header");
            pairs.map(|pair| (part(pair, 0), part(pair, 1))).collect::<Pairs>()
        };
        let mut backend: Vec<_> = value["backend"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|request| AtBackend {
                line: text(&request["line"]).expect("a line"),
                headers: pairs(&request["headers"]),
                soft: pairs(&request["soft"]),
                body: text(&request["body"]).expect("a body"),
            })
            .collect();
        backend.sort();
        let status = match &value["status"] {
            Value::Null => String::new(),
            Value::String(words) => words.clone(),
            number => number.to_string(),
        };
        Observation {
            exit: text(&value["exit"]),
            start: text(&value["start"]),
            status,
            headers: pairs(&value["headers"]),
            banner: value["banner"].as_bool(),
            body: text(&value["body"]),
            note: text(&value["note"]),
            backend,
        }
    }

    pub fn bodies(&self) -> impl Iterator<Item = &str> {
        self.body.as_deref().into_iter().chain(self.backend.iter().map(|b| b.body.as_str()))
    }

    /// One line for each fact that counts.
    fn hard(&self, ignore: &[String]) -> Vec<String> {
        let counts = |what: &str| !ignore.iter().any(|i| i == what);
        let mut out = Vec::new();
        out.extend(self.exit.iter().map(|v| format!("exit: {v}")));
        out.extend(self.start.iter().map(|v| format!("start: {v}")));
        if !self.status.is_empty() {
            out.push(format!("status: {}", self.status));
        }
        if counts("body") {
            out.extend(self.body.iter().map(|v| format!("body: {v}")));
        }
        out.extend(self.note.iter().map(|v| format!("note: {v}")));
        for (name, value) in &self.headers {
            if counts("headers") && counts(&format!("header:{name}")) {
                out.push(format!("header {name}: {value}"));
            }
        }
        if counts("backend") {
            for (n, request) in self.backend.iter().enumerate() {
                out.push(format!("backend[{n}] {}", request.line));
                for (name, value) in &request.headers {
                    out.push(format!("backend[{n}] header {name}: {value}"));
                }
                out.push(format!("backend[{n}] body: {}", request.body));
            }
        }
        out
    }

    /// The facts that are counted apart: identity, forwarded fields, framing to the backend.
    pub fn soft(&self, ignore: &[String]) -> Vec<String> {
        let mut out = Vec::new();
        out.extend(self.banner.map(|banner| format!("x-krakend banner: {banner}")));
        if !ignore.iter().any(|what| what == "backend") {
            for (n, request) in self.backend.iter().enumerate() {
                out.extend(request.soft.iter().map(|(k, v)| format!("backend[{n}] {k}: {v}")));
            }
        }
        out
    }
}

/// The facts of only one side: `- fact` theirs, `+ fact` ours.
pub fn compare(theirs: &Observation, ours: &Observation, ignore: &[String]) -> Vec<String> {
    let (theirs, ours) = (theirs.hard(ignore), ours.hard(ignore));
    let mut left = ours.clone();
    let mut out = Vec::new();
    for line in &theirs {
        match left.iter().position(|other| other == line) {
            Some(at) => drop(left.remove(at)),
            None => out.push(format!("- {line}")),
        }
    }
    out.extend(left.into_iter().map(|line| format!("+ {line}")));
    out
}

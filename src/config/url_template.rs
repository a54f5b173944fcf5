//! `url_pattern` of a backend: literal text and references to parameters, split into path and query.
//! Source: docs/reference/lura-core.md 1.5, 1.6, 3.2, 3.3.

use super::path::{braces, with_slash};
use std::fmt::Write as _;

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlPart {
    /// Text as written.
    Literal(String),
    /// The value of a parameter.
    Param(UrlParam),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlParam {
    /// A parameter of the endpoint's path: an index into `EndpointPath::params`.
    Endpoint {
        /// Which.
        index: usize,
        /// Its name as written.
        name: String,
    },
    /// Something that only a sequence or a validated token can supply: `resp0_id`, `JWT.sub`. When
    /// nothing does, `{{.Name}}` itself goes out, as in KrakenD.
    Later {
        /// The name with its first letter in upper case: `Resp0_id`.
        name: String,
    },
}

/// A compiled `url_pattern`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate {
    /// As written, with one leading slash: `/users/{id}?full=1`.
    pub text: String,
    /// In KrakenD's inner form, which its error texts show: `/users/{{.Id}}?full=1`.
    pub stored: String,
    /// The part before the first `?`.
    pub path: Vec<UrlPart>,
    /// The part behind it; `None` without a `?`.
    pub query: Option<Vec<UrlPart>>,
}

/// Why a pattern is refused. The first two carry KrakenD's texts in `config::model::backend`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// More placeholders than the endpoint has.
    Mismatch {
        /// All placeholders, sorted, each once.
        outputs: Vec<String>,
    },
    /// A placeholder that the endpoint does not have.
    Undefined {
        /// Which.
        name: String,
        /// All placeholders, sorted, each once.
        outputs: Vec<String>,
    },
    /// A placeholder whose parameter got another name, since text follows it in its segment.
    RunsOn {
        /// Which.
        name: String,
    },
    /// What Go's URL parser would fail on at every request.
    Url(&'static str),
}

/// First letter in upper case, as KrakenD names parameters inside.
pub fn titled(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => format!("{}{}", first.to_ascii_uppercase(), letters.as_str()),
        None => String::new(),
    }
}

/// Values of earlier backends and of tokens: `^(resp\d+_.+)?(JWT\.[\w\-.:/]+)?$`.
fn comes_later(name: &str) -> bool {
    let after_number = name.strip_prefix("resp").and_then(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 { None } else { rest[digits..].strip_prefix('_') }
    });
    after_number.is_some_and(|rest| !rest.is_empty())
        || name.strip_prefix("JWT.").is_some_and(|rest| !rest.is_empty())
}

impl UrlTemplate {
    /// Compiles a pattern against the endpoint's placeholders (`inputs`) and parameters.
    pub fn parse(written: &str, inputs: &[String], params: &[String]) -> Result<Self, UrlError> {
        let text = with_slash(written);
        check_url(&text)?;
        check_params(&text, inputs, params)?;
        // A fragment is never sent.
        let sent = text.split_once('#').map_or(text.as_str(), |(sent, _)| sent);
        let (path, query) = match sent.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (sent, None),
        };
        Ok(UrlTemplate {
            stored: stored(&text),
            path: parts(path, params),
            query: query.map(|query| parts(query, params)),
            text,
        })
    }

    /// Names of parameters that only a sequence or a token can supply.
    pub fn later(&self) -> impl Iterator<Item = &str> {
        let parts = self.path.iter().chain(self.query.iter().flatten());
        parts.filter_map(|part| match part {
            UrlPart::Param(UrlParam::Later { name }) => Some(name.as_str()),
            _ => None,
        })
    }
}

fn check_url(text: &str) -> Result<(), UrlError> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(UrlError::Url("holds a control character"));
    }
    let path = text.split(['?', '#']).next().unwrap_or("");
    let bad_escape = path.match_indices('%').any(|(at, _)| {
        let digits = path.as_bytes().get(at + 1..at + 3);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if bad_escape { Err(UrlError::Url("holds an invalid URL escape")) } else { Ok(()) }
}

fn check_params(text: &str, inputs: &[String], params: &[String]) -> Result<(), UrlError> {
    let mut outputs: Vec<String> = braces(text).map(|(_, name)| name.to_owned()).collect();
    outputs.sort_unstable();
    outputs.dedup();
    // KrakenD's counter leaves out the last name of all; the check below catches that one.
    let last = outputs.len().saturating_sub(1);
    let counted = outputs.iter().take(last).filter(|name| !comes_later(name)).count();
    if counted > inputs.len() {
        return Err(UrlError::Mismatch { outputs });
    }
    for name in outputs.iter().filter(|name| !comes_later(name)) {
        if !inputs.contains(name) {
            return Err(UrlError::Undefined { name: name.clone(), outputs: outputs.clone() });
        }
        if !params.contains(name) {
            return Err(UrlError::RunsOn { name: name.clone() });
        }
    }
    Ok(())
}

/// `{name}` as `{{.Name}}`.
fn stored(text: &str) -> String {
    let mut stored = String::with_capacity(text.len() + 8);
    let mut done = 0;
    for (at, name) in braces(text) {
        stored.push_str(text.get(done..at).unwrap_or(""));
        let _ = write!(stored, "{{{{.{}}}}}", titled(name));
        done = at + name.len() + 2;
    }
    stored.push_str(text.get(done..).unwrap_or(""));
    stored
}

fn parts(text: &str, params: &[String]) -> Vec<UrlPart> {
    let mut parts = Vec::new();
    let mut done = 0;
    let literal = |range: &str, parts: &mut Vec<UrlPart>| {
        if !range.is_empty() {
            parts.push(UrlPart::Literal(range.to_owned()));
        }
    };
    for (at, name) in braces(text) {
        literal(text.get(done..at).unwrap_or(""), &mut parts);
        // Two parameters whose names differ in the first letter's case alone are one inside
        // KrakenD, where the later value counts.
        let inner = titled(name);
        let index = params.iter().rposition(|param| titled(param) == inner);
        parts.push(UrlPart::Param(match index {
            Some(index) if !comes_later(name) => {
                UrlParam::Endpoint { index, name: name.to_owned() }
            }
            _ => UrlParam::Later { name: inner },
        }));
        done = at + name.len() + 2;
    }
    literal(text.get(done..).unwrap_or(""), &mut parts);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn shape(text: &str, inputs: &[&str]) -> String {
        let show = |parts: &[UrlPart]| -> String {
            parts
                .iter()
                .map(|part| match part {
                    UrlPart::Literal(text) => text.clone(),
                    UrlPart::Param(UrlParam::Endpoint { index, .. }) => format!("<{index}>"),
                    UrlPart::Param(UrlParam::Later { name }) => format!("<{name}>"),
                })
                .collect()
        };
        match UrlTemplate::parse(text, &names(inputs), &names(inputs)) {
            Ok(url) => format!(
                "{} {}{}",
                url.stored,
                show(&url.path),
                url.query.map_or(String::new(), |query| format!(" ? {}", show(&query)))
            ),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn templates() {
        for (text, inputs, expected) in [
            ("", &[][..], "/ /"),
            ("a/b", &[], "/a/b /a/b"),
            ("//a//b", &[], "//a//b //a//b"),
            ("/a/{x}", &["x"], "/a/{{.X}} /a/<0>"),
            ("/{y}/{x}/{y}", &["x", "y"], "/{{.Y}}/{{.X}}/{{.Y}} /<1>/<0>/<1>"),
            ("/a?x={x}&y=1", &["x"], "/a?x={{.X}}&y=1 /a ? x=<0>&y=1"),
            ("/pre-{x}-post", &["x"], "/pre-{{.X}}-post /pre-<0>-post"),
            (
                "/a/{resp0_id}/{JWT.sub}",
                &[],
                "/a/{{.Resp0_id}}/{{.JWT.sub}} /a/<Resp0_id>/<JWT.sub>",
            ),
            ("/a#frag", &[], "/a#frag /a"),
            ("/a/{}", &[], "/a/{} /a/{}"),
            ("/a?", &[], "/a? /a ? "),
        ] {
            assert_eq!(shape(text, inputs), expected, "{text}");
        }
    }

    #[test]
    fn refusals() {
        for (text, inputs, expected) in [
            ("/{y}", &["x"][..], "Undefined { name: \"y\", outputs: [\"y\"] }"),
            ("/{y}", &[], "Undefined { name: \"y\", outputs: [\"y\"] }"),
            ("/{b}/{a}", &[], "Mismatch { outputs: [\"a\", \"b\"] }"),
            ("/{resp0}", &["x"], "Undefined { name: \"resp0\", outputs: [\"resp0\"] }"),
            ("/{X}", &["x"], "Undefined { name: \"X\", outputs: [\"X\"] }"),
            ("/a%zz", &[], "Url(\"holds an invalid URL escape\")"),
            ("/a%4", &[], "Url(\"holds an invalid URL escape\")"),
            ("/a\n", &[], "Url(\"holds a control character\")"),
        ] {
            assert_eq!(shape(text, inputs), expected, "{text}");
        }
        let runs_on = UrlTemplate::parse("/{id}", &names(&["id"]), &names(&["id.json"]));
        assert_eq!(runs_on, Err(UrlError::RunsOn { name: "id".into() }));
    }
}

//! Paths of endpoints: cleaning, placeholders, the router's form.
//! Source: docs/reference/lura-core.md 1.4, 1.6, 2.3.

/// One piece of a router path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutePart {
    /// These bytes, slashes included.
    Literal(String),
    /// The rest of the segment becomes this parameter: an index into [`EndpointPath::params`].
    Param(usize),
}

/// The path of an endpoint in all its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPath {
    /// With one leading slash and its placeholders: `/users/{id}`.
    pub text: String,
    /// As the router and KrakenD's log lines have it, joined and cleaned: `/users/:id`.
    pub route: String,
    /// The route cut at its parameters. A literal follows each parameter that is not the last,
    /// and begins with a slash.
    pub parts: Vec<RoutePart>,
    /// Names of the parameters in the order of the path, as written.
    pub params: Vec<String>,
}

/// Why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathError {
    /// KrakenD's forbidden pattern: a `*` inside, or one of the gateway's own paths.
    Forbidden,
    /// What KrakenD's router would panic about, in words.
    Route(&'static str),
}

/// A path with the names that its placeholders had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedPath {
    /// The path.
    pub path: EndpointPath,
    /// Names between braces, in order: what `url_pattern` may refer to.
    pub inputs: Vec<String>,
    /// A placeholder does not end its segment, so that its parameter has a longer name.
    pub runs_on: bool,
}

/// One leading slash, whatever was there.
pub fn with_slash(text: &str) -> String {
    format!("/{}", text.strip_prefix('/').unwrap_or(text))
}

/// Reads the `endpoint` key; `relaxed` is `disable_rest`.
pub fn parse(written: &str, relaxed: bool) -> Result<ParsedPath, PathError> {
    let text = with_slash(written);
    if is_forbidden(&text) {
        return Err(PathError::Forbidden);
    }
    let inputs = placeholders(&text, relaxed);
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query)),
        None => (text.clone(), None),
    };
    let mut route = path;
    for name in &inputs {
        route = route.replace(&format!("{{{name}}}"), &format!(":{name}"));
    }
    if let Some(query) = query {
        route.push('?');
        route.push_str(query);
    }
    let route = clean_route(&route);
    let (parts, params) = cut(&route).map_err(PathError::Route)?;
    let runs_on = inputs.iter().any(|name| !params.contains(name));
    Ok(ParsedPath { path: EndpointPath { text, route, parts, params }, inputs, runs_on })
}

fn is_forbidden(text: &str) -> bool {
    let star_inside = text.find('*').is_some_and(|at| at + 1 < text.len());
    let own = ["/__debug", "/__echo", "/__health"];
    let reserved = own.iter().any(|own| {
        text.match_indices(own).any(|(at, _)| {
            let after = &text[at + own.len()..];
            after.is_empty() || after.starts_with('/')
        })
    });
    star_inside || reserved
}

/// Names between braces: `/\{([A-Za-z0-9_-]+)\}`, or relaxed `\{([\w\-.:/]+)\}`.
fn placeholders(text: &str, relaxed: bool) -> Vec<String> {
    braces(text)
        .filter(|(at, name)| {
            let after_slash = *at > 0 && text.as_bytes().get(at - 1) == Some(&b'/');
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            relaxed || (after_slash && name.bytes().all(plain))
        })
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Every `{name}` of the relaxed form with the place of its brace.
pub fn braces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('{').filter_map(move |(at, _)| {
        let rest = text.get(at + 1..)?;
        let len =
            rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(b)).count();
        let name = rest.get(..len)?;
        (len > 0 && rest[len..].starts_with('}')).then_some((at, name))
    })
}

/// Go's `path.Join("/", route)` with a last slash kept.
fn clean_route(route: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in route.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut cleaned = format!("/{}", kept.join("/"));
    if route.ends_with('/') && !cleaned.ends_with('/') {
        cleaned.push('/');
    }
    cleaned
}

/// Cuts a route at its parameters, with the rules of KrakenD's router.
fn cut(route: &str) -> Result<(Vec<RoutePart>, Vec<String>), &'static str> {
    let mut parts = Vec::new();
    let mut params: Vec<String> = Vec::new();
    let mut literal = String::new();
    let mut rest = route;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        match letter {
            '\\' => match after.strip_prefix(':') {
                Some(after) => {
                    literal.push(':');
                    rest = after;
                }
                None => return Err("a backslash may only stand before a colon"),
            },
            '*' => return Err("wildcards are not built yet"),
            ':' => {
                let len = after.find('/').unwrap_or(after.len());
                let (name, next) = after.split_at(len);
                if name.is_empty() {
                    return Err("a colon without a name behind it");
                }
                if name.contains([':', '*']) {
                    return Err("only one parameter fits into a segment");
                }
                if !literal.is_empty() {
                    parts.push(RoutePart::Literal(std::mem::take(&mut literal)));
                }
                parts.push(RoutePart::Param(params.len()));
                params.push(name.to_owned());
                rest = next;
            }
            letter => {
                literal.push(letter);
                rest = after;
            }
        }
    }
    if !literal.is_empty() {
        parts.push(RoutePart::Literal(literal));
    }
    Ok((parts, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str, relaxed: bool) -> String {
        match parse(text, relaxed) {
            Ok(parsed) => format!(
                "{} {:?} {:?}{}",
                parsed.path.route,
                parsed.path.params,
                parsed.inputs,
                if parsed.runs_on { " runs on" } else { "" }
            ),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn strict() {
        for (text, expected) in [
            ("/a", "/a [] []"),
            ("a", "/a [] []"),
            ("", "/ [] []"),
            ("//a//b/", "/a/b/ [] []"),
            ("/a/../b/./c", "/b/c [] []"),
            ("/a/{x}/{y-z}", "/a/:x/:y-z [\"x\", \"y-z\"] [\"x\", \"y-z\"]"),
            ("/a{b}", "/a{b} [] []"),
            ("/x/{id}.json", "/x/:id.json [\"id.json\"] [\"id\"] runs on"),
            ("/v1:x", "/v1:x [\"x\"] []"),
            ("/v1\\:x", "/v1\\:x [] []"),
            ("/a/{b}{c}", "/a/:b{c} [\"b{c}\"] [\"b\"] runs on"),
            ("/a/{x}/b{x}", "/a/:x/b:x [\"x\", \"x\"] [\"x\"]"),
            ("/a/:", "Route(\"a colon without a name behind it\")"),
            ("/a/\\x", "Route(\"a backslash may only stand before a colon\")"),
            ("/a/*", "Route(\"wildcards are not built yet\")"),
            ("/a/*b", "Forbidden"),
            ("/__debug", "Forbidden"),
            ("/a/__echo/b", "Forbidden"),
            ("/__debugger", "/__debugger [] []"),
            ("/__health/", "Forbidden"),
        ] {
            assert_eq!(shape(text, false), expected, "{text}");
        }
    }

    #[test]
    fn relaxed() {
        for (text, expected) in [
            ("/file.{ext}", "/file.:ext [\"ext\"] [\"ext\"]"),
            ("/v1:{id}", "Route(\"only one parameter fits into a segment\")"),
            ("/a/{b}{c}", "Route(\"only one parameter fits into a segment\")"),
        ] {
            assert_eq!(shape(text, true), expected, "{text}");
        }
    }

    #[test]
    fn parts_of_a_route() {
        let path = parse("/a/{x}/b/{y}", false).expect("it is a path").path;
        let literal = |text: &str| RoutePart::Literal(text.into());
        assert_eq!(
            path.parts,
            [literal("/a/"), RoutePart::Param(0), literal("/b/"), RoutePart::Param(1)]
        );
    }
}

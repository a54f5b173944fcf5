//! `url_pattern` as run: literal bytes with holes for parameters, path and query apart.
//! KrakenD puts values in verbatim and lets Go's URL parser sort it out; in the path we send what
//! that sends, in the query we escape (design: differences, row 14).
//! Source: docs/reference/lura-core.md 1.6, 3.2, 3.3, 8.2 items 2 and 3.

use crate::config::url_template::{self, UrlParam, UrlPart};
use crate::http::uri;

/// Gives values to the holes of a template.
pub trait Values {
    /// The decoded value of a path parameter, by its index in the route.
    fn param(&self, at: u16) -> &[u8];
    /// The value of a parameter that a policy or an earlier backend gave (`JWT.sub`).
    fn named(&self, name: &str) -> Option<&[u8]>;
}

/// A compiled `url_pattern`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate {
    path: Box<[Piece]>,
    query: Box<[Piece]>,
    has_query: bool,
    /// KrakenD's spelling (`/foo/{{.Id}}`), shown in error texts.
    pub shown: Box<str>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As configured.
    Text(Box<[u8]>),
    /// A path parameter of the route.
    Param(u16),
    /// A value that is known at run time only; unresolved, its `{{.Name}}` is sent encoded.
    Named(Box<str>),
}

impl UrlTemplate {
    /// Compiles the configured pattern for a route.
    pub fn new(pattern: &url_template::UrlTemplate) -> UrlTemplate {
        let query = pattern.query.as_deref().unwrap_or_default();
        UrlTemplate {
            path: pieces(&pattern.path),
            query: pieces(query),
            has_query: !query.is_empty(),
            shown: pattern.stored.as_str().into(),
        }
    }

    /// Whether the pattern has a query part of its own.
    pub fn has_query(&self) -> bool {
        self.has_query
    }

    /// The bytes on the wire behind a host's own path, where nothing of them depends on the
    /// request.
    pub fn fixed(&self, prefix: &[u8]) -> Option<Vec<u8>> {
        let is_text = |piece: &Piece| matches!(piece, Piece::Text(_));
        if !self.path.iter().chain(&*self.query).all(is_text) {
            return None;
        }
        let mut fixed = Vec::new();
        self.write(prefix, &NoValues, &mut fixed);
        Some(fixed)
    }

    /// Appends path and query as they go on the wire, after a host's own path.
    pub fn write(&self, prefix: &[u8], values: &dyn Values, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(prefix);
        let mut is_plain = uri::is_wire_path(prefix);
        for piece in &self.path {
            match piece {
                Piece::Text(text) => {
                    is_plain &= uri::is_wire_path(text);
                    out.extend_from_slice(text);
                }
                Piece::Param(at) => is_plain &= put_segment(values.param(*at), out),
                Piece::Named(name) => match values.named(name) {
                    Some(value) => is_plain &= put_segment(value, out),
                    None => put_unresolved(name, out),
                },
            }
        }
        if !is_plain {
            let raw = out.split_off(start);
            uri::wire_path(&raw, out);
        }
        if self.has_query {
            out.push(b'?');
            for piece in &self.query {
                match piece {
                    Piece::Text(text) => uri::wire_query(text, out),
                    Piece::Param(at) => uri::encode_query_value(values.param(*at), out),
                    Piece::Named(name) => match values.named(name) {
                        Some(value) => uri::encode_query_value(value, out),
                        None => put_unresolved(name, out),
                    },
                }
            }
        }
    }
}

/// A value inside the path. `%`, `?`, `#` and `/` would change what the URL means, so they are
/// escaped here and survive the second look. Tells whether the bytes may stay as they are.
fn put_segment(value: &[u8], out: &mut Vec<u8>) -> bool {
    if uri::is_wire_path(value) && !value.contains(&b'/') && !value.contains(&b'%') {
        out.extend_from_slice(value);
        return true;
    }
    let mut is_plain = true;
    for byte in value {
        match byte {
            b'%' => out.extend_from_slice(b"%25"),
            b'?' => out.extend_from_slice(b"%3F"),
            b'#' => out.extend_from_slice(b"%23"),
            b'/' => out.extend_from_slice(b"%2F"),
            other => {
                is_plain = false;
                out.push(*other);
            }
        }
    }
    is_plain
}

fn put_unresolved(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"%7B%7B.");
    uri::encode_query_value(name.as_bytes(), out);
    out.extend_from_slice(b"%7D%7D");
}

struct NoValues;

impl Values for NoValues {
    fn param(&self, _: u16) -> &[u8] {
        b""
    }
    fn named(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

fn pieces(parts: &[UrlPart]) -> Box<[Piece]> {
    parts
        .iter()
        .map(|part| match part {
            UrlPart::Literal(text) => Piece::Text(text.as_bytes().into()),
            UrlPart::Param(UrlParam::Endpoint { index, .. }) => {
                Piece::Param(u16::try_from(*index).unwrap_or(u16::MAX))
            }
            UrlPart::Param(UrlParam::Later { name }) => Piece::Named(name.as_str().into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given<'a>(&'a [&'a str]);

    impl Values for Given<'_> {
        fn param(&self, at: u16) -> &[u8] {
            self.0.get(usize::from(at)).map(|v| v.as_bytes()).unwrap_or_default()
        }
        fn named(&self, name: &str) -> Option<&[u8]> {
            (name == "JWT.sub").then_some(b"me/you")
        }
    }

    #[test]
    fn what_goes_on_the_wire() {
        for (pattern, values, expected) in [
            ("/a", &[][..], "/a"),
            ("a", &[], "/a"),
            ("", &[], "/"),
            ("/echo/{x}", &["1"], "/echo/1"),
            ("/echo/{x}", &["hello world"], "/echo/hello%20world"),
            ("/echo/{y}/{x}/{y}", &["1", "2"], "/echo/2/1/2"),
            ("/echo/pre-{x}-post", &["7"], "/echo/pre-7-post"),
            ("/echo?x={x}", &["a&b=1"], "/echo?x=a%26b%3D1"),
            ("/echo?x={x}&k=v", &["a"], "/echo?x=a&k=v"),
            ("/e/{x}", &["a%2Fb"], "/e/a%252Fb"),
            ("/e/{x}", &["a?b#c"], "/e/a%3Fb%23c"),
            ("/e/{JWT.sub}", &[], "/e/me%2Fyou"),
            ("/e/{resp0_id}", &[], "/e/%7B%7B.Resp0_id%7D%7D"),
            ("/e/{x}", &["{{.Y}}"], "/e/%7B%7B.Y%7D%7D"),
        ] {
            let template = UrlTemplate::new(pattern, &["x", "y"]);
            let mut out = Vec::new();
            template.write(b"", &Given(values), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{pattern} {values:?}");
        }
    }

    #[test]
    fn a_host_with_a_path_comes_first() {
        let mut out = Vec::new();
        UrlTemplate::new("/x", &[]).write(b"/echo", &Given(&[]), &mut out);
        assert_eq!(out, b"/echo/x");
    }

    #[test]
    fn is_shown_as_krakend_writes_it() {
        let template = UrlTemplate::new("/foo/{id}?a={user_name}", &["id", "user_name"]);
        assert_eq!(&*template.shown, "/foo/{{.Id}}?a={{.User_name}}");
        assert!(template.has_query() && template.fixed().is_none());
    }
}

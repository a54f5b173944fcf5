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
        let from = out.len();
        // What stands before this is as it goes on the wire.
        let mut open = from;
        out.extend_from_slice(prefix);
        for piece in &self.path {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Param(at) => uri::path::push_value(values.param(*at), out),
                Piece::Named(name) => match values.named(name) {
                    // Such a value would lead elsewhere: it counts as not there.
                    Some(value) if uri::param::has_dot_segment(value) => put_unresolved(name, out),
                    Some(value) if value.contains(&b'/') => {
                        finish(open, out);
                        put_segment(value, out);
                        open = out.len();
                    }
                    Some(value) => uri::path::push_value(value, out),
                    None => put_unresolved(name, out),
                },
            }
        }
        if open == from || open < out.len() {
            finish(open, out);
        }
        if self.has_query {
            out.push(b'?');
            for piece in &self.query {
                match piece {
                    Piece::Text(text) => put_query_text(text, out),
                    Piece::Param(at) => uri::query::push_escaped(values.param(*at), out),
                    Piece::Named(name) => match values.named(name) {
                        Some(value) => uri::query::push_escaped(value, out),
                        None => put_unresolved(name, out),
                    },
                }
            }
        }
    }
}

/// Completes what stands from `from` on.
fn finish(from: usize, out: &mut Vec<u8>) {
    if uri::path::finish(out, from).is_err() {
        // A stray `%` in the pattern's own text: sent as it means itself.
        let raw = out.split_off(from);
        uri::path::wire_path(&raw, out);
    }
}

/// A value from a token or another backend is one segment at most: it cannot reach another path.
/// Its slashes stay escaped only where nobody decodes and encodes what stands around them.
fn put_segment(value: &[u8], out: &mut Vec<u8>) {
    for (at, part) in value.split(|byte| *byte == b'/').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"%2F");
        }
        uri::path::encode(part, out);
    }
}

/// The pattern's own query goes out as it is written, save what would end the request line.
fn put_query_text(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            0..=b' ' | b'#' | 0x7f => uri::query::push_escaped(&[*byte], out),
            other => out.push(*other),
        }
    }
}

fn put_unresolved(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"%7B%7B.");
    uri::query::push_escaped(name.as_bytes(), out);
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
            match name {
                "JWT.sub" => Some(b"me/you"),
                "JWT.odd" => Some(b"a b/c"),
                "JWT.up" => Some(b"../admin"),
                _ => None,
            }
        }
    }

    /// `<0>` stands for the first parameter, `<JWT.sub>` for a later one.
    fn template(text: &str) -> UrlTemplate {
        let parts = |text: &str| -> Vec<UrlPart> {
            let mut parts = Vec::new();
            for (at, piece) in text.split(['<', '>']).enumerate() {
                match (at % 2, piece.parse::<usize>()) {
                    (0, _) if piece.is_empty() => {}
                    (0, _) => parts.push(UrlPart::Literal(piece.to_owned())),
                    (_, Ok(index)) => {
                        let name = format!("p{index}");
                        parts.push(UrlPart::Param(UrlParam::Endpoint { index, name }));
                    }
                    (_, Err(_)) => {
                        parts.push(UrlPart::Param(UrlParam::Later { name: piece.to_owned() }));
                    }
                }
            }
            parts
        };
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(parts(query))),
            None => (text, None),
        };
        UrlTemplate::new(&url_template::UrlTemplate {
            text: text.to_owned(),
            stored: text.to_owned(),
            path: parts(path),
            query,
        })
    }

    #[test]
    fn what_goes_on_the_wire() {
        for (pattern, values, expected) in [
            ("/a", &[][..], "/a"),
            ("/", &[], "/"),
            ("/echo/<0>", &["1"], "/echo/1"),
            ("/echo/<0>", &["hello world"], "/echo/hello%20world"),
            ("/echo/<1>/<0>/<1>", &["1", "2"], "/echo/2/1/2"),
            ("/echo/pre-<0>-post", &["7"], "/echo/pre-7-post"),
            ("/echo?x=<0>", &["a&b=1"], "/echo?x=a%26b%3D1"),
            ("/echo?x=<0>&k=v", &["a"], "/echo?x=a&k=v"),
            ("/echo?x=a b", &[], "/echo?x=a+b"),
            ("/e/<0>", &["a%2Fb"], "/e/a%252Fb"),
            ("/e/<0>", &["a?b#c"], "/e/a%3Fb%23c"),
            ("/e/<JWT.sub>", &[], "/e/me%2Fyou"),
            ("/e/<JWT.odd>/x", &[], "/e/a%20b%2Fc/x"),
            ("/<0>/<JWT.sub>/<0>", &["a b"], "/a%20b/me%2Fyou/a%20b"),
            ("/<JWT.sub>", &[], "/me%2Fyou"),
            ("/e/<JWT.up>", &[], "/e/%7B%7B.JWT.up%7D%7D"),
            ("/e/<Resp0_id>", &[], "/e/%7B%7B.Resp0_id%7D%7D"),
            ("/e/<0>", &["{{.Y}}"], "/e/%7B%7B.Y%7D%7D"),
            ("/100%/<0>", &["x"], "/100%25/x"),
        ] {
            let mut out = Vec::new();
            template(pattern).write(b"", &Given(values), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{pattern} {values:?}");
        }
    }

    #[test]
    fn a_host_with_a_path_comes_first() {
        let template = template("/x");
        let mut out = Vec::new();
        template.write(b"/echo", &Given(&[]), &mut out);
        assert_eq!(out, b"/echo/x");
        assert_eq!(template.fixed(b"/echo").as_deref(), Some(&b"/echo/x"[..]));
        assert_eq!(super::tests::template("/<0>").fixed(b""), None);
    }
}

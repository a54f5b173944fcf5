//! The request target (RFC 9112 section 3.2), split into spans; nothing is decoded here.
//! Refused in every profile: userinfo, fragments, control bytes (design: docs/reference/hardening.md
//! section 1). An encoded NUL is found where paths are decoded, `path::decode`.

use memchr::memchr;

use crate::http::{Method, Span};

/// The forms of a request target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://authority/path?query`.
    Absolute,
    /// `*`, of OPTIONS only.
    Asterisk,
    /// `host:port`, of CONNECT only.
    Authority,
}

/// Schemes of absolute targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

/// Where the parts of a request target stand in the buffer that held it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub form: Form,
    /// The whole target.
    pub raw: Span,
    /// The encoded path up to `?`; empty in an absolute target without one and in `Authority`.
    pub path: Span,
    /// What follows the first `?`, without it; `None` if there is no `?`.
    pub query: Option<Span>,
    /// Of the forms `Absolute` and `Authority`; not validated here, see `authority::is_authority`.
    pub authority: Option<Span>,
    pub scheme: Option<Scheme>,
}

/// The target is none: bad form for the method, scheme other than http(s), userinfo, fragment,
/// control byte, space, or invalid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetError;

impl Target {
    /// Splits the target that stands at `raw` in `buf`.
    pub fn parse(method: &Method, raw: Span, buf: &[u8]) -> Result<Target, TargetError> {
        let text = raw.of(buf);
        check_bytes(text)?;
        match text {
            _ if *method == Method::Connect => authority_form(raw, text),
            [b'/', ..] => rest(Target { raw, ..Target::default() }, 0, text),
            b"*" if *method == Method::Options => {
                Ok(Target { form: Form::Asterisk, raw, path: raw, ..Target::default() })
            }
            _ => absolute_form(raw, text),
        }
    }

    /// The encoded path; `/` where an absolute target has none (RFC 9112 section 3.2.1).
    #[inline]
    pub fn path<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        if self.path.is_empty() { b"/" } else { self.path.of(buf) }
    }

    /// The raw query, empty if there is none.
    #[inline]
    pub fn query<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        self.query.map_or(b"".as_slice(), |span| span.of(buf))
    }
}

/// Raw bytes over 0x7f are no URI, but clients send UTF-8 so and Go accepts it.
fn check_bytes(text: &[u8]) -> Result<(), TargetError> {
    // Without an early end, so that the compiler makes vector code of it.
    let (mut bad, mut all) = (false, 0);
    for byte in text {
        bad |= (*byte <= b' ') | (*byte == 0x7f) | (*byte == b'#');
        all |= byte;
    }
    if bad || all >= 0x80 && std::str::from_utf8(text).is_err() {
        return Err(TargetError);
    }
    Ok(())
}

fn absolute_form(raw: Span, text: &[u8]) -> Result<Target, TargetError> {
    let (scheme, start) = match text {
        _ if starts_with(text, b"http://") => (Scheme::Http, 7),
        _ if starts_with(text, b"https://") => (Scheme::Https, 8),
        _ => return Err(TargetError),
    };
    let after = text.get(start..).unwrap_or_default();
    let len = after.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(after.len());
    if after.get(..len).is_none_or(|authority| authority.is_empty() || authority.contains(&b'@')) {
        return Err(TargetError);
    }
    let target = Target {
        form: Form::Absolute,
        raw,
        authority: Some(part(raw, start, len)?),
        scheme: Some(scheme),
        ..Target::default()
    };
    rest(target, start + len, text)
}

fn authority_form(raw: Span, text: &[u8]) -> Result<Target, TargetError> {
    if text.is_empty() || text.iter().any(|byte| matches!(byte, b'/' | b'?' | b'@')) {
        return Err(TargetError);
    }
    Ok(Target { form: Form::Authority, raw, authority: Some(raw), ..Target::default() })
}

/// Path and query, which begin at `at` of the target.
fn rest(mut target: Target, at: usize, text: &[u8]) -> Result<Target, TargetError> {
    let after = text.get(at..).unwrap_or_default();
    let path_len = memchr(b'?', after).unwrap_or(after.len());
    target.path = part(target.raw, at, path_len)?;
    if path_len < after.len() {
        target.query = Some(part(target.raw, at + path_len + 1, after.len() - path_len - 1)?);
    }
    Ok(target)
}

fn part(raw: Span, at: usize, len: usize) -> Result<Span, TargetError> {
    Span::new(raw.at as usize + at, len).ok_or(TargetError)
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: Method, text: &str) -> Option<(Form, String, Option<String>, Option<String>)> {
        let line = format!("X {text} Y");
        let raw = Span::new(2, text.len()).expect("short");
        let target = Target::parse(&method, raw, line.as_bytes()).ok()?;
        let of = |span: Span| String::from_utf8_lossy(span.of(line.as_bytes())).into_owned();
        let path = String::from_utf8_lossy(target.path(line.as_bytes())).into_owned();
        assert_eq!(of(target.raw), text);
        Some((target.form, path, target.query.map(of), target.authority.map(of)))
    }

    #[test]
    fn targets() {
        let (get, options, connect) = (Method::Get, Method::Options, Method::Connect);
        for (case, method, text, expected) in [
            ("path", get, "/a", Some((Form::Origin, "/a", None, None))),
            ("query", get, "/a?b=?&c", Some((Form::Origin, "/a", Some("b=?&c"), None))),
            ("empty query", get, "/?", Some((Form::Origin, "/", Some(""), None))),
            ("no authority", get, "//a/b", Some((Form::Origin, "//a/b", None, None))),
            (
                "absolute",
                get,
                "http://h:1/p?q",
                Some((Form::Absolute, "/p", Some("q"), Some("h:1"))),
            ),
            ("no path", get, "HTTPS://h", Some((Form::Absolute, "/", None, Some("h")))),
            (
                "no path, query",
                get,
                "http://h?q",
                Some((Form::Absolute, "/", Some("q"), Some("h"))),
            ),
            ("asterisk", options, "*", Some((Form::Asterisk, "*", None, None))),
            ("authority", connect, "h:443", Some((Form::Authority, "/", None, Some("h:443")))),
            ("UTF-8", get, "/caf\u{e9}", Some((Form::Origin, "/caf\u{e9}", None, None))),
            ("asterisk of GET", get, "*", None),
            ("authority of GET", get, "h:443", None),
            ("path of CONNECT", connect, "/a", None),
            ("userinfo of CONNECT", connect, "u@h:1", None),
            ("relative", get, "a/b", None),
            ("empty", get, "", None),
            ("other scheme", get, "ftp://h/", None),
            ("no host", get, "http:///a", None),
            ("userinfo", get, "http://u:p@h/a", None),
            ("fragment", get, "/a#b", None),
            ("fragment after query", get, "/a?b#c", None),
            ("NUL", get, "/a\0b", None),
            ("tab", get, "/a\tb", None),
            ("DEL", get, "/a\x7f", None),
            ("space", get, "/a b", None),
        ] {
            let expected = expected.map(
                |(form, path, query, authority): (_, &str, Option<&str>, Option<&str>)| {
                    (form, path.to_owned(), query.map(str::to_owned), authority.map(str::to_owned))
                },
            );
            assert_eq!(parse(method, text), expected, "{case}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf8() {
        let raw = Span { at: 0, len: 3 };
        assert_eq!(Target::parse(&Method::Get, raw, b"/a\xff"), Err(TargetError));
    }
}

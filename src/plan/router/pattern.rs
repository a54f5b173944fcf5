//! A route's pattern in gin's syntax, cut into pieces: literal bytes, `:name`, `*name`.
//! Pure: no tree, no request. Source: docs/reference/lura-core.md 2.3.

/// A longer path would not fit a request target of 8 KiB with room to spare; and the tree is as deep
/// as its longest path at most, which bounds the recursion when it is built.
const BYTES_MAX: usize = 4096;
const PIECES_MAX: usize = 256;

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    /// Bytes that must stand in the path as they are.
    Literal(Vec<u8>),
    /// The rest of one segment.
    Param(String),
    /// The rest of the path. Its value begins with the slash that the literal before it ends with.
    Rest(String),
}

/// A parsed pattern. After a `Param` comes the end or a literal that begins with `/`.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub text: String,
    pub pieces: Vec<Piece>,
}

impl Pattern {
    /// Reads `/a/:id`, `/file.:ext`, `/__debug/*rest`; `\:` is a literal colon. The path is cleaned
    /// first as gin joins paths: one slash between segments, `.` and `..` resolved, a slash at the
    /// end kept. The error is the text that gin panics with.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        if !pattern.starts_with('/') {
            return Err("path must begin with '/'".to_owned());
        }
        if pattern.len() > BYTES_MAX {
            return Err(format!("path is longer than {BYTES_MAX} bytes"));
        }
        let mut text = String::new();
        super::clean::go_clean(pattern, &mut text);
        if pattern.ends_with('/') && !text.ends_with('/') {
            text.push('/');
        }
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find([':', '*', '\\']) {
            literal.extend_from_slice(&rest.as_bytes()[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix('\\') {
                let Some(after) = after.strip_prefix(':') else {
                    return Err(format!("invalid escape string in path '{text}'"));
                };
                literal.push(b':');
                rest = after;
                continue;
            }
            let end = rest.find('/').unwrap_or(rest.len());
            let (wildcard, after) = rest.split_at(end);
            let (kind, name) = wildcard.split_at(1);
            if name.contains([':', '*']) {
                return Err(format!(
                    "only one wildcard per path segment is allowed, has: '{wildcard}' in path '{text}'"
                ));
            }
            if name.is_empty() {
                return Err(format!(
                    "wildcards must be named with a non-empty name in path '{text}'"
                ));
            }
            if kind == "*" && !after.is_empty() {
                return Err(format!(
                    "catch-all routes are only allowed at the end of the path in path '{text}'"
                ));
            }
            if kind == "*" && literal.last() != Some(&b'/') {
                return Err(format!("no / before catch-all in path '{text}'"));
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            let name = name.to_owned();
            pieces.push(if kind == "*" { Piece::Rest(name) } else { Piece::Param(name) });
            rest = after;
        }
        literal.extend_from_slice(rest.as_bytes());
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        if pieces.len() > PIECES_MAX {
            return Err(format!("more than {} wildcards in path '{text}'", PIECES_MAX / 2));
        }
        Ok(Self { text, pieces })
    }

    /// The path that this pattern is when it has no wildcard.
    pub fn fixed(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [Piece::Literal(path)] => Some(path),
            _ => None,
        }
    }

    /// The names of the wildcards in their order in the path.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Param(name) | Piece::Rest(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The pattern with nameless wildcards: equal for two patterns that match the same paths.
    pub fn shape(&self) -> Vec<Piece> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(bytes) => Piece::Literal(bytes.clone()),
                Piece::Param(_) => Piece::Param(String::new()),
                Piece::Rest(_) => Piece::Rest(String::new()),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let show = |pattern: &str| match Pattern::parse(pattern) {
            Err(why) => why,
            Ok(parsed) => parsed
                .pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Literal(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    Piece::Param(name) => format!("<{name}>"),
                    Piece::Rest(name) => format!("<{name}..>"),
                })
                .collect(),
        };
        let long = format!("/{}", "a".repeat(4096));
        for (pattern, expected) in [
            ("/", "/"),
            ("/a/:id", "/a/<id>"),
            ("/a/:id/b/:x", "/a/<id>/b/<x>"),
            ("/file.:ext", "/file.<ext>"),
            ("/a/:id.json", "/a/<id.json>"),
            ("/__debug/*rest", "/__debug/<rest..>"),
            ("//a//b/", "/a/b/"),
            ("/a/./b/../c", "/a/c"),
            ("/v1\\:run", "/v1:run"),
            ("a", "path must begin with '/'"),
            ("/v1\\run", "invalid escape string in path '/v1\\run'"),
            (
                "/a/:b:c",
                "only one wildcard per path segment is allowed, has: ':b:c' in path '/a/:b:c'",
            ),
            ("/a/:/b", "wildcards must be named with a non-empty name in path '/a/:/b'"),
            ("/a/*", "wildcards must be named with a non-empty name in path '/a/*'"),
            (
                "/a/*x/b",
                "catch-all routes are only allowed at the end of the path in path '/a/*x/b'",
            ),
            (&long, "path is longer than 4096 bytes"),
            ("/a*x", "no / before catch-all in path '/a*x'"),
        ] {
            assert_eq!(show(pattern), expected, "{pattern}");
        }
        let many = "/:x".repeat(200);
        assert_eq!(show(&many), format!("more than 128 wildcards in path '{many}'"));
    }
}

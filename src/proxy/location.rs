//! Where a redirect of a backend leads: a `Location` resolved against the URL that gave it.
//! Source: RFC 3986 section 5.2; docs/reference/lura-core.md 4.3.

use crate::plan::OriginKey;

/// A resolved redirect target.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Where to connect.
    pub origin: OriginKey,
    /// Path and query, as sent.
    pub path: String,
}

/// Resolves a reference. `None`: not an `http` or `https` URL that we can follow.
pub fn resolve(base: &OriginKey, base_path: &str, location: &str) -> Option<Target> {
    let location = location.split('#').next().unwrap_or_default();
    if location.bytes().any(|b| b <= b' ' || b == 0x7f || b >= 0x80) {
        return None;
    }
    let scheme_end = location.find(':').filter(|at| {
        let scheme = &location[..*at];
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    });
    if let Some(at) = scheme_end {
        let scheme = location[..at].to_ascii_lowercase();
        return absolute(&format!("{scheme}{}", &location[at..]));
    }
    if location.starts_with("//") {
        return absolute(&format!("{}:{location}", base.scheme()));
    }
    let (base_only, _) = base_path.split_once('?').unwrap_or((base_path, ""));
    let (path, query) = match location.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (location, None),
    };
    let joined = if path.is_empty() {
        let query = query.map(|q| format!("?{q}"));
        let kept = if query.is_none() { base_path } else { base_only };
        return Some(Target {
            origin: base.clone(),
            path: format!("{kept}{}", query.unwrap_or_default()),
        });
    } else if path.starts_with('/') {
        path.to_owned()
    } else {
        let directory = base_only.rfind('/').map_or("/", |at| &base_only[..=at]);
        format!("{directory}{path}")
    };
    let mut clean = remove_dot_segments(&joined);
    if let Some(query) = query {
        clean.push('?');
        clean.push_str(query);
    }
    Some(Target { origin: base.clone(), path: clean })
}

fn absolute(url: &str) -> Option<Target> {
    let after = url.find("://")? + 3;
    let end = url[after..].find(['/', '?']).map_or(url.len(), |at| after + at);
    let (origin, _) = OriginKey::parse(&url[..end]).ok()?;
    let rest = &url[end..];
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let mut clean = if path.is_empty() { "/".to_owned() } else { remove_dot_segments(path) };
    if let Some(query) = query {
        clean.push('?');
        clean.push_str(query);
    }
    Some(Target { origin, path: clean })
}

/// RFC 3986 section 5.2.4, on an absolute path.
fn remove_dot_segments(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let last = segments.len().saturating_sub(1);
    for (at, segment) in segments.iter().enumerate() {
        match *segment {
            "." if at == last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if at == last {
                    out.push("");
                }
            }
            other => out.push(other),
        }
    }
    format!("/{}", out.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let base = OriginKey { is_tls: false, host: "h".into(), port: 8080 };
        let at = |is_tls, host: &str, port, path: &str| {
            Some(Target {
                origin: OriginKey { is_tls, host: host.into(), port },
                path: path.to_owned(),
            })
        };
        for (location, expected) in [
            ("/x", at(false, "h", 8080, "/x")),
            ("/x?y=1#f", at(false, "h", 8080, "/x?y=1")),
            ("c", at(false, "h", 8080, "/a/c")),
            ("../c", at(false, "h", 8080, "/c")),
            ("./", at(false, "h", 8080, "/a/")),
            ("?z", at(false, "h", 8080, "/a/b?z")),
            ("", at(false, "h", 8080, "/a/b?q=1")),
            ("//o/p", at(false, "o", 80, "/p")),
            ("https://o", at(true, "o", 443, "/")),
            ("HTTP://o:81/p/../q?r", at(false, "o", 81, "/q?r")),
            ("ftp://o/", None),
            ("mailto:a@b", None),
            ("http://u@o/", None),
            ("/a b", None),
            ("http://o:99999/", None),
        ] {
            assert_eq!(resolve(&base, "/a/b?q=1", location), expected, "{location}");
        }
    }
}

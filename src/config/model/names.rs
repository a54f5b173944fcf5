//! Allow-lists of header fields and query parameters.

use crate::config::diagnostic::Diagnostics;
use crate::config::node::Node;

/// Which names pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All of them.
    All,
    /// These and no others; header names stand in canonical form (`X-Api-Key`).
    Only(Vec<String>),
}

impl Names {
    /// `input_headers` of an endpoint: nothing listed means `Content-Type` alone.
    pub(super) fn endpoint_headers(endpoint: Node<'_>, found: &mut Diagnostics) -> Names {
        match Self::listed(endpoint, "input_headers", found) {
            names if names.is_empty() => Names::Only(vec!["Content-Type".into()]),
            names if names.iter().any(|name| name == "*") => Names::All,
            names => Names::Only(canonical(&names)),
        }
    }

    /// `input_query_strings` of an endpoint.
    pub(super) fn endpoint_query(endpoint: Node<'_>, found: &mut Diagnostics) -> Names {
        match Self::listed(endpoint, "input_query_strings", found) {
            names if names.iter().any(|name| name == "*") => Names::All,
            names => Names::Only(names),
        }
    }

    /// `input_headers` of a backend: nothing listed means all that the endpoint lets through, and
    /// `*` is a name like any other (`docs/reference/lura-core.md` 3.7).
    pub(super) fn backend_headers(backend: Node<'_>, found: &mut Diagnostics) -> Names {
        match Self::listed(backend, "input_headers", found) {
            names if names.is_empty() => Names::All,
            names => Names::Only(canonical(&names)),
        }
    }

    /// `input_query_strings` of a backend.
    pub(super) fn backend_query(backend: Node<'_>, found: &mut Diagnostics) -> Names {
        match Self::listed(backend, "input_query_strings", found) {
            names if names.is_empty() => Names::All,
            names => Names::Only(names),
        }
    }

    fn listed(node: Node<'_>, key: &str, found: &mut Diagnostics) -> Vec<String> {
        node.field(key, found).unwrap_or_default()
    }
}

/// Canonical names; an empty name can never be met and is left out.
fn canonical(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| !name.is_empty()).map(|name| canonical_header(name)).collect()
}

/// Go's `textproto.CanonicalMIMEHeaderKey`: `x-api-key` is `X-Api-Key`. A name with a byte that no
/// field name has stays as it is.
pub fn canonical_header(name: &str) -> String {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.bytes().all(token) {
        return name.to_owned();
    }
    let mut upper = true;
    let letter = |c: char| {
        let next = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        upper = c == '-';
        next
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::json_for_tests;

    #[test]
    fn canonical_names() {
        for (name, expected) in [
            ("x-api-key", "X-Api-Key"),
            ("CONTENT-TYPE", "Content-Type"),
            ("a b", "a b"),
            ("etag", "Etag"),
            ("x_y", "X_y"),
            ("", ""),
        ] {
            assert_eq!(canonical_header(name), expected);
        }
    }

    #[test]
    fn filters() {
        let only = |names: &[&str]| Names::Only(names.iter().map(|n| (*n).to_owned()).collect());
        for (list, endpoint, backend) in [
            ("null", only(&["Content-Type"]), Names::All),
            ("[]", only(&["Content-Type"]), Names::All),
            (r#"["x-a", "b"]"#, only(&["X-A", "B"]), only(&["X-A", "B"])),
            (r#""x-a""#, only(&["X-A"]), only(&["X-A"])),
            (r#"["a", "*"]"#, Names::All, only(&["A", "*"])),
            (r#"[""]"#, only(&[]), only(&[])),
        ] {
            let tree = json_for_tests(&format!(r#"{{"input_headers": {list}}}"#));
            let mut found = Diagnostics::new(false);
            assert_eq!(Names::endpoint_headers(tree.root(), &mut found), endpoint, "{list}");
            assert_eq!(Names::backend_headers(tree.root(), &mut found), backend, "{list}");
        }
    }
}

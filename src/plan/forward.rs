//! Which fields and query parameters of a client reach a backend: `input_headers` and
//! `input_query_strings` of the endpoint and of the backend, intersected once, before traffic.
//! Source: docs/reference/lura-core.md 2.6, 3.7, 4.1, 8.1 items 3–6.

use crate::config::model;
use crate::http::HeaderId;

/// Fields that pass: a bit per known name, and the other names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFilter {
    /// The client's fields that pass.
    pub client: Names,
    /// Whether the gateway's own `X-Forwarded-For` goes along (a backend list strips it).
    pub forwarded_for: bool,
    /// The same for `X-Forwarded-Host`.
    pub forwarded_host: bool,
    /// The same for `X-Forwarded-Via`, sent where the client's User-Agent passes.
    pub forwarded_via: bool,
    /// Whether a User-Agent (the client's or ours) passes the backend's list.
    pub user_agent: bool,
    /// Whether the endpoint forwards the client's User-Agent, which is what adds the `Via` field.
    pub client_user_agent: bool,
    /// Whether the backend has a list of its own.
    pub is_backend_list: bool,
}

/// A set of field names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Every field that is not hop-by-hop.
    All,
    /// These only.
    Listed {
        /// Bit `id as u32` for each known name.
        known: u128,
        /// Names without an id, lower case, sorted.
        other: Box<[Box<[u8]>]>,
    },
}

impl Names {
    fn of(list: &[String]) -> Names {
        let mut known = 0u128;
        let mut other: Vec<Box<[u8]>> = Vec::new();
        for name in list {
            match HeaderId::of(name.as_bytes()) {
                HeaderId::Other if name.is_empty() => {}
                HeaderId::Other => other.push(name.to_ascii_lowercase().into_bytes().into()),
                id => known |= 1 << (id as u32),
            }
        }
        other.sort();
        other.dedup();
        Names::Listed { known, other: other.into() }
    }

    /// Whether a field passes.
    pub fn contains(&self, id: HeaderId, name: &[u8]) -> bool {
        match self {
            Names::All => true,
            Names::Listed { known, .. } if id != HeaderId::Other => known >> (id as u32) & 1 == 1,
            Names::Listed { other, .. } => other.iter().any(|one| one.eq_ignore_ascii_case(name)),
        }
    }

    /// The names in a list, in canonical form, for people to read.
    pub fn shown(&self) -> Vec<String> {
        let Names::Listed { known, other } = self else { return Vec::new() };
        let known = HeaderId::ALL
            .iter()
            .filter(|id| known >> (**id as u32) & 1 == 1)
            .map(|id| id.name().to_owned());
        let other = other.iter().map(|name| {
            let mut canonical = Vec::new();
            crate::http::canonical_name(name, &mut canonical);
            String::from_utf8_lossy(&canonical).into_owned()
        });
        known.chain(other).collect()
    }

    /// Nothing passes: the client's fields need not be looked at.
    pub fn is_empty(&self) -> bool {
        matches!(self, Names::Listed { known: 0, other } if other.is_empty())
    }
}

impl FieldFilter {
    /// The effective filter of one backend. An empty endpoint list means Content-Type alone; an
    /// empty backend list passes everything; `*` is special in the endpoint's list only.
    pub fn new(endpoint: &model::Names, backend: &model::Names) -> FieldFilter {
        let default = model::Names::Only(vec!["Content-Type".to_owned()]);
        let endpoint = match endpoint {
            model::Names::Only(list) if list.is_empty() => &default,
            other => other,
        };
        let lists = |list: &[String], name: &str| list.iter().any(|n| n.eq_ignore_ascii_case(name));
        let own = |name: &str| match backend {
            model::Names::All => true,
            model::Names::Only(list) => lists(list, name),
        };
        let client = match (endpoint, backend) {
            (model::Names::All, model::Names::All) => Names::All,
            (model::Names::All, model::Names::Only(list))
            | (model::Names::Only(list), model::Names::All) => Names::of(list),
            (model::Names::Only(wide), model::Names::Only(narrow)) => {
                let both: Vec<_> = narrow.iter().filter(|n| lists(wide, n)).cloned().collect();
                Names::of(&both)
            }
        };
        let client_user_agent = match endpoint {
            model::Names::All => true,
            model::Names::Only(list) => lists(list, "User-Agent"),
        };
        FieldFilter {
            client,
            forwarded_for: own("X-Forwarded-For"),
            forwarded_host: own("X-Forwarded-Host"),
            forwarded_via: own("X-Forwarded-Via"),
            user_agent: own("User-Agent"),
            client_user_agent,
            is_backend_list: *backend != model::Names::All,
        }
    }
}

/// Query parameters that pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryFilter {
    /// None: the query is not even parsed.
    None,
    /// Every parameter.
    All,
    /// These names, exactly as written.
    Listed(Box<[Box<[u8]>]>),
}

impl QueryFilter {
    /// The effective filter of one backend.
    pub fn new(endpoint: &model::Names, backend: &model::Names) -> QueryFilter {
        let listed = |list: &mut dyn Iterator<Item = &String>| {
            let list: Box<[Box<[u8]>]> =
                list.filter(|n| !n.is_empty()).map(|n| n.as_bytes().into()).collect();
            if list.is_empty() { QueryFilter::None } else { QueryFilter::Listed(list) }
        };
        match (endpoint, backend) {
            (model::Names::All, model::Names::All) => QueryFilter::All,
            (model::Names::All, model::Names::Only(list))
            | (model::Names::Only(list), model::Names::All) => listed(&mut list.iter()),
            (model::Names::Only(wide), model::Names::Only(narrow)) => {
                listed(&mut narrow.iter().filter(|n| wide.contains(n)))
            }
        }
    }

    /// Whether a decoded name passes.
    pub fn contains(&self, name: &[u8]) -> bool {
        match self {
            QueryFilter::None => false,
            QueryFilter::All => true,
            QueryFilter::Listed(list) => list.iter().any(|one| &**one == name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the configuration reads it: `*` is special for endpoints, an absent list for backends.
    fn endpoint(names: &[&str]) -> model::Names {
        if names.contains(&"*") {
            return model::Names::All;
        }
        model::Names::Only(names.iter().map(|n| (*n).to_owned()).collect())
    }

    fn backend(names: &[&str]) -> model::Names {
        if names.is_empty() {
            return model::Names::All;
        }
        model::Names::Only(names.iter().map(|n| (*n).to_owned()).collect())
    }

    #[test]
    fn which_fields_pass() {
        for (case, of_endpoint, of_backend, name, passes) in [
            ("default", &[][..], &[][..], "Content-Type", true),
            ("default, another", &[], &[], "Accept", false),
            ("a list drops the implicit Content-Type", &["X-One"], &[], "Content-Type", false),
            ("listed", &["X-One"], &[], "x-one", true),
            ("star", &["*"], &[], "X-Any", true),
            ("backend list narrows", &["X-One", "X-Two"], &["X-One"], "X-Two", false),
            ("backend list keeps", &["X-One", "X-Two"], &["X-One"], "X-One", true),
            ("backend list under star", &["*"], &["X-One"], "X-One", true),
            ("star is a plain name in a backend", &["X-One"], &["*"], "X-One", false),
            ("[\"\"] blocks all", &["*"], &[""], "X-One", false),
            ("known name", &["authorization"], &[], "Authorization", true),
        ] {
            let filter = FieldFilter::new(&endpoint(of_endpoint), &backend(of_backend));
            let id = HeaderId::of(name.as_bytes());
            assert_eq!(filter.client.contains(id, name.as_bytes()), passes, "{case}");
        }
    }

    #[test]
    fn a_backend_list_strips_our_own_fields() {
        let filter = FieldFilter::new(&endpoint(&["*"]), &backend(&["X-One", "x-forwarded-for"]));
        assert!(filter.forwarded_for && !filter.forwarded_host && !filter.user_agent);
        let open = FieldFilter::new(&endpoint(&["*"]), &backend(&[]));
        assert!(open.forwarded_for && open.forwarded_host && open.user_agent);
        assert!(open.client_user_agent);
    }

    #[test]
    fn which_parameters_pass() {
        for (case, of_endpoint, of_backend, name, passes) in [
            ("none by default", &[][..], &[][..], "a", false),
            ("listed", &["a"], &[], "a", true),
            ("case matters", &["a"], &[], "A", false),
            ("star", &["*"], &[], "b", true),
            ("backend narrows star", &["*"], &["a"], "b", false),
            ("backend cannot widen", &["a"], &["b"], "b", false),
            ("[\"\"] blocks all", &["*"], &[""], "a", false),
        ] {
            let filter = QueryFilter::new(&endpoint(of_endpoint), &backend(of_backend));
            assert_eq!(filter.contains(name.as_bytes()), passes, "{case}");
        }
    }
}

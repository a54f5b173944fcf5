//! Routes on their way in: conflicts are refused with gin's words, the rest becomes a `Router`.
//! Runs before traffic. Source: docs/reference/lura-core.md 2.1 and 2.3.

use std::collections::HashMap;

use super::growing::{Growing, Taken};
use super::pattern::{Pattern, Piece};
use super::{Conflict, Method, OWN, Options, Router};

/// More methods than anybody registers: gin's `Any` has nine.
const METHODS_MAX: usize = 31;

/// Collects routes; refuses what cannot stand beside what is there.
#[derive(Default)]
pub struct RouterBuilder {
    options: Options,
    methods: Vec<Registered>,
}

#[derive(Default)]
struct Registered {
    name: String,
    tree: Growing,
    routes: Vec<Added>,
}

struct Added {
    pattern: Pattern,
    route: u32,
    is_endpoint: bool,
}

impl RouterBuilder {
    pub fn new(options: Options) -> Self {
        Self { options, methods: Vec::new() }
    }

    /// Adds the route of an endpoint: an upper-case method, a pattern in gin's syntax (`/a/:id`), a
    /// number below 2^31 that `lookup` gives back.
    pub fn add(&mut self, method: &str, pattern: &str, route: u32) -> Result<(), Conflict> {
        self.insert(method, pattern, route, true)
    }

    /// Adds a route of the gateway itself (health, `/__debug/*rest`): `auto_options` passes it over.
    pub fn add_internal(
        &mut self,
        method: &str,
        pattern: &str,
        route: u32,
    ) -> Result<(), Conflict> {
        self.insert(method, pattern, route, false)
    }

    fn insert(
        &mut self,
        method: &str,
        pattern: &str,
        route: u32,
        is_endpoint: bool,
    ) -> Result<(), Conflict> {
        let refuse = |reason: String| Conflict { existing: None, reason };
        if route >= OWN {
            return Err(refuse("more than 2147483648 routes".to_owned()));
        }
        let pattern = Pattern::parse(pattern).map_err(refuse)?;
        let at = match self.methods.iter().position(|known| known.name == method) {
            Some(at) => at,
            None if self.methods.len() == METHODS_MAX => {
                return Err(refuse(format!("more than {METHODS_MAX} methods")));
            }
            None => {
                let name = method.to_owned();
                self.methods.push(Registered { name, ..Registered::default() });
                self.methods.len() - 1
            }
        };
        let known = &mut self.methods[at];
        if let Some(taken) = known.tree.taken(&pattern) {
            return Err(conflict(taken, &pattern));
        }
        known.tree.insert(&pattern, route);
        known.routes.push(Added { pattern, route, is_endpoint });
        Ok(())
    }

    /// The router of all routes added.
    pub fn build(self) -> Router {
        let Self { options, methods } = self;
        let automatic = if options.auto_options { automatic_options(&methods) } else { Vec::new() };
        let mut names = HashMap::default();
        let mut tables = Vec::with_capacity(methods.len() + 1);
        for Registered { name, routes, .. } in &methods {
            let own: &[_] = if name == "OPTIONS" { &automatic } else { &[] };
            let own = own.iter().zip(OWN..).map(|((pattern, _), route)| (*pattern, route));
            let routes = || routes.iter().map(|added| (&added.pattern, added.route));
            tables.push(Method::new(name, routes().chain(own), options));
            for (pattern, route) in routes() {
                if pattern.fixed().is_none() {
                    names.insert(route, pattern.names().map(Box::from).collect());
                }
            }
        }
        if !automatic.is_empty() && methods.iter().all(|known| known.name != "OPTIONS") {
            let own = automatic.iter().zip(OWN..).map(|((pattern, _), route)| (*pattern, route));
            tables.push(Method::new("OPTIONS", own, options));
        }
        let automatic = automatic.into_iter().map(|(_, allow)| allow.into()).collect();
        Router { options, methods: tables.into(), names, automatic }
    }
}

/// The patterns that OPTIONS is answered on, with their `Allow`: the methods sorted by name.
fn automatic_options(methods: &[Registered]) -> Vec<(&Pattern, String)> {
    let mut by_shape: HashMap<Vec<Piece>, usize> = HashMap::new();
    let mut found: Vec<(&Pattern, Vec<&str>)> = Vec::new();
    for known in methods {
        for added in known.routes.iter().filter(|added| added.is_endpoint) {
            let at = *by_shape.entry(added.pattern.shape()).or_insert_with(|| {
                found.push((&added.pattern, Vec::new()));
                found.len() - 1
            });
            found[at].1.push(&known.name);
        }
    }
    // A route of its own for OPTIONS wins.
    found.retain(|(_, methods)| !methods.contains(&"OPTIONS"));
    found
        .into_iter()
        .map(|(pattern, mut methods)| {
            methods.sort_unstable();
            (pattern, methods.join(", "))
        })
        .collect()
}

fn conflict(taken: Taken, pattern: &Pattern) -> Conflict {
    let text = &pattern.text;
    match taken {
        Taken::Same(existing) => Conflict {
            existing: Some(existing),
            reason: format!("handlers are already registered for path '{text}'"),
        },
        Taken::Name { name, nth, existing } => {
            let segment = format!(":{}", pattern.names().nth(nth).unwrap_or_default());
            let at = text.find(&segment).unwrap_or(text.len());
            Conflict {
                existing: Some(existing),
                reason: format!(
                    "'{segment}' in new path '{text}' conflicts with existing wildcard ':{name}' \
                     in existing prefix '{}:{name}'",
                    &text[..at]
                ),
            }
        }
        Taken::CatchAll(existing) => Conflict {
            existing: Some(existing),
            reason: format!("new path '{text}' and an existing path meet at a catch-all wildcard"),
        },
    }
}

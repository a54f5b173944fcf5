//! Which route serves a method and a path: gin's outcomes from one radix tree per method, at a cost
//! that does not depend on the number of routes. No I/O, no header, no answer: those are the
//! caller's. Sources: docs/reference/lura-core.md 2.1 to 2.5 and 8.1 (7, 20).
//!
//! Where gin's tree recommends a redirect to a path that no route serves, or forgets a branch when
//! it backtracks, we answer what its documentation promises instead.

mod builder;
mod check;
mod clean;
mod folded;
mod fuzz;
mod growing;
mod params;
mod pattern;
mod redirect;
#[cfg(test)]
mod tests;
mod tree;

pub use builder::RouterBuilder;
pub use check::{Check, ParamRefusal, check_params};
pub use fuzz::fuzz_router;
pub use params::{ParamSpan, Params};
pub use redirect::{Mend, REDIRECT_CONTENT_TYPE, redirect_body};

use std::collections::HashMap;

use folded::Folded;
use pattern::Pattern;
use tree::Table;

/// The switches of the `router` block (docs/reference/lura-core.md 2.1) and our `auto_head`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Off with `disable_redirect_trailing_slash`, which has no effect alone: the fixed-path lookup
    /// mends slashes too, as gin's does.
    pub redirect_trailing_slash: bool,
    /// Off with `disable_redirect_fixed_path`.
    pub redirect_fixed_path: bool,
    /// Off with `disable_handle_method_not_allowed`: 404 instead of 405.
    pub handle_method_not_allowed: bool,
    /// Look up the path without doubled slashes and dot segments.
    pub remove_extra_slash: bool,
    /// Answer OPTIONS on the path of each endpoint with the methods it has.
    pub auto_options: bool,
    /// Let HEAD be served by the route of GET where it has none of its own.
    pub auto_head: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            redirect_trailing_slash: true,
            redirect_fixed_path: true,
            handle_method_not_allowed: true,
            remove_extra_slash: false,
            auto_options: false,
            auto_head: false,
        }
    }
}

/// Why a route cannot be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The route that stands in the way; `None` when the pattern itself is wrong.
    pub existing: Option<u32>,
    /// gin's words.
    pub reason: String,
}

/// What a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'r> {
    /// The route's number as it was added; its parameters are in the caller's `Params`.
    Found { route: u32 },
    /// `auto_options`: 200 with an empty body and this `Allow`.
    Options { allow: &'r str },
    /// 301 for GET, 307 for others, to `Params::location`.
    Redirect { status: u16, mend: Mend },
    /// 405; `Router::write_allow` gives the `Allow`.
    MethodNotAllowed { allowed: Allowed },
    /// 404.
    NotFound,
}

/// The methods that have a route for the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed(u32);

/// Route numbers from here on are our own: the answers of `auto_options`.
const OWN: u32 = 1 << 31;
const HEAD_ALLOWED: u32 = 1 << 31;

/// All routes, ready for traffic. Shared by all workers.
pub struct Router {
    options: Options,
    /// In the order in which they were first registered, which is the order of `Allow`.
    methods: Box<[Method]>,
    names: HashMap<u32, Box<[Box<str>]>>,
    automatic: Box<[Box<str>]>,
}

struct Method {
    name: Box<str>,
    table: Table,
    folded: Folded,
}

impl Method {
    fn new<'a>(
        name: &str,
        routes: impl Iterator<Item = (&'a Pattern, u32)> + Clone,
        options: Options,
    ) -> Self {
        let table = Table::new(routes.clone());
        let folded = if options.redirect_fixed_path {
            Folded::new(routes.map(|(pattern, _)| pattern))
        } else {
            Folded::default()
        };
        Self { name: name.into(), table, folded }
    }
}

impl Router {
    /// Finds the route for a method as it stands in the request line and a decoded path.
    pub fn lookup(&self, method: &[u8], asked: &[u8], params: &mut Params) -> Outcome<'_> {
        params.cleaned.clear();
        if self.options.remove_extra_slash {
            clean::clean_path(asked, &mut params.cleaned);
        }
        let Params { walk, cleaned, .. } = params;
        let path = if cleaned.is_empty() { asked } else { cleaned.as_slice() };
        let own = self.method(method);
        if let Some(route) = own.and_then(|own| own.table.find(path, walk)) {
            return self.found(route);
        }
        let stand_in = match method {
            b"HEAD" if self.options.auto_head => self.method(b"GET"),
            _ => None,
        };
        if let Some(route) = stand_in.and_then(|get| get.table.find(path, walk)) {
            return self.found(route);
        }
        self.missed(method, asked, [own, stand_in], params)
    }

    /// The names of the route's parameters, in the order of `Params`.
    pub fn names(&self, route: u32) -> &[Box<str>] {
        self.names.get(&route).map_or(&[], |names| names)
    }

    /// Appends the value of `Allow`: the methods in the order in which they were first registered.
    pub fn write_allow(&self, allowed: Allowed, out: &mut Vec<u8>) {
        let from = out.len();
        let known = self.methods.iter().enumerate();
        let named = known.filter(|(at, _)| allowed.0 & (1 << at) != 0).map(|(_, m)| &*m.name);
        let head = (allowed.0 & HEAD_ALLOWED != 0).then_some("HEAD");
        for name in named.chain(head) {
            if out.len() > from {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(name.as_bytes());
        }
    }

    fn method(&self, name: &[u8]) -> Option<&Method> {
        self.methods.iter().find(|known| known.name.as_bytes() == name)
    }

    fn found(&self, route: u32) -> Outcome<'_> {
        match route.checked_sub(OWN).and_then(|own| self.automatic.get(own as usize)) {
            Some(allow) => Outcome::Options { allow },
            None => Outcome::Found { route },
        }
    }

    #[cold]
    fn missed(
        &self,
        method: &[u8],
        asked: &[u8],
        tried: [Option<&Method>; 2],
        params: &mut Params,
    ) -> Outcome<'_> {
        let Params { walk, cleaned, fixed } = params;
        let path = if cleaned.is_empty() { asked } else { cleaned.as_slice() };
        // `OPTIONS *` and authorities have no neighbours to go to.
        if method != b"CONNECT" && path != b"/" && asked.starts_with(b"/") {
            let status = if method == b"GET" { 301 } else { 307 };
            for own in tried.iter().flatten() {
                // The `Location` is clean: only from a clean path does it lead where we looked.
                if self.options.redirect_trailing_slash && clean::is_clean(path) {
                    toggle_slash(path, fixed);
                    if own.table.find(fixed, walk).is_some() {
                        walk.clear();
                        return Outcome::Redirect { status, mend: Mend::Slash };
                    }
                }
                if self.options.redirect_fixed_path && self.fix(own, asked, walk, fixed) {
                    walk.clear();
                    return Outcome::Redirect { status, mend: Mend::Path };
                }
            }
        }
        if self.options.handle_method_not_allowed {
            let mut allowed = 0;
            for (at, other) in self.methods.iter().enumerate() {
                let was_tried = tried.iter().flatten().any(|tried| std::ptr::eq(*tried, other));
                if !was_tried && other.table.find(path, walk).is_some() {
                    allowed |= 1 << at;
                    if self.options.auto_head && &*other.name == "GET" {
                        allowed |= HEAD_ALLOWED;
                    }
                }
            }
            if self.method(b"HEAD").is_some_and(|head| head.table.find(path, walk).is_some()) {
                allowed &= !HEAD_ALLOWED;
            }
            walk.clear();
            if allowed != 0 {
                return Outcome::MethodNotAllowed { allowed: Allowed(allowed) };
            }
        }
        walk.clear();
        Outcome::NotFound
    }

    /// Leaves the path that the redirect goes to in `fixed`.
    fn fix(
        &self,
        own: &Method,
        asked: &[u8],
        walk: &mut params::Walk,
        fixed: &mut Vec<u8>,
    ) -> bool {
        let mut path = Vec::with_capacity(asked.len() + 1);
        clean::clean_path(asked, &mut path);
        fixed.clear();
        if own.folded.find(&path, walk, fixed) {
            return true;
        }
        // Also where redirects of slashes are off: gin's switch for those has no effect here
        // (docs/reference/lura-core.md 2.4).
        if path == b"/" {
            return false;
        }
        let mut other = Vec::with_capacity(path.len() + 1);
        toggle_slash(&path, &mut other);
        own.folded.find(&other, walk, fixed)
    }
}

/// The same path with a slash more or less at its end.
fn toggle_slash(path: &[u8], out: &mut Vec<u8>) {
    out.clear();
    match path.strip_suffix(b"/") {
        Some(without) if !without.is_empty() => out.extend_from_slice(without),
        _ => {
            out.extend_from_slice(path);
            out.push(b'/');
        }
    }
}

//! What a policy is: the trait, its contexts, its verdicts, and how one is registered.
//! `plan` owns these so that no floor below the policies ever names one; `policy/mod.rs` fills the
//! ordered list. No I/O here. Source: docs/reference/krakend-components.md section 0.

use std::any::Any;
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::config::diagnostic::Diagnostics;
use crate::config::model::Service;
use crate::config::node::Node;
use crate::http::HeaderId;
use crate::http::h1::{Field, RequestHead};
use crate::json::tree;

/// One capability at work on a request and its response. Compiled once, shared by all cores;
/// whatever changes per core stands in a slot ([`RequestCx::local`]).
pub trait Policy: Send + Sync {
    /// What it reads beyond the head: the plan picks between streaming and collecting by it.
    fn needs(&self) -> Needs {
        Needs::HEAD
    }

    /// Whether it looks at the values of path parameters and at nothing else. Where all policies of
    /// a stage say so, a request of a route without parameters is not shown to them.
    fn sees_only_params(&self) -> bool {
        false
    }

    /// Before the next policy of the chain, and before the backends. Must not block.
    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict;

    /// When the answer comes back, in reverse order. Only for policies whose `on_request` continued.
    fn on_response(&self, _cx: &mut ResponseCx<'_>) -> Verdict {
        Verdict::Continue
    }

    /// Once for each `on_request` that continued, whatever happened after it; also when the client
    /// left and the exchange was dropped.
    fn on_end(&self, _local: &mut Locals, _end: End) {}
}

/// How an exchange ended, as `on_end` sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The answer was made, with a status below 500; around a backend: it gave something.
    Done,
    /// A backend, a deadline or another policy made it fail.
    Failed,
    /// It was given up: the client went away, or an equal call was faster.
    Cancelled,
}

/// What a policy reads beyond the head, per direction. The stages `Service` and `Engine` see heads
/// only, since they run for requests of no endpoint too; what is streamed (`no-op`) has no response
/// body to show. Both are refused while the plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs(u8);

impl Needs {
    /// Only the heads: bodies stream past.
    pub const HEAD: Needs = Needs(0);
    /// The whole request body, at most `limits.body_bytes` bytes (413 above).
    pub const REQUEST_BODY: Needs = Needs(1);
    /// The whole response body.
    pub const RESPONSE_BODY: Needs = Needs(2);
    /// The response as a JSON tree (depth at most 128), parsed once per exchange and shared.
    pub const RESPONSE_TREE: Needs = Needs(4 | 2);

    /// Both together.
    pub const fn and(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Whether everything in `other` is needed.
    pub const fn contains(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a policy decides.
pub enum Verdict {
    /// The next one, please.
    Continue,
    /// This is the answer; nothing below runs.
    Answer(Answer),
    /// Not known yet: the engine awaits it within the exchange's deadline.
    Wait(Suspended),
}

/// A decision that needs I/O. Owns its input: the request is not borrowed while it waits.
pub struct Suspended(pub Pin<Box<dyn Future<Output = Resume>>>);

/// Applied by the engine when the wait is over and the deadline is not, or not at all.
pub type Resume = Box<dyn FnOnce(&mut RequestCx<'_>) -> Verdict>;

/// An answer that the gateway makes itself.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Additional fields, names in canonical form.
    pub fields: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// Empty: no body, no `Content-Type`.
    pub body: Cow<'static, [u8]>,
    /// `Content-Type` of the body.
    pub content_type: &'static str,
    /// Whether `X-Krakend` and `X-Krakend-Completed: false` go with it.
    pub banner: bool,
    /// The label that tells this answer apart in metrics.
    pub label: &'static str,
}

impl Answer {
    /// No body, no further fields, no banner: what most of KrakenD's policies answer.
    pub const fn empty(status: u16, label: &'static str) -> Answer {
        Answer {
            status,
            fields: Vec::new(),
            body: Cow::Borrowed(b""),
            content_type: "",
            banner: false,
            label,
        }
    }

    /// A text body.
    pub fn text(status: u16, label: &'static str, body: impl Into<Cow<'static, str>>) -> Answer {
        let body = match body.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Answer { body, content_type: "text/plain; charset=utf-8", ..Answer::empty(status, label) }
    }

    /// With one more field.
    pub fn with_field(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Answer {
        self.fields.push((name.into(), value.into()));
        self
    }
}

/// Where in the chain a policy runs. KrakenD's order, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Before routing, on every request (CORS, OpenTelemetry).
    Service,
    /// After routing; also on 404 and 405, not on health (security/http, bot detector).
    Engine,
    /// On a matched endpoint (JWT, rate limits, endpoint Lua).
    Handler,
    /// Around the whole composition (proxy Lua, CEL, JSON schema).
    Pipe,
    /// Around one backend (breaker, proxy rate limit, backend Lua).
    Backend,
    /// Around one HTTP call (cache, OAuth2, Martian).
    Executor,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Stage; 6] = [
        Stage::Service,
        Stage::Engine,
        Stage::Handler,
        Stage::Pipe,
        Stage::Backend,
        Stage::Executor,
    ];
}

/// Where in the file the namespace of a policy may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

impl Level {
    /// The root's `extra_config`.
    pub const SERVICE: Level = Level(1);
    /// An endpoint's `extra_config`.
    pub const ENDPOINT: Level = Level(2);
    /// A backend's `extra_config`.
    pub const BACKEND: Level = Level(4);
    /// The root's or an endpoint's.
    pub const SERVICE_OR_ENDPOINT: Level = Level(3);

    /// Whether `other` is among them.
    pub const fn contains(self, other: Level) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Compiles one policy from its block. Problems go into `cx.found`; `None` leaves it out (the file
/// is then refused if a problem was an error).
pub type Compile = fn(&Node<'_>, &mut PlanCx<'_>) -> Option<Arc<dyn Policy>>;

/// One line of the ordered list: what a policy is called, where it runs, how it is made.
#[derive(Clone, Copy)]
pub struct Registration {
    /// The key in `extra_config`, KrakenD's alias.
    pub namespace: &'static str,
    /// Where it runs.
    pub stage: Stage,
    /// Where its block may stand.
    pub level: Level,
    /// Makes it.
    pub compile: Compile,
    /// Stands right after the policy of this namespace (embedding API); `None`: at its own place.
    pub after: Option<&'static str>,
    /// Made for every service even when the file has no block of that name.
    pub always: bool,
}

impl Registration {
    /// A policy that exists where the file has its block.
    pub const fn new(
        namespace: &'static str,
        stage: Stage,
        level: Level,
        compile: Compile,
    ) -> Registration {
        Registration { namespace, stage, level, compile, after: None, always: false }
    }

    /// The same, made for every service, endpoint or backend (by its level), block or not.
    pub const fn always(self) -> Registration {
        Registration { always: true, ..self }
    }

    /// Placed right after a named policy of the same stage.
    pub const fn after(self, namespace: &'static str) -> Registration {
        Registration { after: Some(namespace), ..self }
    }
}

/// A policy in force and where: what `explain` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key in `extra_config`.
    pub namespace: &'static str,
    /// Where it was registered for.
    pub stage: Stage,
    /// Index of the endpoint; `None`: the whole service.
    pub endpoint: Option<u32>,
    /// Index of the backend within the endpoint; `None`: not around one backend.
    pub backend: Option<u32>,
}

/// The chain's order: the built-in list with the user's registrations put where they asked to be;
/// several after the same policy stay in their own order. An `after` that names no policy of the
/// same stage is an error text.
pub fn ordered(
    built_in: &[Registration],
    added: &[Registration],
) -> Result<Vec<Registration>, String> {
    let mut list = built_in.to_vec();
    for one in added {
        let at = match one.after {
            None => list.len(),
            Some(name) => {
                let is_it = |r: &Registration| r.namespace == name && r.stage == one.stage;
                match list.iter().rposition(is_it) {
                    Some(at) => {
                        let behind = list[at + 1..].iter().take_while(|r| r.after == Some(name));
                        at + 1 + behind.count()
                    }
                    None if list.iter().any(|r| r.namespace == name) => {
                        let stage = one.stage;
                        return Err(format!("\"{name}\" is in another stage than {stage:?}"));
                    }
                    None => return Err(format!("no policy is called \"{name}\"")),
                }
            }
        };
        list.insert(at, *one);
    }
    Ok(list)
}

/// The index of a piece of per-core state, assigned while the plan is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u32);

/// What `compile` may use.
pub struct PlanCx<'a> {
    /// Problems found: all are reported together.
    pub found: &'a mut Diagnostics,
    /// The whole service, already checked.
    pub service: &'a Service,
    /// Method and route of the endpoint, the same with its backend, or "" for the service: names a
    /// slot for reloads.
    pub place: &'a str,
    /// The policy's own key in `extra_config`.
    pub namespace: &'static str,
    /// Names of the slots.
    pub slots: &'a mut Slots,
}

impl PlanCx<'_> {
    /// A slot for per-core state; the same name gives the same slot. State with the same name at
    /// the same place survives a reload.
    pub fn slot(&mut self, name: &str) -> Slot {
        self.slots.named(format!("{} {} {name}", self.place, self.namespace))
    }
}

/// The names of per-core state, by slot. A name keeps its slot from plan to plan, so that exchanges
/// which still run on the plan before use the same state.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// By slot; empty where the slot is free.
    names: Vec<String>,
    by_name: HashMap<String, Slot>,
    /// Asked for since `renewed`, by slot.
    used: Vec<bool>,
    free: Vec<Slot>,
}

impl Slots {
    /// The slots of the next plan, to be asked for anew.
    pub fn renewed(&self) -> Slots {
        Slots { used: vec![false; self.names.len()], ..self.clone() }
    }

    fn named(&mut self, name: String) -> Slot {
        let known = self.by_name.get(&name).copied();
        let slot = known.or_else(|| self.free.pop()).unwrap_or_else(|| {
            self.names.push(String::new());
            self.used.push(false);
            Slot(u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX))
        });
        self.used[slot.0 as usize] = true;
        if known.is_none() {
            self.names[slot.0 as usize].clone_from(&name);
            self.by_name.insert(name, slot);
        }
        slot
    }

    /// Frees the slots that nobody asked for.
    pub fn settle(&mut self) {
        for (at, name) in self.names.iter_mut().enumerate() {
            if !self.used[at] && !name.is_empty() {
                self.by_name.remove(name);
                name.clear();
                self.free.push(Slot(at as u32));
            }
        }
    }
}

/// Per-core state of all policies: nothing here is shared or locked.
#[derive(Default)]
pub struct Locals {
    slots: Vec<Option<Box<dyn Any>>>,
}

impl Locals {
    /// The state in `slot`, made by `Default` at first use on this core.
    ///
    /// A slot belongs to the policy that asked for it, which uses one type with it; another type
    /// starts the slot anew.
    pub fn get<T: Any + Default>(&mut self, slot: Slot) -> &mut T {
        let at = slot.0 as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        let place = &mut self.slots[at];
        if !place.as_ref().is_some_and(|state| state.is::<T>()) {
            *place = Some(Box::new(T::default()));
        }
        place
            .as_mut()
            .and_then(|state| state.downcast_mut())
            .expect("the slot was just filled with this type")
    }

    /// Drops the state of slots that mean something else in the next plan.
    pub fn keep_same(&mut self, old: &Slots, new: &Slots) {
        for (at, state) in self.slots.iter_mut().enumerate() {
            if old.names.get(at) != new.names.get(at) {
                *state = None;
            }
        }
    }
}

/// Changes that policies make to what goes to the backends and to the client.
#[derive(Default, Debug)]
pub struct Edits {
    /// Fields for the backends: an empty value removes the field, a name given twice is sent twice.
    pub to_backend: Vec<(String, Vec<u8>)>,
    /// Fields for the client's answer.
    pub to_client: Vec<(String, Vec<u8>)>,
    /// Parameters for `url_pattern` (`JWT.sub`), by name.
    pub params: Vec<(String, Vec<u8>)>,
}

impl Edits {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.to_backend.clear();
        self.to_client.clear();
        self.params.clear();
    }

    /// Nothing was changed: the common case, checked before the slow path.
    pub fn is_empty(&self) -> bool {
        self.to_backend.is_empty() && self.to_client.is_empty() && self.params.is_empty()
    }
}

/// A request as a policy sees it.
pub struct RequestCx<'a> {
    /// The bytes that the head's spans refer to.
    pub bytes: &'a [u8],
    /// The parsed head.
    pub head: &'a RequestHead,
    /// The path, decoded once.
    pub path: &'a [u8],
    /// The query as sent, without `?`.
    pub query: &'a [u8],
    /// Name and decoded value of each path parameter.
    pub params: &'a dyn Fn(usize) -> Option<(&'a str, &'a [u8])>,
    /// The collected body, where a policy of the chain needs it.
    pub body: Option<&'a [u8]>,
    /// Address of the connection's other end; `None` on a unix socket.
    pub peer: Option<IpAddr>,
    /// The route's pattern (`/a/:id`); "" before routing and on 404.
    pub route: &'a str,
    /// Index of the backend, in the stages `Backend` and `Executor`.
    pub backend: Option<u16>,
    /// What this policy changes.
    pub edits: &'a mut Edits,
    /// Per-core state.
    pub locals: &'a mut Locals,
}

impl<'a> RequestCx<'a> {
    /// The first value of a field, or `b""`.
    pub fn header(&self, id: HeaderId) -> &'a [u8] {
        self.head.find(id, self.bytes).unwrap_or_default()
    }

    /// All fields, in the order sent.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let bytes = self.bytes;
        self.head.fields.iter().map(move |field: &Field| (field.name(bytes), field.value(bytes)))
    }

    /// A path parameter by its configured name.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        (0..).map_while(|at| (self.params)(at)).find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Per-core state of this policy.
    pub fn local<T: Any + Default>(&mut self, slot: Slot) -> &mut T {
        self.locals.get(slot)
    }

    /// Sets a field of the requests to the backends, in place of what the client sent.
    pub fn set_header(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.edits.to_backend.push((name.into(), value.into()));
    }

    /// Adds a field to the client's answer.
    pub fn set_response_header(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.edits.to_client.push((name.into(), value.into()));
    }

    /// Gives a value to a placeholder of `url_pattern`.
    pub fn set_param(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.edits.params.push((name.into(), value.into()));
    }
}

/// A response as a policy sees it.
pub struct ResponseCx<'a> {
    /// The status so far.
    pub status: u16,
    /// Whether everything that was asked for is there.
    pub is_complete: bool,
    /// The collected body, for policies that need it.
    pub body: Option<&'a [u8]>,
    /// The body as a tree, for policies that need it and where it is JSON.
    pub tree: Option<tree::Node<'a>>,
    /// Index of the backend, in the stages `Backend` and `Executor`.
    pub backend: Option<u16>,
    /// What this policy changes.
    pub edits: &'a mut Edits,
    /// Per-core state.
    pub locals: &'a mut Locals,
}

impl ResponseCx<'_> {
    /// Per-core state of this policy.
    pub fn local<T: Any + Default>(&mut self, slot: Slot) -> &mut T {
        self.locals.get(slot)
    }

    /// Adds a field to the client's answer.
    pub fn set_response_header(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.edits.to_client.push((name.into(), value.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(namespace: &'static str, stage: Stage) -> Registration {
        Registration::new(namespace, stage, Level::SERVICE, |_, _| None)
    }

    #[test]
    fn slots_keep_their_places() {
        let mut first = Slots::default();
        let (a, b) = (first.named("a".into()), first.named("b".into()));
        assert_eq!(first.named("a".into()), a);
        first.settle();
        let mut locals = Locals::default();
        *locals.get::<u8>(a) = 1;
        *locals.get::<u8>(b) = 2;
        let mut second = first.renewed();
        assert_eq!(second.named("b".into()), b);
        second.settle();
        locals.keep_same(&first, &second);
        assert_eq!((*locals.get::<u8>(a), *locals.get::<u8>(b)), (0, 2));
        // The place of the one that is gone is given to another.
        let mut third = second.renewed();
        assert_eq!(third.named("c".into()), a);
    }

    #[test]
    fn added_policies_stand_where_they_asked_to() {
        let built_in = [one("a", Stage::Engine), one("b", Stage::Engine), one("c", Stage::Handler)];
        for (case, added, expected) in [
            ("after one", vec![one("x", Stage::Engine).after("a")], Ok("a x b c")),
            (
                "two after one keep their order",
                vec![one("x", Stage::Engine).after("a"), one("y", Stage::Engine).after("a")],
                Ok("a x y b c"),
            ),
            (
                "after an added one",
                vec![one("x", Stage::Engine).after("a"), one("y", Stage::Engine).after("x")],
                Ok("a x y b c"),
            ),
            ("nowhere in particular", vec![one("x", Stage::Pipe)], Ok("a b c x")),
            (
                "unknown",
                vec![one("x", Stage::Pipe).after("nope")],
                Err("no policy is called \"nope\""),
            ),
            (
                "another stage",
                vec![one("x", Stage::Pipe).after("a")],
                Err("\"a\" is in another stage than Pipe"),
            ),
        ] {
            let list = ordered(&built_in, &added)
                .map(|list| list.iter().map(|r| r.namespace).collect::<Vec<_>>().join(" "));
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(list, expected, "{case}");
        }
    }
}

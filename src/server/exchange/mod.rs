//! One request and its answer: policies, route, composition, the bytes that go out. Pooled per core:
//! whatever it needs keeps its memory from request to request.
//! Source: docs/reference/lura-core.md sections 0, 2, 5; docs/reference/krakend-components.md 0.

mod client_ip;
mod endpoint;
mod own_answers;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use super::admission::Load;
use super::content::Content;
use super::worker::{Worker, builtin_entry, unrouted_entry};
use crate::http::h1::RequestHead;
use crate::http::uri::path::{self, Decoded};
use crate::http::uri::query::QueryEncoder;
use crate::http::{HeaderId, Method, Version};
use crate::json::merge::Renderer;
use crate::json::tree::Tree;
use crate::net::clock::Tick;
use crate::net::placed::place;
use crate::net::timer::Deadline;
use crate::plan::policy::{Edits, End, Needs, RequestCx, ResponseCx, Suspended};
use crate::plan::router::{Outcome as Routed, Params};
use crate::plan::{Builtin, Endpoint, EndpointId, Plan, Route};
use crate::proxy::outcome::{Label, Outcome};
use crate::proxy::render::{Frame, Message, Writer};
use crate::proxy::{Advance, CorePlan, Failure, Ran, Seen, Stopped, Streamed};

/// The reusable parts of an exchange.
#[derive(Default)]
pub struct Exchange {
    /// The request's head.
    pub head: RequestHead,
    path: Vec<u8>,
    params: Params,
    encoder: RefCell<QueryEncoder>,
    client_ip: String,
    /// Whose address `client_ip` shows, where it is that of a connection's other end: one client
    /// asks more than once.
    client_ip_of: Option<IpAddr>,
    edits: Edits,
    renderer: Renderer,
    /// The answer to be streamed. Here, and not in [`Reply`]: each future on the way of a reply
    /// would be larger by all of it.
    streamed: Option<Streamed>,
    /// Texts of failures for the access log, joined by NUL.
    errors: Vec<u8>,
}

impl Exchange {
    /// Ready for another request; keeps the memory. The head starts over with the next parse.
    pub fn clear(&mut self) {
        self.path.clear();
        self.edits.clear();
        self.errors.clear();
        self.streamed = None;
    }

    /// The client's address as text.
    pub fn client_ip(&self) -> &str {
        &self.client_ip
    }

    /// Texts of failures, joined by NUL.
    pub fn errors(&self) -> &[u8] {
        &self.errors
    }

    /// The answer to be streamed, where the reply says so.
    pub fn take_streamed(&mut self) -> Option<Streamed> {
        self.streamed.take()
    }

    /// What policies add to the answer's head.
    pub fn edits(&self) -> &Edits {
        &self.edits
    }

    /// The decoded path.
    pub fn path(&self) -> &[u8] {
        &self.path
    }
}

/// What goes to the client.
pub enum Reply {
    /// All of it is here.
    Whole(Message),
    /// A `no-op` answer is to be streamed: [`Exchange::take_streamed`] has it, and
    /// [`Exchange::edits`] go into its head.
    Stream,
}

/// A reply with what metrics and logs say of it.
pub struct Answered {
    /// The bytes.
    pub reply: Reply,
    /// Status code.
    pub status: u16,
    /// Label of the metrics.
    pub label: Label,
    /// Entry of the metrics.
    pub entry: u32,
    /// Whether there is a line in the access log.
    pub is_logged: bool,
    /// Whether the connection may serve another request.
    pub keeps_alive: bool,
}

/// What an exchange is about: the connection's side of it.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The worker.
    pub worker: &'a Rc<Worker>,
    /// The plan at the time when the head was complete.
    pub plan: &'a CorePlan,
    /// The block that holds the head.
    pub bytes: &'a [u8],
    /// The other end.
    pub peer: Option<IpAddr>,
    /// When the head was complete.
    pub started: Tick,
    /// How the answer is framed, as far as the request and its connection say.
    pub asked: Frame,
}

impl Setting<'_> {
    /// How the answer is framed: a shutdown that began meanwhile ends the connection too.
    pub fn frame(&self) -> Frame {
        let closes = self.asked.closes || self.worker.is_draining();
        Frame { closes, ..self.asked }
    }

    /// The same where nothing can follow the answer once the request's content is known to be
    /// broken: the client is told.
    fn after(&self, content: &Content<'_>) -> Self {
        let closes = self.asked.closes || content.has_failed();
        Setting { asked: Frame { closes, ..self.asked }, ..*self }
    }
}

impl Exchange {
    /// What an answer is written with.
    fn writer<'a>(&'a self, setting: &'a Setting<'_>) -> Writer<'a> {
        Writer {
            core: &setting.worker.core,
            banner: &setting.plan.plan.banner,
            edits: &self.edits,
            frame: setting.frame(),
        }
    }

    /// Answers the request whose head stands in `self.head`. `deadline` is the connection's, free
    /// while it is answered.
    pub async fn answer(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        deadline: &mut Deadline,
    ) -> Answered {
        let plan = &*setting.plan.plan;
        // First, since the log shows it whatever becomes of the request.
        self.find_client_ip(setting);
        if !self.decode_path(setting) {
            return self.refuse(setting, 400, Label::BadRequest, b"");
        }
        let mut service = Ran::none(&plan.service_chain, &setting.plan.locals);
        let mut engine = Ran::none(&plan.engine_chain, &setting.plan.locals);
        let mut answered = 'answered: {
            let scope = Scope { is_routed: false, endpoint: None, body: None };
            if service.has_policies()
                && let Err(stopped) = self.stage(setting, &mut service, scope).await
            {
                break 'answered self.stopped(setting, stopped, unrouted_entry(plan));
            }
            let way = match self.route(setting) {
                // Redirects and health answer before the stage `Engine`.
                Way::Answered(answered) => break 'answered answered,
                way => way,
            };
            if engine.has_policies() && !(plan.engine_sees_only_params && way.has_no_params()) {
                let scope = Scope { is_routed: true, endpoint: way.endpoint(), body: None };
                if let Err(stopped) = self.stage(setting, &mut engine, scope).await {
                    break 'answered self.stopped(setting, stopped, way.entry(plan));
                }
            }
            match way {
                Way::Endpoint(endpoint, id) => {
                    self.endpoint(setting, content, (endpoint, id), deadline).await
                }
                Way::Answered(answered) => answered,
                Way::Builtin(builtin) => place(self.builtin(setting, content, builtin)).await,
                Way::Options { allow } => self.options(setting, allow),
                Way::Unrouted { status, lines } => self.unrouted(setting, status, &lines),
            }
        };
        if !engine.is_empty() {
            answered = self.end_stage(setting, engine, answered, Needs::HEAD);
        }
        if !service.is_empty() {
            answered = self.end_stage(setting, service, answered, Needs::HEAD);
        }
        answered
    }

    /// The request side of a stage. Only a policy that waits has its future, in pooled memory.
    async fn stage(
        &mut self,
        setting: &Setting<'_>,
        ran: &mut Ran<'_>,
        scope: Scope<'_>,
    ) -> Result<(), Stopped> {
        let (seen, edits) = self.seen(setting, scope);
        match ran.advance(&mut |step| seen.lend(edits, &setting.plan.locals, step)) {
            Advance::Done => Ok(()),
            Advance::Stopped(answer) => Err(Stopped::Answered(answer)),
            Advance::Waits(wait) => place(self.wait(setting, ran, scope, wait)).await,
        }
    }

    async fn wait(
        &mut self,
        setting: &Setting<'_>,
        ran: &mut Ran<'_>,
        scope: Scope<'_>,
        wait: Suspended,
    ) -> Result<(), Stopped> {
        let timeout = scope.endpoint.map_or(setting.plan.plan.timeout, |one| one.timeout);
        let (seen, edits) = self.seen(setting, scope);
        let mut with = |step: &mut dyn FnMut(&mut RequestCx<'_>)| {
            seen.lend(edits, &setting.plan.locals, step);
        };
        ran.wait(wait, setting.started + timeout, &mut with).await
    }

    fn seen<'s>(
        &'s mut self,
        setting: &'s Setting<'_>,
        scope: Scope<'s>,
    ) -> (Seen<'s>, &'s mut Edits) {
        let Exchange { head, path, params, edits, .. } = self;
        let seen = Seen {
            bytes: setting.bytes,
            head,
            path,
            query: head.target.query(setting.bytes),
            params: scope.is_routed.then_some(&*params),
            body: scope.body,
            peer: setting.peer,
            endpoint: scope.endpoint,
            backend: None,
        };
        (seen, edits)
    }

    /// The answer where a policy went no further.
    fn stopped(&mut self, setting: &Setting<'_>, stopped: Stopped, entry: u32) -> Answered {
        match stopped {
            Stopped::Answered(answer) => self.policy_answer(setting, &answer, entry),
            Stopped::Late => {
                let failure = Failure::deadline();
                let plan = &setting.plan.plan;
                let Outcome { label, .. } = failure.outcome();
                let status = failure.outcome().status(plan.uses_rfc_statuses);
                self.errors.extend_from_slice(failure.text.as_bytes());
                let tells = plan.returns_error_text;
                let block = self.writer(setting).failed(&[failure], status, tells);
                let reply = Reply::Whole(Message::Block(block));
                Answered { reply, status, label, entry, is_logged: true, keeps_alive: true }
            }
        }
    }

    /// The response side of a stage, for policies that see the final answer.
    fn end_stage(
        &mut self,
        setting: &Setting<'_>,
        mut ran: Ran<'_>,
        mut answered: Answered,
        needs: Needs,
    ) -> Answered {
        if !ran.is_empty() {
            let known = self.edits.to_client.len();
            let own = {
                let content = match &answered.reply {
                    Reply::Whole(message) if needs.contains(Needs::RESPONSE_BODY) => {
                        Some(message.content())
                    }
                    _ => None,
                };
                let content = content.as_deref();
                let tree =
                    content.filter(|_| needs.contains(Needs::RESPONSE_TREE)).and_then(|content| {
                        let mut tree = Tree::new();
                        tree.parse_shallow(content).then_some((tree, content))
                    });
                ran.responses(&mut |step| {
                    step(&mut ResponseCx {
                        status: answered.status,
                        is_complete: answered.label == Label::Ok,
                        body: content,
                        tree: tree.as_ref().and_then(|(tree, content)| tree.root(content)),
                        backend: None,
                        edits: &mut self.edits,
                        locals: &mut setting.plan.locals.borrow_mut(),
                    });
                })
            };
            let late = self.edits.to_client.get(known..).unwrap_or_default();
            match (own, &mut answered.reply) {
                (Some(answer), _) => {
                    self.streamed = None;
                    let keeps_alive = answered.keeps_alive;
                    let own = self.policy_answer(setting, &answer, answered.entry);
                    answered = Answered { keeps_alive, ..own };
                }
                (None, Reply::Whole(message)) if !late.is_empty() => message.add_fields(late),
                // The head of a stream is not written yet: what was added goes into it.
                (None, Reply::Whole(_) | Reply::Stream) => {}
            }
        }
        ran.finish(if answered.status >= 500 { End::Failed } else { End::Done });
        answered
    }

    /// Leaves the decoded path in `self.path`; `false` where it has none.
    fn decode_path(&mut self, setting: &Setting<'_>) -> bool {
        let raw = self.head.target.path(setting.bytes);
        let mut scratch = std::mem::take(&mut self.path);
        let is_good = matches!(path::decode(raw, &mut scratch), Ok(Decoded { has_nul: false, .. }));
        // Without an escape the path is not copied into the scratch memory.
        if memchr::memchr(b'%', raw).is_none() {
            scratch.clear();
            scratch.extend_from_slice(raw);
        }
        self.path = scratch;
        is_good
    }

    /// Where the request goes. Waits for nothing, runs no policy.
    fn route<'p>(&mut self, setting: &Setting<'p>) -> Way<'p> {
        let plan: &'p Plan = &setting.plan.plan;
        let query = self.head.target.query(setting.bytes);
        if !query.is_empty() && has_too_many(query, plan.limits.query_params as usize) {
            return Way::Answered(self.refuse(setting, 400, Label::TooManyParameters, b""));
        }
        let method = self.head.method;
        let method = method.as_bytes(setting.bytes);
        match plan.router.lookup(method, &self.path, &mut self.params) {
            Routed::Found { route } => match plan.routes.get(route as usize) {
                Some(Route::Endpoint(EndpointId(entry)))
                    if setting.worker.load() >= Load::Refusing =>
                {
                    Way::Answered(self.overloaded(setting, *entry))
                }
                Some(Route::Endpoint(id)) => match plan.endpoint(*id) {
                    Some(endpoint) => Way::Endpoint(endpoint, *id),
                    None => Way::NOT_FOUND,
                },
                Some(Route::Builtin(Builtin::Health)) => Way::Answered(self.health(setting)),
                Some(Route::Builtin(builtin)) => Way::Builtin(*builtin),
                // The router gives back only numbers that the plan put in.
                None => Way::NOT_FOUND,
            },
            Routed::Redirect { status, mend } => {
                let mut location = Vec::new();
                let prefix = self.head.find(HeaderId::XForwardedPrefix, setting.bytes);
                let prefix = prefix.filter(|_| plan.client_ip.trusts_peer(setting.peer));
                let query = self.head.target.query.map(|span| span.of(setting.bytes));
                self.params.location(mend, &self.path, prefix, query, &mut location);
                Way::Answered(self.redirect(setting, status, &location))
            }
            Routed::Options { allow } => Way::Options { allow },
            Routed::MethodNotAllowed { allowed } => {
                let mut lines = b"Allow: ".to_vec();
                plan.router.write_allow(allowed, &mut lines);
                lines.extend_from_slice(b"\r\n");
                Way::Unrouted { status: 405, lines }
            }
            Routed::NotFound => Way::NOT_FOUND,
        }
    }
}

/// What the policies of a stage see beside the request's head.
#[derive(Clone, Copy)]
struct Scope<'a> {
    /// Before that there are no path parameters.
    is_routed: bool,
    endpoint: Option<&'a Endpoint>,
    body: Option<&'a [u8]>,
}

/// Where a request goes.
enum Way<'p> {
    /// Nowhere: it is answered.
    Answered(Answered),
    Endpoint(&'p Endpoint, EndpointId),
    /// Not the health route, which no policy sees.
    Builtin(Builtin),
    Options {
        allow: &'p str,
    },
    /// 404 or 405, with further lines of the head.
    Unrouted {
        status: u16,
        lines: Vec<u8>,
    },
}

impl<'p> Way<'p> {
    const NOT_FOUND: Self = Way::Unrouted { status: 404, lines: Vec::new() };

    fn endpoint(&self) -> Option<&'p Endpoint> {
        match self {
            Way::Endpoint(endpoint, _) => Some(endpoint),
            Way::Answered(_) | Way::Builtin(_) | Way::Options { .. } | Way::Unrouted { .. } => None,
        }
    }

    fn has_no_params(&self) -> bool {
        self.endpoint().is_some_and(|endpoint| endpoint.params.is_empty())
    }

    /// Entry of the metrics where a policy answers instead.
    fn entry(&self, plan: &Plan) -> u32 {
        match self {
            Way::Endpoint(_, id) => id.0,
            Way::Builtin(_) | Way::Options { .. } => builtin_entry(plan),
            Way::Answered(_) | Way::Unrouted { .. } => unrouted_entry(plan),
        }
    }
}

fn has_too_many(query: &[u8], max: usize) -> bool {
    query.len() > max && memchr::memchr_iter(b'&', query).count() >= max
}

/// Whether a request wants its connection kept, as far as its own head says.
pub fn frame_of(head: &RequestHead, closes: bool) -> Frame {
    Frame {
        is_head: head.method == Method::Head,
        closes,
        version: if head.version == Version::H10 { Version::H10 } else { Version::H11 },
    }
}

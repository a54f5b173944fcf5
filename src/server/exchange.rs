//! One request and its answer: policies, route, composition, the bytes that go out. Pooled per core:
//! whatever it needs keeps its memory from request to request.
//! Source: docs/reference/lura-core.md sections 0, 2, 5; docs/reference/krakend-components.md 0.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::content::Content;
use super::worker::{Load, Worker, builtin_entry, unrouted_entry};
use crate::admin::builtin;
use crate::http::h1::RequestHead;
use crate::http::uri::path::{self, Decoded};
use crate::http::uri::query::QueryEncoder;
use crate::http::{HeaderId, Method, Version};
use crate::json::merge::Renderer;
use crate::json::tree::Tree;
use crate::net::Block;
use crate::net::clock::{self, Tick};
use crate::plan::policy::{Answer, Edits, End, Needs, RequestCx, ResponseCx};
use crate::plan::router::{Outcome as Routed, Params, REDIRECT_CONTENT_TYPE, redirect_body};
use crate::plan::{Builtin, Endpoint, EndpointId, Output, Plan, Route};
use crate::proxy::outcome::{Label, Outcome};
use crate::proxy::render::{Frame, Message, Plain, Writer};
use crate::proxy::{
    Composed, CorePlan, Failure, Ran, Request, RequestBody, Scene, Stopped, Streamed, compose,
    total,
};
use crate::upstream::BodyError;

/// The reusable parts of an exchange.
#[derive(Default)]
pub struct Exchange {
    /// The request's head.
    pub head: RequestHead,
    path: Vec<u8>,
    params: Params,
    encoder: RefCell<QueryEncoder>,
    client_ip: String,
    edits: Edits,
    renderer: Renderer,
    /// The answer to be streamed. Here, and not in [`Reply`]: each future on the way of a reply
    /// would be larger by all of it.
    streamed: Option<Streamed>,
    /// Texts of failures for the access log, joined by NUL.
    errors: Vec<u8>,
}

impl Exchange {
    /// Ready for another request; keeps the memory.
    pub fn clear(&mut self) {
        self.head.clear();
        self.path.clear();
        self.client_ip.clear();
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
        Frame { closes: self.asked.closes || self.worker.is_draining(), ..self.asked }
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

    /// Answers the request whose head stands in `self.head`.
    pub async fn answer(&mut self, setting: &Setting<'_>, content: &mut Content<'_>) -> Answered {
        let plan = &setting.plan.plan;
        if !self.decode_path(setting) {
            return self.refuse(setting, 400, Label::BadRequest, b"");
        }
        self.find_client_ip(setting);
        let service_chain = &plan.service_chain;
        if service_chain.is_empty() {
            return self.route(setting, content).await;
        }
        let mut ran = Ran::none(service_chain, &setting.plan.locals);
        let stopped = {
            let Exchange { head, path, client_ip: _, edits, .. } = self;
            let mut with = |step: &mut dyn FnMut(&mut RequestCx<'_>)| {
                step(&mut RequestCx {
                    bytes: setting.bytes,
                    head,
                    path,
                    query: head.target.query(setting.bytes),
                    params: &|_| None,
                    body: None,
                    peer: setting.peer,
                    route: "",
                    backend: None,
                    edits,
                    locals: &mut setting.plan.locals.borrow_mut(),
                });
            };
            ran.requests(setting.started + plan.timeout, &mut with).await
        };
        let answered = match stopped {
            Err(stopped) => self.stopped(setting, stopped, unrouted_entry(plan)),
            Ok(()) => self.route(setting, content).await,
        };
        self.end_stage(setting, ran, answered, Needs::HEAD)
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
                let mut tree = Tree::new();
                let has_tree = needs.contains(Needs::RESPONSE_TREE)
                    && content.is_some_and(|content| tree.parse_shallow(content));
                ran.responses(&mut |step| {
                    step(&mut ResponseCx {
                        status: answered.status,
                        is_complete: answered.label == Label::Ok,
                        body: content,
                        tree: content.filter(|_| has_tree).and_then(|body| tree.root(body)),
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

    async fn route(&mut self, setting: &Setting<'_>, content: &mut Content<'_>) -> Answered {
        let plan: &Plan = &setting.plan.plan;
        let query = self.head.target.query(setting.bytes);
        if !query.is_empty() && has_too_many(query, plan.limits.query_params as usize) {
            return self.refuse(setting, 400, Label::TooManyParameters, b"");
        }
        let method = self.head.method;
        let method = method.as_bytes(setting.bytes);
        let routed = plan.router.lookup(method, &self.path, &mut self.params);
        match routed {
            Routed::Redirect { status, mend } => {
                let mut location = Vec::new();
                let prefix = self.head.find(HeaderId::XForwardedPrefix, setting.bytes);
                let query = self.head.target.query.map(|span| span.of(setting.bytes));
                self.params.location(mend, &self.path, prefix, query, &mut location);
                self.redirect(setting, status, &location)
            }
            Routed::Options { allow } => {
                let lines = format!("Allow: {allow}\r\n{}", plan.banner);
                let plain = Plain {
                    status: 200,
                    banner: None,
                    content_type: b"",
                    lines: lines.as_bytes(),
                    body: b"",
                };
                let entry = builtin_entry(plan);
                let mut ran = self.engine_chain(setting);
                let answered = match self.engine(setting, &mut ran, None).await {
                    Err(stopped) => self.stopped(setting, stopped, entry),
                    Ok(()) => self.plain(setting, &plain, Label::Builtin, entry),
                };
                self.end_stage(setting, ran, answered, Needs::HEAD)
            }
            Routed::Found { route } => match plan.routes.get(route as usize) {
                Some(Route::Endpoint(EndpointId(entry)))
                    if setting.worker.load() >= Load::Refusing =>
                {
                    self.overloaded(setting, *entry)
                }
                Some(Route::Endpoint(id)) => match plan.endpoint(*id) {
                    Some(endpoint) => {
                        let mut ran = self.engine_chain(setting);
                        let answered = match self.engine(setting, &mut ran, Some(endpoint)).await {
                            Err(stopped) => self.stopped(setting, stopped, id.0),
                            Ok(()) => self.endpoint(setting, content, endpoint, *id).await,
                        };
                        self.end_stage(setting, ran, answered, Needs::HEAD)
                    }
                    None => self.unrouted(setting, 404, b"").await,
                },
                Some(Route::Builtin(Builtin::Health)) => self.health(setting),
                Some(Route::Builtin(builtin)) => {
                    let builtin = *builtin;
                    let mut ran = self.engine_chain(setting);
                    let answered = match self.engine(setting, &mut ran, None).await {
                        Err(stopped) => self.stopped(setting, stopped, builtin_entry(plan)),
                        Ok(()) => self.builtin(setting, content, builtin).await,
                    };
                    self.end_stage(setting, ran, answered, Needs::HEAD)
                }
                // The router gives back only numbers that the plan put in.
                None => self.unrouted(setting, 404, b"").await,
            },
            Routed::MethodNotAllowed { allowed } => {
                let mut lines = b"Allow: ".to_vec();
                plan.router.write_allow(allowed, &mut lines);
                lines.extend_from_slice(b"\r\n");
                self.unrouted(setting, 405, &lines).await
            }
            Routed::NotFound => self.unrouted(setting, 404, b"").await,
        }
    }

    fn engine_chain<'a>(&self, setting: &Setting<'a>) -> Ran<'a> {
        Ran::none(&setting.plan.plan.engine_chain, &setting.plan.locals)
    }

    /// Policies of the stage `Engine`, which run on matched routes, on 404 and on 405.
    async fn engine(
        &mut self,
        setting: &Setting<'_>,
        ran: &mut Ran<'_>,
        endpoint: Option<&Endpoint>,
    ) -> Result<(), Stopped> {
        let timeout = endpoint.map_or(setting.plan.plan.timeout, |endpoint| endpoint.timeout);
        let Exchange { head, path, params, edits, .. } = self;
        let (params, path): (&Params, &[u8]) = (params, path);
        let mut with = |step: &mut dyn FnMut(&mut RequestCx<'_>)| {
            step(&mut RequestCx {
                bytes: setting.bytes,
                head,
                path,
                query: head.target.query(setting.bytes),
                params: &|at| {
                    let name = match endpoint {
                        Some(endpoint) => &**endpoint.params.get(at)?,
                        None => "",
                    };
                    (at < params.spans().len()).then(|| (name, params.value(at, path)))
                },
                body: None,
                peer: setting.peer,
                route: endpoint.map_or("", |endpoint| &endpoint.path),
                backend: None,
                edits,
                locals: &mut setting.plan.locals.borrow_mut(),
            });
        };
        ran.requests(setting.started + timeout, &mut with).await
    }

    async fn endpoint(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        endpoint: &Endpoint,
        id: EndpointId,
    ) -> Answered {
        let plan = &setting.plan.plan;
        // A body that has to be held is read before the policies that look at it.
        let mut held = None;
        if endpoint.holds_body && !content.is_ended() {
            content.welcome().await;
            let max = plan.limits.body_bytes.min(usize::MAX as u64) as usize;
            match content.collect(max).await {
                Ok(block) => held = Some(block),
                Err(error) => return self.bad_body(setting, id.0, error),
            }
        }
        if endpoint.handler.is_empty() && endpoint.pipe.is_empty() {
            return self.compose(setting, content, endpoint, id, held).await;
        }
        let mut handler = Ran::none(&endpoint.handler, &setting.plan.locals);
        let mut pipe = Ran::none(&endpoint.pipe, &setting.plan.locals);
        let mut stopped = Ok(());
        for ran in [&mut handler, &mut pipe] {
            let Exchange { head, path, params, edits, .. } = self;
            let (params, path): (&Params, &[u8]) = (params, path);
            let mut with = |step: &mut dyn FnMut(&mut RequestCx<'_>)| {
                step(&mut RequestCx {
                    bytes: setting.bytes,
                    head,
                    path,
                    query: head.target.query(setting.bytes),
                    params: &|at| {
                        let name = endpoint.params.get(at)?;
                        Some((name, params.value(at, path)))
                    },
                    body: held.as_deref().map(Vec::as_slice),
                    peer: setting.peer,
                    route: &endpoint.path,
                    backend: None,
                    edits,
                    locals: &mut setting.plan.locals.borrow_mut(),
                });
            };
            stopped = ran.requests(setting.started + endpoint.timeout, &mut with).await;
            if stopped.is_err() {
                break;
            }
        }
        let answered = match stopped {
            Ok(()) => self.compose_with_pipe(setting, content, endpoint, id, held, pipe).await,
            Err(stopped) => {
                let answered = self.stopped(setting, stopped, id.0);
                self.end_stage(setting, pipe, answered, Needs::HEAD)
            }
        };
        self.end_stage(setting, handler, answered, endpoint.needs)
    }

    async fn compose(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        endpoint: &Endpoint,
        id: EndpointId,
        held: Option<Block>,
    ) -> Answered {
        let composed = self.call(setting, content, endpoint, held.as_ref()).await;
        self.render(setting, endpoint, id, composed)
    }

    /// As `compose`, with the response side of the stage `Pipe` between data and bytes.
    async fn compose_with_pipe(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        endpoint: &Endpoint,
        id: EndpointId,
        held: Option<Block>,
        mut pipe: Ran<'_>,
    ) -> Answered {
        let composed = self.call(setting, content, endpoint, held.as_ref()).await;
        let needs_body = endpoint.needs.contains(Needs::RESPONSE_BODY);
        let mut body = Vec::new();
        let mut tree = Tree::new();
        let (mut status, mut is_complete, mut has_tree) = (200, false, false);
        match &composed {
            Composed::Data { parts, is_complete: complete, .. } => {
                is_complete = *complete;
                if needs_body && let Output::Rendered(options) = &endpoint.output {
                    let slices: Vec<_> =
                        parts.as_slice().iter().map(|d| (&*d.part, d.content())).collect();
                    self.renderer.render(&slices, options, &mut body);
                    has_tree =
                        endpoint.needs.contains(Needs::RESPONSE_TREE) && tree.parse_shallow(&body);
                }
            }
            Composed::Stream(streamed) => status = streamed.response.status(),
            Composed::Failed(failures) => {
                status = total(failures).status(endpoint.uses_rfc_statuses);
            }
        }
        let own = pipe.responses(&mut |step| {
            step(&mut ResponseCx {
                status,
                is_complete,
                body: needs_body.then_some(&body[..]),
                tree: if has_tree { tree.root(&body) } else { None },
                backend: None,
                edits: &mut self.edits,
                locals: &mut setting.plan.locals.borrow_mut(),
            });
        });
        let is_failed = match &own {
            Some(answer) => answer.status >= 500,
            None => matches!(composed, Composed::Failed(_)),
        };
        pipe.finish(if is_failed { End::Failed } else { End::Done });
        match own {
            Some(answer) => self.policy_answer(setting, &answer, id.0),
            None => self.render(setting, endpoint, id, composed),
        }
    }

    async fn call(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        endpoint: &Endpoint,
        held: Option<&Block>,
    ) -> Composed {
        let request = Request {
            bytes: setting.bytes,
            head: &self.head,
            path: &self.path,
            query: if endpoint.reads_query { self.head.target.query(setting.bytes) } else { b"" },
            params: &self.params,
            encoder: &self.encoder,
            peer: setting.peer,
            client_ip: &self.client_ip,
            edits: &self.edits,
        };
        if held.is_none() && !content.is_ended() {
            content.welcome().await;
        }
        let body = match held {
            Some(block) => RequestBody::Held(block),
            None if content.is_ended() => RequestBody::Empty,
            None => {
                let length = match self.head.body {
                    crate::http::h1::BodyKind::Length(length) => Some(length),
                    _ => None,
                };
                RequestBody::Streamed { source: content, length }
            }
        };
        let to_client = RefCell::default();
        let scene = Scene {
            core: &setting.worker.core,
            plan: setting.plan,
            endpoint,
            request: &request,
            dropped_as: &Cell::new(Label::Cancelled),
            deadline: setting.started + endpoint.timeout,
            to_client: &to_client,
        };
        let composed = compose(scene, body, setting.started).await;
        self.edits.to_client.append(&mut to_client.into_inner());
        composed
    }

    fn render(
        &mut self,
        setting: &Setting<'_>,
        endpoint: &Endpoint,
        id: EndpointId,
        composed: Composed,
    ) -> Answered {
        let plan = &setting.plan.plan;
        let (reply, status, label) = match (composed, &endpoint.output) {
            (Composed::Data { parts, is_complete, failures }, Output::Rendered(options)) => {
                self.note(setting, endpoint, &failures);
                let label = match (is_complete, failures.is_empty()) {
                    (true, _) => Label::Ok,
                    (false, true) => Label::Incomplete,
                    (false, false) => Label::Partial,
                };
                let mut renderer = std::mem::take(&mut self.renderer);
                let writer = self.writer(setting);
                let message = writer.data(endpoint, options, &mut renderer, parts, is_complete);
                self.renderer = renderer;
                (Reply::Whole(message), 200, label)
            }
            (Composed::Stream(streamed), _) => {
                let status = streamed.response.status();
                self.streamed = Some(streamed);
                (Reply::Stream, status, Label::Ok)
            }
            // Only `no-op` has no rendering, and it never has data.
            (Composed::Data { .. }, Output::NoOp) => {
                return self.refuse(setting, 500, Label::Incomplete, b"");
            }
            (Composed::Failed(failures), _) => {
                self.note(setting, endpoint, &failures);
                let outcome: Outcome = total(&failures);
                let status = outcome.status(endpoint.uses_rfc_statuses);
                let tells = plan.returns_error_text;
                let block = self.writer(setting).failed(&failures, status, tells);
                let status = status_of(&block).unwrap_or(status);
                (Reply::Whole(Message::Block(block)), status, outcome.label)
            }
        };
        Answered { reply, status, label, entry: id.0, is_logged: true, keeps_alive: true }
    }

    /// Logs what failed, as KrakenD does: a line each, and in the access log.
    fn note(&mut self, setting: &Setting<'_>, endpoint: &Endpoint, failures: &[Failure]) {
        let now = if failures.is_empty() { return } else { clock::wall_nanos() };
        let mut line = String::new();
        for (at, failure) in failures.iter().enumerate() {
            if !self.errors.is_empty() {
                self.errors.push(0);
            }
            self.errors.extend_from_slice(failure.text.as_bytes());
            line.clear();
            if failures.len() > 1 || endpoint.backends.len() > 1 {
                let _ = write!(line, "Error #{at}: ");
            }
            line.push_str(&failure.text);
            setting.worker.lane.error(now, &endpoint.path, line.as_bytes());
        }
    }

    fn health(&mut self, setting: &Setting<'_>) -> Answered {
        let body = builtin::health(clock::wall_nanos(), clock::now().since(setting.worker.started));
        self.json(setting, &body)
    }

    async fn builtin(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        which: Builtin,
    ) -> Answered {
        let max = setting.plan.plan.limits.body_bytes.min(usize::MAX as u64) as usize;
        let entry = builtin_entry(&setting.plan.plan);
        content.welcome().await;
        let body = match content.collect(max).await {
            Ok(body) => body,
            Err(error) => return self.bad_body(setting, entry, error),
        };
        let seen =
            builtin::Seen { head: &self.head, bytes: setting.bytes, path: &self.path, body: &body };
        if which == Builtin::Echo {
            let answer = builtin::echo(&seen);
            return self.json(setting, &answer);
        }
        let mut lines = Vec::new();
        builtin::debug_lines(&seen, &mut lines);
        for line in lines {
            use crate::telemetry::logger::Level;
            let now = clock::wall_nanos();
            let prefix: &[u8] = b"[ENDPOINT: /__debug/*] ";
            setting.worker.lane.log(now, Level::Debug, [prefix, line.as_bytes(), b"", b""]);
        }
        self.json(setting, builtin::PONG)
    }

    fn json(&mut self, setting: &Setting<'_>, body: &[u8]) -> Answered {
        let plain = Plain {
            status: 200,
            banner: None,
            content_type: b"application/json; charset=utf-8",
            lines: b"",
            body,
        };
        let entry = builtin_entry(&setting.plan.plan);
        self.plain(setting, &plain, Label::Builtin, entry)
    }

    /// 404 and 405, after the policies of the stage `Engine`.
    async fn unrouted(&mut self, setting: &Setting<'_>, status: u16, lines: &[u8]) -> Answered {
        let plan = &setting.plan.plan;
        let entry = unrouted_entry(plan);
        let mut ran = self.engine_chain(setting);
        if let Err(stopped) = self.engine(setting, &mut ran, None).await {
            let answered = self.stopped(setting, stopped, entry);
            return self.end_stage(setting, ran, answered, Needs::HEAD);
        }
        let (label, own, text) = match status {
            405 => {
                (Label::MethodNotAllowed, &plan.not_allowed_body, &b"405 method not allowed"[..])
            }
            _ => (Label::NotFound, &plan.not_found_body, &b"404 page not found"[..]),
        };
        let (content_type, body): (&[u8], &[u8]) = match own {
            Some(json) => (b"application/json; charset=utf-8", json.as_bytes()),
            None => (b"text/plain", text),
        };
        let plain = Plain { status, banner: Some(&plan.banner), content_type, lines, body };
        let answered = self.plain(setting, &plain, label, entry);
        self.end_stage(setting, ran, answered, Needs::HEAD)
    }

    fn redirect(&mut self, setting: &Setting<'_>, status: u16, location: &[u8]) -> Answered {
        let mut lines = b"Location: ".to_vec();
        lines.extend_from_slice(location);
        lines.extend_from_slice(b"\r\n");
        let mut body = Vec::new();
        let mut content_type: &[u8] = b"";
        if matches!(self.head.method, Method::Get | Method::Head) {
            redirect_body(location, &mut body);
            content_type = REDIRECT_CONTENT_TYPE.as_bytes();
        }
        let plain = Plain { status, banner: None, content_type, lines: &lines, body: &body };
        let entry = unrouted_entry(&setting.plan.plan);
        let answered = self.plain(setting, &plain, Label::Redirect, entry);
        Answered { is_logged: false, ..answered }
    }

    /// A request that is refused with no more than its status.
    pub fn refuse(
        &mut self,
        setting: &Setting<'_>,
        status: u16,
        label: Label,
        body: &[u8],
    ) -> Answered {
        let content_type: &[u8] = if body.is_empty() { b"" } else { b"text/plain; charset=utf-8" };
        let plain = Plain { status, banner: None, content_type, lines: b"", body };
        self.last(setting, &plain, label, unrouted_entry(&setting.plan.plan))
    }

    /// An answer after which the connection ends: what follows it on the wire is not trusted.
    fn last(
        &mut self,
        setting: &Setting<'_>,
        plain: &Plain<'_>,
        label: Label,
        entry: u32,
    ) -> Answered {
        let writer = self.writer(setting);
        let frame = Frame { closes: true, ..writer.frame };
        let block = Writer { frame, ..writer }.plain(plain);
        Answered {
            reply: Reply::Whole(Message::Block(block)),
            status: plain.status,
            label,
            entry,
            is_logged: true,
            keeps_alive: false,
        }
    }

    /// 503 while memory is short: nothing is held for it, and the connection ends.
    #[cold]
    fn overloaded(&mut self, setting: &Setting<'_>, entry: u32) -> Answered {
        let lines = b"Retry-After: 1\r\n";
        let plain = Plain { status: 503, banner: None, content_type: b"", lines, body: b"" };
        self.last(setting, &plain, Label::Overload, entry)
    }

    fn bad_body(&mut self, setting: &Setting<'_>, entry: u32, error: BodyError) -> Answered {
        let (status, label) = match error {
            BodyError::TooLarge => (413, Label::BodyTooLarge),
            BodyError::TooSlow => (408, Label::RequestTimeout),
            BodyError::Malformed => (400, Label::BadRequest),
            BodyError::ClientLeft => (400, Label::ClientLeft),
        };
        let plain = Plain { status, banner: None, content_type: b"", lines: b"", body: b"" };
        self.last(setting, &plain, label, entry)
    }

    fn policy_answer(&mut self, setting: &Setting<'_>, answer: &Answer, entry: u32) -> Answered {
        let block = self.writer(setting).policy_answer(answer);
        Answered {
            reply: Reply::Whole(Message::Block(block)),
            status: answer.status,
            label: Label::of_policy(answer.label),
            entry,
            is_logged: true,
            keeps_alive: true,
        }
    }

    fn plain(
        &mut self,
        setting: &Setting<'_>,
        plain: &Plain<'_>,
        label: Label,
        entry: u32,
    ) -> Answered {
        let block = self.writer(setting).plain(plain);
        Answered {
            reply: Reply::Whole(Message::Block(block)),
            status: plain.status,
            label,
            entry,
            is_logged: true,
            keeps_alive: true,
        }
    }

    /// The client's address: the peer's, or what trusted forwarding fields say.
    fn find_client_ip(&mut self, setting: &Setting<'_>) {
        let plan = &setting.plan.plan;
        let rule = &plan.client_ip;
        self.client_ip.clear();
        if plan.app_engine {
            let named = self.head.fields.find_named(b"x-appengine-remote-addr", setting.bytes);
            if let Some(text) = named.and_then(|v| std::str::from_utf8(v).ok()) {
                self.client_ip.push_str(text);
                return;
            }
        }
        let mut found = None;
        if rule.reads_fields(setting.peer) {
            for field in &rule.fields {
                let id = HeaderId::of(field.as_bytes());
                let fields = &self.head.fields;
                // The usual request has none of these fields.
                if id != HeaderId::Other && !fields.ids().contains(id) {
                    continue;
                }
                let mut joined = String::new();
                let mut join = |value: &[u8]| {
                    if !joined.is_empty() {
                        joined.push(',');
                    }
                    joined.push_str(std::str::from_utf8(value).unwrap_or("?"));
                };
                match id {
                    HeaderId::Other => {
                        fields.values_named(field.as_bytes(), setting.bytes).for_each(&mut join)
                    }
                    id => fields.values(id, setting.bytes).for_each(&mut join),
                }
                found = rule.in_field(&joined);
                if found.is_some() {
                    break;
                }
            }
        }
        match found.or(setting.peer) {
            Some(IpAddr::V4(address)) => push_ipv4(address, &mut self.client_ip),
            Some(address) => {
                let _ = write!(self.client_ip, "{address}");
            }
            None => {}
        }
    }
}

/// As `Display` does, without its machinery: this runs for every request.
fn push_ipv4(address: Ipv4Addr, out: &mut String) {
    let mut digits = itoa::Buffer::new();
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push('.');
        }
        out.push_str(digits.format(octet));
    }
}

/// The status in a rendered head: a backend's own one may have taken the place of ours.
fn status_of(block: &[u8]) -> Option<u16> {
    let digits = block.get(b"HTTP/1.1 ".len()..)?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
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

//! One request and its answer: policies, route, composition, the bytes that go out. Pooled per core:
//! whatever it needs keeps its memory from request to request.
//! Source: docs/reference/lura-core.md sections 0, 2, 5; docs/reference/krakend-components.md 0.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::rc::Rc;

use super::content::Content;
use super::worker::{Worker, builtin_entry, unrouted_entry};
use crate::admin::builtin;
use crate::http::h1::RequestHead;
use crate::http::uri::path::{self, Decoded};
use crate::http::uri::query::QueryEncoder;
use crate::http::{HeaderId, Method, Version};
use crate::json::merge::Renderer;
use crate::net::Block;
use crate::net::clock::{self, Tick};
use crate::plan::policy::{Answer, Edits, End, Needs, RequestCx, ResponseCx};
use crate::plan::router::{Outcome as Routed, Params, REDIRECT_CONTENT_TYPE, redirect_body};
use crate::plan::{Builtin, Endpoint, EndpointId, Output, Plan, Route};
use crate::proxy::outcome::{Label, Outcome};
use crate::proxy::render::{self, Frame, Message, Plain};
use crate::proxy::{
    Composed, CorePlan, Failure, Ran, Request, RequestBody, Scene, Streamed, compose, total,
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
    }

    /// The client's address as text.
    pub fn client_ip(&self) -> &str {
        &self.client_ip
    }

    /// Texts of failures, joined by NUL.
    pub fn errors(&self) -> &[u8] {
        &self.errors
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
    /// Head and content of a `no-op` answer, to be streamed.
    Stream(Box<StreamReply>),
}

/// A streamed reply.
pub struct StreamReply {
    /// The backend's response.
    pub streamed: Streamed,
    /// What policies add to its head.
    pub edits: Edits,
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
    /// Answers the request whose head stands in `self.head`.
    pub async fn answer(&mut self, setting: &Setting<'_>, content: &mut Content<'_>) -> Answered {
        let plan = &setting.plan.plan;
        self.find_client_ip(setting);
        let service_chain = &plan.service_chain;
        if service_chain.is_empty() {
            return self.route(setting, content).await;
        }
        let mut ran = Ran::none(service_chain, &setting.plan.locals);
        let answer = {
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
            ran.requests(&mut with).await
        };
        let answered = match answer {
            Some(answer) => self.policy_answer(setting, &answer, unrouted_entry(plan)),
            None => self.route(setting, content).await,
        };
        self.end_stage(setting, ran, answered)
    }

    /// The response side of a stage, for policies that see the final status.
    fn end_stage(
        &mut self,
        setting: &Setting<'_>,
        mut ran: Ran<'_>,
        answered: Answered,
    ) -> Answered {
        let own = ran.responses(&mut |step| {
            step(&mut ResponseCx {
                status: answered.status,
                is_complete: answered.label == Label::Ok,
                body: None,
                tree: None,
                backend: None,
                edits: &mut self.edits,
                locals: &mut setting.plan.locals.borrow_mut(),
            });
        });
        let is_failure = answered.status >= 500;
        let answered = match own {
            Some(answer) => self.policy_answer(setting, &answer, answered.entry),
            None => answered,
        };
        ran.finish(if is_failure { End::Failed } else { End::Done });
        answered
    }

    async fn route(&mut self, setting: &Setting<'_>, content: &mut Content<'_>) -> Answered {
        let plan: &Plan = &setting.plan.plan;
        let raw = self.head.target.path(setting.bytes);
        let mut scratch = std::mem::take(&mut self.path);
        let decoded = match path::decode(raw, &mut scratch) {
            Ok(Decoded { has_nul: false, path, .. }) => Some(path.len()),
            Ok(_) | Err(_) => None,
        };
        // Without an escape the path is not copied into the scratch memory.
        if memchr::memchr(b'%', raw).is_none() {
            scratch.clear();
            scratch.extend_from_slice(raw);
        }
        self.path = scratch;
        if decoded.is_none() {
            return self.refuse(setting, 400, Label::BadRequest, b"");
        }
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
                self.plain(setting, &plain, Label::Builtin, entry)
            }
            Routed::Found { route } => match plan.routes.get(route as usize) {
                Some(Route::Endpoint(id)) => self.endpoint(setting, content, *id).await,
                Some(Route::Builtin(Builtin::Health)) => self.health(setting),
                Some(Route::Builtin(builtin)) => {
                    let builtin = *builtin;
                    let answer = self.engine(setting, "").await;
                    match answer {
                        Some(answer) => self.policy_answer(setting, &answer, builtin_entry(plan)),
                        None => self.builtin(setting, content, builtin).await,
                    }
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

    /// Policies of the stage `Engine`, which run on matched routes, on 404 and on 405.
    async fn engine(&mut self, setting: &Setting<'_>, route: &str) -> Option<Answer> {
        let chain = &setting.plan.plan.engine_chain;
        if chain.is_empty() {
            return None;
        }
        let mut ran = Ran::none(chain, &setting.plan.locals);
        let Exchange { head, path, params, edits, .. } = self;
        let (params, path): (&Params, &[u8]) = (params, path);
        let mut with = |step: &mut dyn FnMut(&mut RequestCx<'_>)| {
            step(&mut RequestCx {
                bytes: setting.bytes,
                head,
                path,
                query: head.target.query(setting.bytes),
                params: &|at| (at < params.spans().len()).then(|| ("", params.value(at, path))),
                body: None,
                peer: setting.peer,
                route,
                backend: None,
                edits,
                locals: &mut setting.plan.locals.borrow_mut(),
            });
        };
        let answer = ran.requests(&mut with).await;
        ran.finish(if answer.is_some() { End::Failed } else { End::Done });
        answer
    }

    async fn endpoint(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        id: EndpointId,
    ) -> Answered {
        let plan = &setting.plan.plan;
        let Some(endpoint) = plan.endpoint(id) else {
            return self.unrouted(setting, 404, b"").await;
        };
        if let Some(answer) = self.engine(setting, &endpoint.path).await {
            return self.policy_answer(setting, &answer, id.0);
        }
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
        let mut answer = None;
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
            answer = ran.requests(&mut with).await;
            if answer.is_some() {
                break;
            }
        }
        let answered = match answer {
            Some(answer) => self.policy_answer(setting, &answer, id.0),
            None => self.compose_with_pipe(setting, content, endpoint, id, held, &mut pipe).await,
        };
        self.end_stage(setting, handler, answered)
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
        pipe: &mut Ran<'_>,
    ) -> Answered {
        let composed = self.call(setting, content, endpoint, held.as_ref()).await;
        let needs_body = endpoint.needs.contains(Needs::RESPONSE_BODY);
        let mut body = Vec::new();
        let mut tree = crate::json::tree::Tree::new();
        let (mut status, mut is_complete, mut has_tree) = (200, false, false);
        match &composed {
            Composed::Data { parts, is_complete: complete, .. } => {
                is_complete = *complete;
                if needs_body && let Output::Rendered(options) = &endpoint.output {
                    let slices: Vec<_> =
                        parts.as_slice().iter().map(|d| (&*d.part, d.content())).collect();
                    self.renderer.render(&slices, options, &mut body);
                    has_tree =
                        endpoint.needs.contains(Needs::RESPONSE_TREE) && tree.parse(&body).is_ok();
                }
            }
            Composed::Stream(streamed) => status = streamed.response.status(),
            Composed::Failed(failures) => {
                status = total(failures).status(setting.plan.plan.uses_rfc_statuses);
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
        pipe.finish(match &composed {
            Composed::Failed(_) => End::Failed,
            _ => End::Done,
        });
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
        let scene = Scene {
            core: &setting.worker.core,
            plan: setting.plan,
            endpoint,
            request: &request,
            dropped_as: &Cell::new(Label::Cancelled),
        };
        compose(scene, body, setting.started).await
    }

    fn render(
        &mut self,
        setting: &Setting<'_>,
        endpoint: &Endpoint,
        id: EndpointId,
        composed: Composed,
    ) -> Answered {
        let core = &setting.worker.core;
        let plan = &setting.plan.plan;
        let (reply, status, label) = match (composed, &endpoint.output) {
            (Composed::Data { parts, is_complete, failures }, Output::Rendered(options)) => {
                self.note(setting, endpoint, &failures);
                let label = match (is_complete, failures.is_empty()) {
                    (true, _) => Label::Ok,
                    (false, true) => Label::Incomplete,
                    (false, false) => Label::Partial,
                };
                let message = render::data(
                    core,
                    endpoint,
                    options,
                    &mut self.renderer,
                    parts,
                    is_complete,
                    &self.edits,
                    setting.frame(),
                );
                (Reply::Whole(message), 200, label)
            }
            (Composed::Stream(streamed), _) => {
                let status = streamed.response.status();
                let edits = std::mem::take(&mut self.edits);
                (Reply::Stream(Box::new(StreamReply { streamed, edits })), status, Label::Ok)
            }
            // Only `no-op` has no rendering, and it never has data.
            (Composed::Data { .. }, Output::NoOp) => {
                return self.refuse(setting, 500, Label::Incomplete, b"");
            }
            (Composed::Failed(failures), _) => {
                self.note(setting, endpoint, &failures);
                let outcome: Outcome = total(&failures);
                let status = outcome.status(plan.uses_rfc_statuses);
                let block = render::failed(
                    core,
                    &plan.banner,
                    &failures,
                    status,
                    plan.returns_error_text,
                    &self.edits,
                    setting.frame(),
                );
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
        if let Some(answer) = self.engine(setting, "").await {
            return self.policy_answer(setting, &answer, entry);
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
        self.plain(setting, &plain, label, entry)
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
        let frame = Frame { closes: true, ..setting.asked };
        let block = render::plain(&setting.worker.core, plain, &self.edits, frame);
        Answered {
            reply: Reply::Whole(Message::Block(block)),
            status: plain.status,
            label,
            entry,
            is_logged: true,
            keeps_alive: false,
        }
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
        let core = &setting.worker.core;
        let banner = &setting.plan.plan.banner;
        let block = render::policy_answer(core, banner, answer, &self.edits, setting.frame());
        Answered {
            reply: Reply::Whole(Message::Block(block)),
            status: answer.status,
            label: Label::Policy,
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
        let block = render::plain(&setting.worker.core, plain, &self.edits, setting.frame());
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
        if let Some(address) = found.or(setting.peer) {
            let _ = write!(self.client_ip, "{address}");
        }
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

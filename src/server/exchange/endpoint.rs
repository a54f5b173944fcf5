//! The way of a request through its endpoint: held content, policies of the stages `Handler` and
//! `Pipe`, composition, rendering. Source: docs/reference/krakend-components.md 0.4, 0.5.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use super::super::content::Content;
use super::{Answered, Exchange, Reply, Scope, Setting};
use crate::json::tree::Tree;
use crate::net::clock;
use crate::net::placed::place;
use crate::net::timer::Deadline;
use crate::net::{Block, failpoint};
use crate::plan::policy::{End, Needs, ResponseCx};
use crate::plan::{Endpoint, EndpointId, Output};
use crate::proxy::outcome::{Label, Outcome};
use crate::proxy::render::Message;
use crate::proxy::{Composed, Failure, Ran, Request, RequestBody, Scene, compose, total};
use crate::upstream::BodyError;

impl Exchange {
    /// The endpoint's own answer. The usual request waits in `compose` alone; what holds content or
    /// runs policies has its state in pooled memory.
    pub(super) async fn endpoint(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        (endpoint, id): (&Endpoint, EndpointId),
        deadline: &mut Deadline,
    ) -> Answered {
        if let Err(error) = content.check_first() {
            return self.bad_body(setting, id.0, error);
        }
        let mut held = None;
        // A body that has to be held is read before the policies that look at it.
        if endpoint.holds_body && !content.is_ended() {
            match place(hold(content, setting)).await {
                Ok(block) => held = Some(block),
                Err(error) => return self.bad_body(setting, id.0, error),
            }
        }
        if !endpoint.handler.is_empty() || !endpoint.pipe.is_empty() {
            let target = (endpoint, id);
            return place(self.endpoint_with_policies(setting, content, target, held, deadline))
                .await;
        }
        let composed = self.call(setting, content, endpoint, held.as_ref(), deadline).await;
        self.render(&setting.after(content), endpoint, id, composed)
    }

    async fn endpoint_with_policies(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        (endpoint, id): (&Endpoint, EndpointId),
        held: Option<Block>,
        deadline: &mut Deadline,
    ) -> Answered {
        let mut handler = Ran::none(&endpoint.handler, &setting.plan.locals);
        let mut pipe = Ran::none(&endpoint.pipe, &setting.plan.locals);
        let mut stopped = Ok(());
        for ran in [&mut handler, &mut pipe] {
            let body = held.as_deref().map(Vec::as_slice);
            let scope = Scope { is_routed: true, endpoint: Some(endpoint), body };
            stopped = self.stage(setting, ran, scope).await;
            if stopped.is_err() {
                break;
            }
        }
        let answered = match stopped {
            Ok(()) => {
                let target = (endpoint, id);
                self.compose_with_pipe(setting, content, target, held, pipe, deadline).await
            }
            Err(stopped) => {
                let answered = self.stopped(setting, stopped, id.0);
                self.end_stage(setting, pipe, answered, Needs::HEAD)
            }
        };
        self.end_stage(setting, handler, answered, endpoint.needs)
    }

    /// Calls, with the response side of the stage `Pipe` between data and bytes.
    async fn compose_with_pipe(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        (endpoint, id): (&Endpoint, EndpointId),
        held: Option<Block>,
        mut pipe: Ran<'_>,
        deadline: &mut Deadline,
    ) -> Answered {
        let composed = self.call(setting, content, endpoint, held.as_ref(), deadline).await;
        let setting = &setting.after(content);
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
        deadline: &mut Deadline,
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
            place(content.welcome()).await;
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
        let left =
            Cell::new(usize::try_from(setting.plan.plan.limits.answer_bytes).unwrap_or(usize::MAX));
        let scene = Scene {
            core: &setting.worker.core,
            plan: setting.plan,
            endpoint,
            request: &request,
            dropped_as: &Cell::new(Label::Cancelled),
            deadline: setting.started + endpoint.timeout,
            left: &left,
            to_client: &to_client,
        };
        let composed = compose(&scene, body, setting.started, deadline).await;
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
        failpoint("render");
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
}

/// Reads all content, for policies and for several backends.
async fn hold(content: &mut Content<'_>, setting: &Setting<'_>) -> Result<Block, BodyError> {
    let max = setting.plan.plan.limits.body_bytes.min(usize::MAX as u64) as usize;
    content.welcome().await;
    content.collect(max).await
}

/// The status in a rendered head: a backend's own one may have taken the place of ours.
fn status_of(block: &[u8]) -> Option<u16> {
    let digits = block.get(b"HTTP/1.1 ".len()..)?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

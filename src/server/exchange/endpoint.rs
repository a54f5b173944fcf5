//! The way of a request through its endpoint: held content, policies of the stages `Handler` and
//! `Pipe`, composition, rendering. Source: docs/reference/krakend-components.md 0.4, 0.5.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use super::super::content::Content;
use super::{Answered, Exchange, Reply, Setting};
use crate::json::tree::Tree;
use crate::net::clock::{self};
use crate::net::placed::place;
use crate::net::{Block, failpoint};
use crate::plan::policy::{End, Needs, RequestCx, ResponseCx};
use crate::plan::router::Params;
use crate::plan::{Endpoint, EndpointId, Output};
use crate::proxy::outcome::{Label, Outcome};
use crate::proxy::render::Message;
use crate::proxy::{Composed, Failure, Ran, Request, RequestBody, Scene, compose, total};

impl Exchange {
    pub(super) async fn endpoint(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        endpoint: &Endpoint,
        id: EndpointId,
    ) -> Answered {
        let plan = &setting.plan.plan;
        if let Err(error) = content.check_first() {
            return self.bad_body(setting, id.0, error);
        }
        // A body that has to be held is read before the policies that look at it.
        let mut held = None;
        if endpoint.holds_body && !content.is_ended() {
            let max = plan.limits.body_bytes.min(usize::MAX as u64) as usize;
            let collected = place(async {
                content.welcome().await;
                content.collect(max).await
            });
            match collected.await {
                Ok(block) => held = Some(block),
                Err(error) => return self.bad_body(setting, id.0, error),
            }
        }
        if endpoint.handler.is_empty() && endpoint.pipe.is_empty() {
            return self.compose(setting, content, endpoint, id, held).await;
        }
        place(self.endpoint_with_policies(setting, content, endpoint, id, held)).await
    }

    pub(super) async fn endpoint_with_policies(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        endpoint: &Endpoint,
        id: EndpointId,
        held: Option<Block>,
    ) -> Answered {
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

    pub(super) async fn compose(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        endpoint: &Endpoint,
        id: EndpointId,
        held: Option<Block>,
    ) -> Answered {
        let composed = self.call(setting, content, endpoint, held.as_ref()).await;
        self.render(&setting.after(content), endpoint, id, composed)
    }

    /// As `compose`, with the response side of the stage `Pipe` between data and bytes.
    pub(super) async fn compose_with_pipe(
        &mut self,
        setting: &Setting<'_>,
        content: &mut Content<'_>,
        endpoint: &Endpoint,
        id: EndpointId,
        held: Option<Block>,
        mut pipe: Ran<'_>,
    ) -> Answered {
        let composed = self.call(setting, content, endpoint, held.as_ref()).await;
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

    pub(super) async fn call(
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
        let composed = compose(scene, body, setting.started).await;
        self.edits.to_client.append(&mut to_client.into_inner());
        composed
    }

    pub(super) fn render(
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
    pub(super) fn note(
        &mut self,
        setting: &Setting<'_>,
        endpoint: &Endpoint,
        failures: &[Failure],
    ) {
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

/// The status in a rendered head: a backend's own one may have taken the place of ours.
fn status_of(block: &[u8]) -> Option<u16> {
    let digits = block.get(b"HTTP/1.1 ".len()..)?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

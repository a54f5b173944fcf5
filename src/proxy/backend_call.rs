//! One backend of one request: choose a host, send, follow redirects, look at the status, decode.
//! Source: docs/reference/lura-core.md 3.2, 3.3, 4.1 to 4.5, 8.1 items 1, 14, 16, 17.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::chain::{Ran, Stopped};
use super::core::{Core, CorePlan};
use super::data::{Data, PooledPart};
use super::decoding;
use super::failure::{Failure, Reply};
use super::gunzip::{self, Bounds};
use super::location;
use super::outcome::{Cause, Label};
use super::request::{Request, RequestBody, RequestValues, Seen};
use crate::config::model::Limits;
use crate::http::{HeaderId, Method};
use crate::json::decode::{DecodeSpec, Encoding, decode};
use crate::json::depth;
use crate::json::error::JsonError;
use crate::json::tree::Tree;
use crate::net::clock::{self, Tick};
use crate::net::placed::place;
use crate::net::{Block, failpoint, timer};
use crate::plan::policy::{Edits, End, Needs, RequestCx, ResponseCx};
use crate::plan::{
    Backend, BackendId, Content, Decode, Endpoint, Host, OnStatus, OriginKey, WireOptions, Written,
};
use crate::upstream::{Call, CallError, Interims, Origin, Outgoing, Response, Whole, call};

/// The scanner's own bound on nesting: nobody has to look twice for it.
const DEPTH_MAX: u32 = crate::json::scan::DEPTH_MAX as u32;

/// Redirects followed for one call, as Go's client does.
const REDIRECTS_MAX: usize = 10;

/// Time that the rest of an unwanted answer gets in the background, so that its connection is kept.
const DISCARD_TIMEOUT: Duration = Duration::from_millis(50);

/// What a backend gave.
pub enum Answer {
    /// Decoded.
    Data(Data),
    /// `no-op`: to be streamed or dropped.
    Stream(Streamed),
}

/// A `no-op` response whose content is still to come.
pub struct Streamed {
    /// The response.
    pub response: Response,
    /// We asked for gzip and the client did not: it is decoded on the way.
    pub inflates: bool,
    /// Longest pause of the backend.
    pub idle: Duration,
}

/// Everything a call needs beside its backend.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// This core.
    pub core: &'a Core,
    /// Its plan.
    pub plan: &'a CorePlan,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// The request.
    pub request: &'a Request<'a>,
    /// What a call counts as that is dropped before it ends.
    pub dropped_as: &'a Cell<Label>,
    /// When the exchange has to be over.
    pub deadline: Tick,
    /// Bytes that the responses of the request may still have, all together.
    pub left: &'a Cell<usize>,
    /// Fields that policies around a call add to the client's answer.
    pub to_client: &'a RefCell<Vec<(String, Vec<u8>)>>,
}

/// Calls one backend and counts the call.
pub async fn backend(
    scene: &Scene<'_>,
    backend: &Backend,
    body: RequestBody<'_>,
) -> Result<Answer, Failure> {
    // A dropped call (deadline, race, client gone) is counted by the guard.
    let mut counted = Counted { scene, id: backend.id, started: clock::now(), label: None };
    let result = if backend.chain.is_empty() && backend.executor.is_empty() {
        send(scene, backend, body, scene.request.edits).await
    } else {
        place(with_policies(scene, backend, body)).await
    };
    counted.label = Some(match &result {
        Ok(_) => Label::Ok,
        Err(failure) => failure.outcome().label,
    });
    result
}

struct Counted<'a> {
    scene: &'a Scene<'a>,
    id: BackendId,
    started: Tick,
    label: Option<Label>,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let took = clock::now().since(self.started);
        let label = self.label.unwrap_or(self.scene.dropped_as.get());
        self.scene.plan.cells.call(self.id.0, label as u16, took);
    }
}

/// The stages `Backend` and `Executor` around a call. What a policy changes stays with this call.
async fn with_policies(
    scene: &Scene<'_>,
    backend: &Backend,
    body: RequestBody<'_>,
) -> Result<Answer, Failure> {
    let Scene { plan, endpoint, request, .. } = *scene;
    let index = endpoint.backends.iter().position(|b| b.id == backend.id).unwrap_or(0) as u16;
    let mut edits = Edits {
        to_backend: request.edits.to_backend.clone(),
        to_client: Vec::new(),
        params: request.edits.params.clone(),
    };
    let held = match &body {
        RequestBody::Held(bytes) => Some(*bytes),
        _ => None,
    };
    let mut outer = Ran::dropped_as(&backend.chain, &plan.locals, scene.dropped_as);
    let mut inner = Ran::dropped_as(&backend.executor, &plan.locals, scene.dropped_as);
    let mut stopped = Ok(());
    for ran in [&mut outer, &mut inner] {
        let seen = Seen {
            bytes: request.bytes,
            head: request.head,
            path: request.path,
            query: request.query,
            params: Some(request.params),
            body: held,
            peer: request.peer,
            endpoint: Some(endpoint),
            backend: Some(index),
        };
        let mut with =
            |step: &mut dyn FnMut(&mut RequestCx<'_>)| seen.lend(&mut edits, &plan.locals, step);
        stopped = ran.requests(scene.deadline, &mut with).await;
        if stopped.is_err() {
            break;
        }
    }
    let mut result = match stopped {
        Ok(()) => send(scene, backend, body, &edits).await,
        Err(Stopped::Answered(answer)) => Err(Failure::policy(answer)),
        Err(Stopped::Late) => Err(Failure::deadline()),
    };
    let mut tree = Tree::new();
    let has_tree = match &result {
        Ok(Answer::Data(data)) if endpoint.needs.contains(Needs::RESPONSE_TREE) => {
            tree.parse_shallow(data.content())
        }
        _ => false,
    };
    for ran in [&mut inner, &mut outer] {
        let (status, is_complete, content) = match &result {
            Ok(Answer::Data(data)) => (200, data.is_complete, Some(data.content())),
            Ok(Answer::Stream(stream)) => (stream.response.status(), true, None),
            Err(failure) => (failure.outcome().status, false, None),
        };
        let own = ran.responses(&mut |step| {
            step(&mut ResponseCx {
                status,
                is_complete,
                body: content,
                tree: content.filter(|_| has_tree).and_then(|content| tree.root(content)),
                backend: Some(index),
                edits: &mut edits,
                locals: &mut plan.locals.borrow_mut(),
            });
        });
        if let Some(answer) = own {
            result = Err(Failure::policy(answer));
        }
        ran.finish(if result.is_ok() { End::Done } else { End::Failed });
    }
    scene.to_client.borrow_mut().append(&mut edits.to_client);
    // The guards drop in the reverse order of their making: the inner stage ends first.
    result
}

/// Where a call goes: a host of the backend, or where a redirect led.
struct Destination<'a> {
    method: &'a str,
    url: Cow<'a, str>,
}

async fn send(
    scene: &Scene<'_>,
    backend: &Backend,
    mut body: RequestBody<'_>,
    edits: &Edits,
) -> Result<Answer, Failure> {
    let plan = scene.plan;
    let n_hosts = backend.hosts.len();
    let first = if n_hosts > 1 { pick(scene, backend) } else { 0 };
    for step in 0..n_hosts {
        let Some(host) = backend.hosts.get((first + step) % n_hosts) else { break };
        let Some(origin) = plan.origin(scene.core, host.origin) else { break };
        let mut head = Block::small();
        let written = write_head(scene, backend, (host, origin), &body, edits, &mut head);
        let result = call(Call {
            origin,
            head,
            body: outgoing(&mut body),
            is_chunked: written.is_chunked,
            expects_continue: written.expects_continue,
            method: method_of(&backend.method),
            limits: &plan.plan.backend_head_limits,
            interims: interims(&plan.plan.limits),
        })
        .await;
        let sent = FirstCall { host, key: &origin.key, written };
        match result {
            Ok(response) => {
                return match at_once(scene, backend, response, sent, edits) {
                    Ok(result) => result,
                    // Redirects, failures, content that goes on: not part of every call's state.
                    Err(response) => {
                        place(received(scene, backend, response, sent, body, edits)).await
                    }
                };
            }
            Err(error) if error.is_connect() && backend.tries_next_host && step + 1 < n_hosts => {}
            Err(error) => return Err(failed(scene, backend, sent, None, edits, error)),
        }
    }
    Err(Failure::call(CallError::NoHosts, &backend.method, "", ""))
}

/// Which of several hosts is first.
fn pick(scene: &Scene<'_>, backend: &Backend) -> usize {
    let Scene { core, plan, .. } = *scene;
    let now = clock::now();
    plan.balancer.pick(backend.id.0 as usize, backend.hosts.len(), backend.balance, |at| {
        plan.origin(core, backend.hosts[at].origin).is_some_and(|origin| origin.rests(now))
    })
}

fn write_head(
    scene: &Scene<'_>,
    backend: &Backend,
    (host, origin): (&Host, &Origin),
    body: &RequestBody<'_>,
    edits: &Edits,
    head: &mut Block,
) -> Written {
    let values = RequestValues { request: scene.request, edits };
    let incoming = scene.request.incoming(edits, &values);
    let content = match body {
        RequestBody::Empty | RequestBody::Held([]) => Content::None,
        RequestBody::Held(bytes) => Content::Some(Some(bytes.len() as u64)),
        RequestBody::Streamed { length, .. } => Content::Some(*length),
    };
    let options = WireOptions {
        asks_for_gzip: origin.transport.asks_for_gzip,
        keeps_alive: origin.transport.keeps_alive,
    };
    let written = backend.write_head(host, &incoming, content, options, head);
    head.settle();
    written
}

/// What went out first: a redirect is relative to it.
#[derive(Clone, Copy)]
struct FirstCall<'a> {
    host: &'a Host,
    key: &'a OriginKey,
    written: Written,
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

fn is_gzip(response: &Response) -> bool {
    // RFC 9110 section 8.4.1: names of codings have no case.
    response
        .head()
        .find(HeaderId::ContentEncoding, response.head_bytes())
        .is_some_and(|coding| coding.eq_ignore_ascii_case(b"gzip"))
}

/// The usual response: one to be streamed, or a good one whose content came with its head. Gives
/// back what needs more than that.
fn at_once(
    scene: &Scene<'_>,
    backend: &Backend,
    response: Response,
    sent: FirstCall<'_>,
    edits: &Edits,
) -> Result<Result<Answer, Failure>, Response> {
    let status = response.status();
    if is_redirect(status) {
        return Err(response);
    }
    let Decode::Json(spec) = &backend.decode else {
        return Ok(Ok(streamed(backend, response, sent.written.asked_for_gzip)));
    };
    if !matches!(status, 200 | 201) || is_gzip(&response) {
        return Err(response);
    }
    match response.collect_at_once(body_max(scene), scene.left) {
        Ok(Whole::All(collected)) => Ok(decoded(scene, spec, collected.into_content())),
        Ok(Whole::Partly(response)) => Err(response),
        Err(error) => Ok(Err(failed(scene, backend, sent, None, edits, error))),
    }
}

fn body_max(scene: &Scene<'_>) -> usize {
    usize::try_from(scene.plan.plan.limits.backend_body_bytes).unwrap_or(usize::MAX)
}

fn streamed(backend: &Backend, response: Response, asked_for_gzip: bool) -> Answer {
    let inflates = asked_for_gzip && is_gzip(&response);
    Answer::Stream(Streamed { response, inflates, idle: backend.stream_idle })
}

fn decoded(
    scene: &Scene<'_>,
    spec: &DecodeSpec,
    (block, content): (Block, std::ops::Range<usize>),
) -> Result<Answer, Failure> {
    let mut part = part_for(scene, spec, &block[content.clone()])?;
    decode(&block[content.clone()], spec, &mut part).map_err(not_json)?;
    Ok(data(scene, part, block, content))
}

/// The same for a long content: others have their turns between its pieces.
async fn decoded_in_turns(
    scene: &Scene<'_>,
    spec: &DecodeSpec,
    (block, content): (Block, std::ops::Range<usize>),
) -> Result<Answer, Failure> {
    let mut part = part_for(scene, spec, &block[content.clone()])?;
    decoding::in_turns(&block[content.clone()], spec, &mut part).await.map_err(not_json)?;
    Ok(data(scene, part, block, content))
}

fn part_for(scene: &Scene<'_>, spec: &DecodeSpec, content: &[u8]) -> Result<PooledPart, Failure> {
    let depth = scene.plan.plan.limits.json_depth;
    if depth < DEPTH_MAX && spec.encoding != Encoding::String {
        depth::within(content, depth).map_err(not_json)?;
    }
    failpoint("decode");
    Ok(PooledPart::take())
}

#[cold]
fn not_json(error: JsonError) -> Failure {
    Failure::plain(Cause::Json(error), error.to_string())
}

fn data(
    scene: &Scene<'_>,
    part: PooledPart,
    block: Block,
    content: std::ops::Range<usize>,
) -> Answer {
    if part.had_trailing() {
        scene.core.cells.count(crate::telemetry::names::Count::JsonTrailing, 1);
    }
    Answer::Data(Data { part, block, content, is_complete: true })
}

#[cold]
fn failed(
    scene: &Scene<'_>,
    backend: &Backend,
    sent: FirstCall<'_>,
    followed: Option<&str>,
    edits: &Edits,
    error: CallError,
) -> Failure {
    let address = format!("{}:{}", sent.key.host, sent.key.port);
    let url = url_shown(scene, backend, sent.host, followed, edits);
    Failure::call(error, &backend.method, &url, &address)
}

fn url_shown<'u>(
    scene: &Scene<'_>,
    backend: &Backend,
    host: &Host,
    followed: Option<&'u str>,
    edits: &Edits,
) -> Cow<'u, str> {
    match followed {
        Some(url) => Cow::Borrowed(url),
        None => {
            let values = RequestValues { request: scene.request, edits };
            Cow::Owned(url_of(backend, host, &scene.request.incoming(edits, &values)))
        }
    }
}

/// Any response: follows redirects, waits for content, shows failures as the plan says.
async fn received(
    scene: &Scene<'_>,
    backend: &Backend,
    response: Response,
    sent: FirstCall<'_>,
    body: RequestBody<'_>,
    edits: &Edits,
) -> Result<Answer, Failure> {
    let (response, followed) = if is_redirect(response.status()) {
        place(follow(scene, backend, response, sent, body, edits)).await?
    } else {
        (response, None)
    };
    let followed = followed.as_deref();
    let Decode::Json(spec) = &backend.decode else {
        return Ok(streamed(backend, response, sent.written.asked_for_gzip));
    };
    let is_gzip = is_gzip(&response);
    let status = response.status();
    let failed = |error| failed(scene, backend, sent, followed, edits, error);
    let bounds = Bounds { max: body_max(scene), ..Bounds::of(&scene.plan.plan.limits) };
    if status == 200 || status == 201 {
        let content = content(response, is_gzip, bounds, scene.left).await.map_err(failed)?;
        return match content.1.len() {
            ..=decoding::AT_ONCE_MAX => decoded(scene, spec, content),
            _ => place(decoded_in_turns(scene, spec, content)).await,
        };
    }
    match &backend.on_status {
        OnStatus::Fail => {
            discard(response);
            let text = format!(
                "invalid status code {status} [{} {}]: {}",
                backend.shown_method,
                backend.url.shown,
                url_shown(scene, backend, sent.host, followed, edits)
            );
            Err(Failure::plain(Cause::Status(status), text))
        }
        OnStatus::FailWithCode => {
            let content_type = content_type(&response);
            let (block, range) =
                content(response, is_gzip, bounds, scene.left).await.map_err(failed)?;
            let body = block[range].to_vec();
            let mut failure = Failure::plain(Cause::Status(status), String::from_utf8_lossy(&body));
            failure.reply = Some(Box::new(Reply { status, body, content_type }));
            Err(failure)
        }
        OnStatus::Details(name) => {
            let content_type = content_type(&response);
            let (block, range) =
                content(response, is_gzip, bounds, scene.left).await.map_err(failed)?;
            let mut part = PooledPart::take();
            part.set_error_details(name, status, &block[range], &content_type);
            Ok(Answer::Data(Data {
                part,
                block: Block::empty(),
                content: 0..0,
                is_complete: false,
            }))
        }
    }
}

fn interims(limits: &Limits) -> Interims {
    Interims { count: limits.backend_interims, bytes: limits.backend_interim_bytes }
}

fn content_type(response: &Response) -> Vec<u8> {
    let found = response.head().find(HeaderId::ContentType, response.head_bytes());
    found.unwrap_or_default().to_vec()
}

async fn content(
    response: Response,
    is_gzip: bool,
    bounds: Bounds,
    left: &Cell<usize>,
) -> Result<(Block, std::ops::Range<usize>), CallError> {
    let collected = response.collect(bounds.max, left).await?;
    if !is_gzip || collected.content().is_empty() {
        return Ok(collected.into_content());
    }
    // The decoded bytes count in the place of the coded ones.
    let room = left.get().saturating_add(collected.content().len());
    let bounds = Bounds { max: bounds.max.min(room), ..bounds };
    let plain = place(gunzip::gunzip(collected.content(), bounds)).await?;
    left.set(room.saturating_sub(plain.len()));
    let range = 0..plain.len();
    Ok((plain, range))
}

/// The rest of an answer that nobody wants, read in the background if it is short.
pub fn discard(response: Response) {
    if response.is_ended() {
        return;
    }
    crate::net::spawn(async move {
        failpoint("discard");
        let until = clock::now() + DISCARD_TIMEOUT;
        let _ = timer::timeout_at(until, response.discard()).await;
    });
}

/// Follows redirects: 301, 302 and 303 become GET without content, 307 and 308 keep both where the
/// content can be sent again. Gives the last URL for error texts.
async fn follow(
    scene: &Scene<'_>,
    backend: &Backend,
    mut response: Response,
    first: FirstCall<'_>,
    mut body: RequestBody<'_>,
    edits: &Edits,
) -> Result<(Response, Option<String>), Failure> {
    let Scene { core, plan, request, .. } = *scene;
    let values = RequestValues { request, edits };
    let incoming = request.incoming(edits, &values);
    let mut path = Vec::new();
    backend.write_target(first.host, &incoming, &mut path);
    let mut at = location::Target {
        origin: first.key.clone(),
        path: String::from_utf8_lossy(&path).into_owned(),
    };
    let home = at.origin.clone();
    let mut left_home = false;
    let mut method: Cow<'_, str> = Cow::Borrowed(&backend.method);
    let mut destination = Destination { method: &backend.method, url: Cow::Borrowed("") };
    for hop in 1.. {
        let status = response.status();
        if !is_redirect(status) {
            break;
        }
        let found = response.head().find(HeaderId::Location, response.head_bytes());
        let Some(location) = found.filter(|l| !l.is_empty()) else { break };
        let location = String::from_utf8_lossy(location).into_owned();
        let keeps = matches!(status, 307 | 308);
        let has_content = !matches!(&body, RequestBody::Empty | RequestBody::Held(b"")) && keeps;
        if has_content && !(backend.sends_body_on_redirect && is_held(&body)) {
            break;
        }
        if !keeps {
            if &*method != "HEAD" && &*method != "GET" {
                method = Cow::Borrowed("GET");
            }
            body = RequestBody::Empty;
        }
        let Some(next) = location::resolve(&at.origin, &at.path, &location) else {
            return Err(Failure::call(CallError::BadRedirect, destination.method, &location, ""));
        };
        if hop >= REDIRECTS_MAX {
            let error = CallError::TooManyRedirects;
            return Err(Failure::call(error, &method, &location, ""));
        }
        let referer = format!("{}://{}{}", at.origin.scheme(), at.origin.authority(), at.path);
        left_home |= !is_same_site(&home.host, &next.origin.host);
        let is_downgrade = at.origin.is_tls && !next.origin.is_tls;
        let origin = core.upstream.foreign_origin(&next.origin);
        let mut head = Block::small();
        crate::http::h1::encode::request_line(&mut head, method.as_bytes(), next.path.as_bytes());
        crate::http::h1::encode::field(&mut head, b"Host", next.origin.authority().as_bytes());
        let content = match &body {
            RequestBody::Held(bytes) if !bytes.is_empty() => {
                Content::Some(Some(bytes.len() as u64))
            }
            _ => Content::None,
        };
        let redirected = crate::plan::Redirected {
            method: &method,
            referer: (!is_downgrade).then_some(referer.as_str()),
            drops_credentials: left_home,
        };
        let options = WireOptions {
            asks_for_gzip: origin.transport.asks_for_gzip,
            keeps_alive: origin.transport.keeps_alive,
        };
        let written =
            backend.write_redirected_fields(&incoming, content, options, redirected, &mut head);
        head.settle();
        discard(response);
        at = next;
        destination.url =
            Cow::Owned(format!("{}://{}{}", at.origin.scheme(), at.origin.authority(), at.path));
        let sent = call(Call {
            origin: &origin,
            head,
            body: outgoing(&mut body),
            is_chunked: written.is_chunked,
            expects_continue: false,
            method: method_of(&method),
            limits: &plan.plan.backend_head_limits,
            interims: interims(&plan.plan.limits),
        });
        response = sent.await.map_err(|error| {
            let address = format!("{}:{}", at.origin.host, at.origin.port);
            Failure::call(error, &method, &destination.url, &address)
        })?;
    }
    let url = (!destination.url.is_empty()).then(|| destination.url.into_owned());
    Ok((response, url))
}

/// Go sends credentials on to the same host and its subdomains only.
fn is_same_site(home: &str, next: &str) -> bool {
    next == home || next.strip_suffix(home).is_some_and(|sub| sub.ends_with('.'))
}

fn is_held(body: &RequestBody<'_>) -> bool {
    matches!(body, RequestBody::Held(_))
}

fn outgoing<'b>(body: &'b mut RequestBody<'_>) -> Outgoing<'b> {
    match body {
        RequestBody::Empty => Outgoing::Empty,
        RequestBody::Held([]) => Outgoing::Empty,
        RequestBody::Held(bytes) => Outgoing::Held(bytes),
        RequestBody::Streamed { source, .. } => Outgoing::Streamed(&mut **source),
    }
}

fn url_of(backend: &Backend, host: &Host, incoming: &crate::plan::Incoming<'_>) -> String {
    let mut target = Vec::new();
    backend.write_target(host, incoming, &mut target);
    let target = target.get(host.prefix.len()..).unwrap_or_default();
    format!("{}{}", host.shown, String::from_utf8_lossy(target))
}

fn method_of(name: &str) -> Method {
    Method::known(name.as_bytes()).unwrap_or(Method::Other(crate::http::Span::default()))
}

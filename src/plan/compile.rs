//! From the configuration as meant to the plan as run. Everything decidable before traffic is
//! decided here; problems are collected, so that `check` and `run` refuse the same files.

use std::sync::Arc;

use super::client_ip::{Cidr, ClientIp};
use super::endpoint::{
    Backend, BackendId, Balance, Chain, Decode, Endpoint, EndpointId, Host, OnStatus, Output, Route,
};
use super::forward::{FieldFilter, QueryFilter};
use super::origin::{OriginKey, Origins};
use super::policy::{Level, Listed, Needs, PlanCx, Policy, Registration, Slots, Stage};
use super::router::{Conflict, Options, RouterBuilder};
use super::url_template::UrlTemplate;
use super::{Builtin, Plan};
use crate::config::diagnostic::Diagnostics;
use crate::config::host::Scheme;
use crate::config::model::{
    self, Encoding, ErrorReturn, ExtraBlock, OutputEncoding, Profile, Service, Statuses, Trailing,
    Utf8,
};
use crate::config::node::Node;
use crate::http::h1::HeadLimits;
use crate::json::decode::{self, DecodeSpec};
use crate::json::merge::{RenderOptions, Rendering};
use crate::json::select::{Selection, SelectionSpec};

/// What compiling depends on beside the file.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// Workers of the process: one core alone balances in turn, several at random, as KrakenD does.
    pub workers: usize,
    /// The plan before this one, whose per-core state carries over.
    pub slots: Option<&'a Slots>,
}

/// Compiles a service with the ordered list of policies. Problems go into `found`; with an error
/// among them there is no plan.
pub fn compile(
    service: &Service,
    registrations: &[Registration],
    environment: Environment<'_>,
    found: &mut Diagnostics,
) -> Option<Plan> {
    let mut work = Work {
        service,
        registrations,
        found,
        origins: Origins::default(),
        slots: environment.slots.map(Slots::renewed).unwrap_or_default(),
        listed: Vec::new(),
        n_backends: 0,
        heads: Vec::new(),
        balance: if environment.workers > 1 { Balance::Random } else { Balance::RoundRobin },
    };
    let service_chain = work.service_chain(Stage::Service);
    let engine_chain = work.service_chain(Stage::Engine);
    let handler_common = work.service_chain(Stage::Handler);
    let pipe_common = work.service_chain(Stage::Pipe);
    let mut routes = Routes::new(service);
    routes.add_builtins(service, work.found);
    let mut endpoints = Vec::with_capacity(service.endpoints.len());
    for (index, endpoint) in service.endpoints.iter().enumerate() {
        routes.add_endpoint(index, endpoint, service, work.found);
        endpoints.push(work.endpoint(index, endpoint, &handler_common, &pipe_common));
    }
    if work.found.has_errors() {
        return None;
    }
    let Work { origins, mut slots, listed, n_backends, .. } = work;
    slots.settle();
    let limits = &service.limits;
    let router = &service.router;
    Some(Plan {
        generation: 0,
        behaviour: service.behaviour,
        limits: limits.clone(),
        head_limits: head_limits(limits),
        backend_head_limits: HeadLimits {
            bytes: limits.backend_head_bytes as usize,
            fields: limits.backend_head_fields as usize,
            line: limits.backend_head_bytes as usize,
            ..HeadLimits::DEFAULT
        },
        router: routes.builder.build(),
        routes: routes.list,
        endpoints,
        n_backends: n_backends as usize,
        origins: origins.into_list(),
        service_chain,
        engine_sees_only_params: engine_chain.iter().all(|policy| policy.sees_only_params()),
        engine_chain,
        slots,
        listed,
        banner: banner(router.hide_version_header),
        client_ip: ClientIp::new(
            router.forwarded_by_client_ip,
            router
                .trusted_proxies
                .iter()
                .map(|cidr| Cidr::new(cidr.address, cidr.prefix))
                .collect(),
            &router.remote_ip_headers,
        )
        .hiding(service.behaviour.profile == Profile::Safe),
        app_engine: router.app_engine,
        not_found_body: router.error_body.not_found.clone(),
        not_allowed_body: router.error_body.method_not_allowed.clone(),
        returns_error_text: router.return_error_msg,
        checks_params: !router.disable_path_decoding,
        access_log: !router.disable_access_log,
        skip_paths: router.logger_skip_paths.iter().map(|p| p.as_bytes().into()).collect(),
        uses_rfc_statuses: service.behaviour.statuses == Statuses::Rfc,
        timeout: service.timeout,
        max_shutdown_wait: service.max_shutdown_wait_time,
        server: service.server.clone(),
    })
}

fn head_limits(limits: &model::Limits) -> HeadLimits {
    HeadLimits {
        bytes: limits.head_bytes as usize,
        fields: limits.head_fields as usize,
        line: limits.line_bytes as usize,
        target: limits.target_bytes as usize,
        ..HeadLimits::DEFAULT
    }
}

fn banner(is_hidden: bool) -> Box<str> {
    if is_hidden {
        "X-Krakend: Version undefined\r\n".into()
    } else {
        format!("X-Krakend: Ringway {}\r\n", crate::VERSION).into()
    }
}

/// Routes with their meaning, in the order in which KrakenD registers them: health, debug, echo,
/// endpoints. The order shows in the `Allow` of a 405.
struct Routes {
    builder: RouterBuilder,
    list: Vec<Route>,
}

impl Routes {
    fn new(service: &Service) -> Routes {
        let router = &service.router;
        let options = Options {
            redirect_trailing_slash: !router.disable_redirect_trailing_slash,
            redirect_fixed_path: !router.disable_redirect_fixed_path,
            handle_method_not_allowed: !router.disable_handle_method_not_allowed,
            remove_extra_slash: router.remove_extra_slash,
            auto_options: router.auto_options,
            // `auto_head` is an endpoint's matter: its HEAD is a route like any other.
            auto_head: false,
        };
        Routes { builder: RouterBuilder::new(options), list: Vec::new() }
    }

    fn next(&mut self, route: Route) -> u32 {
        self.list.push(route);
        self.list.len() as u32 - 1
    }

    fn add_builtins(&mut self, service: &Service, found: &mut Diagnostics) {
        // The order of gin's `Any`.
        const ANY: [&str; 9] =
            ["GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS", "DELETE", "CONNECT", "TRACE"];
        if !service.router.disable_health {
            let route = self.next(Route::Builtin(Builtin::Health));
            if let Err(conflict) =
                self.builder.add_internal("GET", &service.router.health_path, route)
            {
                let root = service.node(crate::config::node::NodeId::ROOT);
                found.error(
                    root,
                    format!("router.health_path cannot be served: {}", conflict.reason),
                );
            }
        }
        let builtins = [
            (service.debug_endpoint, "/__debug/*param", Builtin::Debug),
            (service.echo_endpoint, "/__echo/*param", Builtin::Echo),
        ];
        for (is_on, pattern, builtin) in builtins {
            if !is_on {
                continue;
            }
            let route = self.next(Route::Builtin(builtin));
            for method in ANY {
                if let Err(conflict) = self.builder.add_internal(method, pattern, route) {
                    let root = service.node(crate::config::node::NodeId::ROOT);
                    found.error(root, format!("{pattern} cannot be served: {}", conflict.reason));
                }
            }
        }
    }

    fn add_endpoint(
        &mut self,
        index: usize,
        endpoint: &model::Endpoint,
        service: &Service,
        found: &mut Diagnostics,
    ) {
        let route = self.next(Route::Endpoint(EndpointId(index as u32)));
        let method = endpoint.method.as_str();
        let added = self.builder.add(method, &endpoint.path.route, route).and_then(|()| {
            let is_head_too = endpoint.behaviour.auto_head && method == "GET";
            if is_head_too { self.builder.add("HEAD", &endpoint.path.route, route) } else { Ok(()) }
        });
        let Err(Conflict { existing, reason }) = added else { return };
        let other = existing.and_then(|route| match self.list.get(route as usize) {
            Some(Route::Endpoint(id)) => service.endpoints.get(id.0 as usize),
            _ => None,
        });
        // The file itself was already refused for the same method and path twice.
        let is_twice = other.is_some_and(|other| other.path.route == endpoint.path.route);
        if is_twice && found.has_errors() {
            return;
        }
        let problem = found.error(
            service.node(endpoint.path_at),
            format!("{method} {} cannot be routed: {reason}", endpoint.path.text),
        );
        if let Some(other) = other {
            problem.also(service.node(other.path_at), "the route that it conflicts with");
        }
        problem.help(
            "routes of one method must be distinct, with the same name for the same parameter",
        );
    }
}

/// Where a chain stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Names the state of its policies over reloads: the same route is the same place, wherever in
    /// the file it stands.
    identity: &'a str,
    endpoint: Option<u32>,
    backend: Option<u32>,
    sees: Sees,
}

/// What the policies of a place can be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sees {
    Heads,
    Requests,
    All,
}

impl Sees {
    fn refuses(self, needs: Needs) -> Option<&'static str> {
        match self {
            Sees::Heads if needs != Needs::HEAD => {
                Some("the policies of the whole service see heads only")
            }
            Sees::Requests if needs.contains(Needs::RESPONSE_BODY) => {
                Some("it reads the response body, which \"no-op\" streams past")
            }
            Sees::Heads | Sees::Requests | Sees::All => None,
        }
    }
}

struct Work<'a> {
    service: &'a Service,
    registrations: &'a [Registration],
    found: &'a mut Diagnostics,
    origins: Origins,
    slots: Slots,
    listed: Vec<Listed>,
    n_backends: u32,
    /// Response heads shared by all endpoints that have the same.
    heads: Vec<Arc<[u8]>>,
    balance: Balance,
}

impl Work<'_> {
    fn service_chain(&mut self, stage: Stage) -> Chain {
        let registrations: Vec<_> = self
            .registrations
            .iter()
            .filter(|r| r.stage == stage && r.level.contains(Level::SERVICE))
            .copied()
            .collect();
        let root = self.service.node(crate::config::node::NodeId::ROOT);
        let extra = &self.service.extra;
        let sees = match stage {
            Stage::Service | Stage::Engine => Sees::Heads,
            Stage::Handler | Stage::Pipe | Stage::Backend | Stage::Executor => Sees::All,
        };
        let place = Place { identity: "", endpoint: None, backend: None, sees };
        self.chain(&registrations, extra, root, place)
    }

    fn chain(
        &mut self,
        registrations: &[Registration],
        extra: &[ExtraBlock],
        owner: Node<'_>,
        place: Place<'_>,
    ) -> Chain {
        let mut chain: Vec<Arc<dyn Policy>> = Vec::new();
        for registration in registrations {
            let block = extra.iter().find(|block| block.namespace == registration.namespace);
            let node = match block {
                Some(block) => block.node(),
                None if registration.always => owner,
                None => continue,
            };
            let Registration { namespace, stage, .. } = *registration;
            let mut cx = PlanCx {
                found: self.found,
                service: self.service,
                place: place.identity,
                namespace,
                slots: &mut self.slots,
            };
            let Some(policy) = (registration.compile)(&node, &mut cx) else { continue };
            if let Some(why) = place.sees.refuses(policy.needs()) {
                self.found.error(node, format!("{namespace} cannot work here: {why}"));
            }
            let Place { endpoint, backend, .. } = place;
            self.listed.push(Listed { namespace, stage, endpoint, backend });
            chain.push(policy);
        }
        chain.into()
    }

    fn at_level(&self, stages: &[Stage], level: Level) -> Vec<Registration> {
        // A policy that may stand at both levels runs for the service there and here for one
        // endpoint; what is made for everybody is made once, at the outermost level.
        let is_made_once = |r: &Registration| {
            r.always && level == Level::ENDPOINT && r.level.contains(Level::SERVICE)
        };
        self.registrations
            .iter()
            .filter(|r| stages.contains(&r.stage) && r.level.contains(level) && !is_made_once(r))
            .copied()
            .collect()
    }

    fn endpoint(
        &mut self,
        index: usize,
        endpoint: &model::Endpoint,
        handler_common: &Chain,
        pipe_common: &Chain,
    ) -> Endpoint {
        let identity = format!("{} {}", endpoint.method.as_str(), endpoint.path.route);
        let streams = endpoint.output_encoding == OutputEncoding::NoOp;
        let place = Place {
            identity: &identity,
            endpoint: Some(index as u32),
            backend: None,
            sees: if streams { Sees::Requests } else { Sees::All },
        };
        let owner = self.service.node(endpoint.at);
        let handler =
            self.at_level(&[Stage::Service, Stage::Engine, Stage::Handler], Level::ENDPOINT);
        let handler = joined(handler_common, self.chain(&handler, &endpoint.extra, owner, place));
        let pipe = self.at_level(&[Stage::Pipe], Level::ENDPOINT);
        let pipe = joined(pipe_common, self.chain(&pipe, &endpoint.extra, owner, place));
        let backends: Box<[Backend]> = endpoint
            .backends
            .iter()
            .enumerate()
            .map(|(at, backend)| self.backend(place, at, endpoint, backend))
            .collect();
        let output = match endpoint.output_encoding {
            OutputEncoding::NoOp => Output::NoOp,
            OutputEncoding::Json => Output::Rendered(render(endpoint, Rendering::Json)),
            OutputEncoding::JsonCollection => {
                Output::Rendered(render(endpoint, Rendering::JsonCollection))
            }
            OutputEncoding::String => Output::Rendered(render(endpoint, Rendering::String)),
        };
        let mut needs = Needs::HEAD;
        for policy in handler.iter().chain(&pipe) {
            needs = needs.and(policy.needs());
        }
        for backend in &backends {
            for policy in backend.chain.iter().chain(&backend.executor) {
                needs = needs.and(policy.needs());
            }
        }
        let n_consumers: usize = backends.iter().map(|b| usize::from(b.concurrent_calls)).sum();
        Endpoint {
            method: endpoint.method.as_str().into(),
            path: endpoint.path.route.as_str().into(),
            params: endpoint.path.params.iter().map(|p| p.as_str().into()).collect(),
            timeout: endpoint.timeout,
            output,
            merge_order: endpoint.behaviour.merge_order,
            uses_rfc_statuses: endpoint.behaviour.statuses == Statuses::Rfc,
            head_complete: self.head(endpoint, true),
            head_incomplete: self.head(endpoint, false),
            holds_body: n_consumers > 1
                || needs.contains(Needs::REQUEST_BODY)
                || backends.iter().any(|b| b.sends_body_on_redirect),
            reads_query: backends.iter().any(|b| b.query != QueryFilter::None),
            backends,
            handler,
            pipe,
            needs,
        }
    }

    /// The fixed beginning of an answer, one copy for all endpoints that have the same.
    fn head(&mut self, endpoint: &model::Endpoint, is_complete: bool) -> Arc<[u8]> {
        let content_type = match endpoint.output_encoding {
            OutputEncoding::String => "text/plain; charset=utf-8",
            _ => "application/json; charset=utf-8",
        };
        let mut text = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{}X-Krakend-Completed: {is_complete}\r\n",
            banner(self.service.router.hide_version_header)
        );
        if is_complete && !endpoint.cache_ttl.is_zero() {
            let seconds = endpoint.cache_ttl.as_secs();
            text.push_str(&format!("Cache-Control: public, max-age={seconds}\r\n"));
        }
        if let Some(known) = self.heads.iter().find(|known| ***known == *text.as_bytes()) {
            return known.clone();
        }
        let head: Arc<[u8]> = text.into_bytes().into();
        self.heads.push(head.clone());
        head
    }

    fn backend(
        &mut self,
        place: Place<'_>,
        index: usize,
        endpoint: &model::Endpoint,
        backend: &model::Backend,
    ) -> Backend {
        let id = BackendId(self.n_backends);
        self.n_backends += 1;
        let owner = self.service.node(backend.at);
        let identity = format!("{} {} {index}", place.identity, backend.url_pattern.stored);
        let place = Place {
            identity: &identity,
            backend: Some(index as u32),
            sees: if backend.encoding == Encoding::NoOp { Sees::Requests } else { Sees::All },
            ..place
        };
        let at = self.at_level(&[Stage::Backend], Level::BACKEND);
        let chain = self.chain(&at, &backend.extra, owner, place);
        let at = self.at_level(&[Stage::Executor], Level::BACKEND);
        let executor = self.chain(&at, &backend.extra, owner, place);
        let method = backend.method.to_ascii_uppercase();
        let url = UrlTemplate::new(&backend.url_pattern);
        let hosts = backend
            .hosts
            .iter()
            .map(|host| {
                let key = OriginKey {
                    is_tls: host.scheme == Scheme::Https,
                    host: host.name.to_ascii_lowercase().into(),
                    port: host.port,
                };
                let mut host = Host {
                    origin: self.origins.id(key),
                    authority: host.authority.as_str().into(),
                    prefix: host.prefix.as_bytes().into(),
                    shown: host.text.as_str().into(),
                    fixed_line: None,
                };
                host.fixed_line = url.fixed(&host.prefix).map(|target| {
                    let mut line = Vec::new();
                    crate::http::h1::encode::request_line(&mut line, method.as_bytes(), &target);
                    crate::http::h1::encode::field(&mut line, b"Host", host.authority.as_bytes());
                    line.into()
                });
                host
            })
            .collect();
        Backend {
            id,
            shown_method: backend.method.as_str().into(),
            method: method.into(),
            url,
            hosts,
            balance: self.balance,
            fields: FieldFilter::new(&endpoint.input_headers, &backend.input_headers),
            query: QueryFilter::new(&endpoint.input_query_strings, &backend.input_query_strings),
            decode: decode(backend),
            on_status: match &backend.error_return {
                ErrorReturn::Nothing => OnStatus::Fail,
                ErrorReturn::Code => OnStatus::FailWithCode,
                ErrorReturn::Details { name } => OnStatus::Details(name.as_str().into()),
            },
            concurrent_calls: u16::try_from(backend.concurrent_calls.max(1)).unwrap_or(u16::MAX),
            sends_body_on_redirect: backend.send_body_on_redirect,
            tries_next_host: backend.behaviour.next_host,
            stream_idle: backend.behaviour.stream_idle,
            chain,
            executor,
        }
    }
}

fn joined(common: &Chain, own: Chain) -> Chain {
    common.iter().cloned().chain(own).collect()
}

fn render(endpoint: &model::Endpoint, rendering: Rendering) -> RenderOptions {
    RenderOptions {
        rendering,
        sort_keys: endpoint.behaviour.sort_keys,
        escape_html: endpoint.behaviour.escape_html,
    }
}

fn decode(backend: &model::Backend) -> Decode {
    let encoding = match backend.encoding {
        Encoding::NoOp => return Decode::NoOp,
        Encoding::Json => decode::Encoding::Json { collection: backend.is_collection },
        Encoding::SafeJson => decode::Encoding::SafeJson,
        Encoding::String => decode::Encoding::String,
    };
    let selection = &backend.selection;
    let target = (!selection.target.is_empty()).then(|| selection.target.join("."));
    let spec = SelectionSpec {
        target,
        allow: selection.allow.clone(),
        deny: selection.deny.clone(),
        mapping: selection.mapping.clone(),
        group: selection.group.clone(),
    };
    Decode::Json(Box::new(DecodeSpec {
        encoding,
        selection: Selection::new(&spec),
        policy: decode::Policy {
            trailing: match backend.behaviour.trailing {
                Trailing::Ignore => decode::Trailing::Ignore,
                Trailing::Refuse => decode::Trailing::Refuse,
            },
            utf8: match backend.behaviour.utf8 {
                Utf8::Replace => decode::Utf8::Repair,
                Utf8::Refuse => decode::Utf8::Refuse,
            },
        },
    }))
}

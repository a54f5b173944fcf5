//! The namespaces of `extra_config`: both spellings, where they stand, what happens to them.
//! Sources: docs/reference/krakend-components.md 1, 24; paid-features.md.

use super::Class;

/// Where an `extra_config` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The root object.
    Service,
    /// An endpoint.
    Endpoint,
    /// A backend.
    Backend,
    /// An async agent.
    Agent,
}

impl Level {
    /// For messages: `an endpoint`.
    pub fn words(self) -> &'static str {
        match self {
            Level::Service => "the service",
            Level::Endpoint => "an endpoint",
            Level::Backend => "a backend",
            Level::Agent => "an agent",
        }
    }
}

/// One namespace.
#[derive(Clone, Copy, Debug)]
pub struct Namespace {
    /// The short name.
    pub alias: &'static str,
    /// The long name of old files, where there is one.
    pub internal: Option<&'static str>,
    /// Where it may stand.
    pub levels: &'static [Level],
    /// What happens to it.
    pub class: Class,
    /// What it does, to follow the name in a sentence.
    pub does: &'static str,
}

impl Namespace {
    /// The namespace of either spelling; case counts, as in KrakenD.
    pub fn named(name: &str) -> Option<&'static Namespace> {
        NAMESPACES.iter().find(|row| row.alias == name || row.internal == Some(name))
    }

    /// For messages: `in the service, an endpoint`.
    pub fn where_allowed(&self) -> String {
        let words: Vec<_> = self.levels.iter().map(|level| level.words()).collect();
        format!("in {}", words.join(", "))
    }
}

/// The whole table.
pub fn namespaces() -> &'static [Namespace] {
    NAMESPACES
}

use Class::{Acts, RefusedUntilBuilt as Refused, WarnedAbout as Warned};

const S: &[Level] = &[Level::Service];
const E: &[Level] = &[Level::Endpoint];
const B: &[Level] = &[Level::Backend];
const A: &[Level] = &[Level::Agent];
const SE: &[Level] = &[Level::Service, Level::Endpoint];
const EB: &[Level] = &[Level::Endpoint, Level::Backend];
const SEB: &[Level] = &[Level::Service, Level::Endpoint, Level::Backend];
const EA: &[Level] = &[Level::Endpoint, Level::Agent];
const EBA: &[Level] = &[Level::Endpoint, Level::Backend, Level::Agent];
const EVERYWHERE: &[Level] = &[Level::Service, Level::Endpoint, Level::Backend, Level::Agent];

const fn row(
    alias: &'static str,
    internal: &'static str,
    levels: &'static [Level],
    class: Class,
    does: &'static str,
) -> Namespace {
    let internal = if internal.is_empty() { None } else { Some(internal) };
    Namespace { alias, internal, levels, class, does }
}

#[rustfmt::skip]
const NAMESPACES: &[Namespace] = &[
    row("ringway", "", SEB, Acts, "holds the keys that are Ringway's own"),
    row("router", "github_com/luraproject/lura/router/gin", S, Acts, "holds the router's options"),
    row("proxy", "github.com/devopsfaith/krakend/proxy", EB, Acts, "says how backends are composed"),
    row("backend/http", "github.com/devopsfaith/krakend/http", B, Acts, "says what a failed call tells the client"),
    row("backend/http/client", "", B, Acts, "holds options of the HTTP client"),
    row("telemetry/logging", "github_com/devopsfaith/krakend-gologging", S, Acts, "says what is logged"),

    row("auth/validator", "github.com/devopsfaith/krakend-jose/validator", SE, Refused, "checks tokens"),
    row("auth/signer", "github.com/devopsfaith/krakend-jose/signer", E, Refused, "signs tokens"),
    row("auth/revoker", "github_com/devopsfaith/bloomfilter", S, Refused, "refuses revoked tokens"),
    row("auth/client-credentials", "github.com/devopsfaith/krakend-oauth2-clientcredentials", B, Refused, "authenticates to backends"),
    row("auth/api-keys", "", SE, Refused, "checks API keys"),
    row("auth/basic", "", SE, Refused, "checks passwords"),
    row("auth/gcp", "", B, Refused, "authenticates to backends"),
    row("auth/aws-sigv4", "", B, Refused, "signs requests to backends"),
    row("auth/ntlm", "", B, Refused, "authenticates to backends"),

    row("qos/ratelimit/router", "", E, Refused, "limits the rate of clients"),
    row("qos/ratelimit/proxy", "", B, Refused, "limits the rate of calls"),
    row("qos/ratelimit/service", "", S, Refused, "limits the rate of clients"),
    row("qos/ratelimit/tiered", "", SE, Refused, "limits the rate of clients"),
    row("qos/ratelimit/service/redis", "", S, Refused, "limits the rate of clients"),
    row("qos/ratelimit/router/redis", "", E, Refused, "limits the rate of clients"),
    row("qos/ratelimit/tiered/redis", "", SE, Refused, "limits the rate of clients"),
    row("qos/circuit-breaker", "github.com/devopsfaith/krakend-circuitbreaker/gobreaker", B, Refused, "spares failing backends"),
    row("qos/circuit-breaker/http", "", B, Refused, "spares failing backends"),
    row("qos/http-cache", "github.com/devopsfaith/krakend-httpcache", B, Refused, "keeps answers of backends"),
    row("governance/processors", "", S, Refused, "counts quotas"),
    row("governance/quota", "", SEB, Refused, "enforces quotas"),

    row("security/cors", "github_com/devopsfaith/krakend-cors", SE, Refused, "answers browsers of other origins"),
    row("security/http", "github_com/devopsfaith/krakend-httpsecure", SE, Refused, "adds protecting header fields"),
    row("security/bot-detector", "github_com/devopsfaith/krakend-botdetector", SE, Refused, "refuses robots"),
    row("security/policies", "", EB, Refused, "enforces policies"),

    row("validation/cel", "github.com/devopsfaith/krakend-cel", EBA, Refused, "checks requests and responses"),
    row("validation/json-schema", "github.com/devopsfaith/krakend-jsonschema", EA, Refused, "checks request bodies"),
    row("validation/response-json-schema", "", EB, Refused, "checks response bodies"),

    row("modifier/martian", "github.com/devopsfaith/krakend-martian", B, Refused, "changes requests and responses"),
    row("modifier/lua-endpoint", "github.com/devopsfaith/krakend-lua/router", SE, Refused, "runs scripts"),
    row("modifier/lua-proxy", "github.com/devopsfaith/krakend-lua/proxy", EA, Refused, "runs scripts"),
    row("modifier/lua-backend", "github.com/devopsfaith/krakend-lua/proxy/backend", B, Refused, "runs scripts"),
    row("modifier/jmespath", "", EB, Refused, "rewrites answers"),
    row("modifier/response-body", "", EB, Refused, "rewrites answers"),
    row("modifier/response-headers", "", SE, Refused, "changes header fields of answers"),
    row("modifier/request-body-generator", "", EB, Refused, "writes request bodies"),
    row("modifier/body-generator", "", EB, Refused, "writes request bodies"),
    row("modifier/response-body-generator", "", EB, Refused, "writes response bodies"),
    row("modifier/request-body-extractor", "", SE, Refused, "moves values out of request bodies"),
    row("modifier/request-body-extractor/early", "", E, Refused, "moves values out of request bodies"),

    row("plugin/http-server", "github_com/devopsfaith/krakend/transport/http/server/handler", S, Refused, "runs plugins"),
    row("plugin/http-client", "github.com/devopsfaith/krakend/transport/http/client/executor", B, Refused, "runs plugins"),
    row("plugin/req-resp-modifier", "github.com/devopsfaith/krakend/proxy/plugin", EB, Refused, "runs plugins"),
    row("plugin/middleware", "", EB, Refused, "runs plugins"),

    row("backend/graphql", "github.com/devopsfaith/krakend/transport/http/client/graphql", B, Refused, "asks GraphQL servers"),
    row("backend/lambda", "github.com/devopsfaith/krakend-lambda", B, Refused, "calls AWS Lambda"),
    row("backend/amqp/consumer", "github.com/devopsfaith/krakend-amqp/consume", B, Refused, "reads a message queue"),
    row("backend/amqp/producer", "github.com/devopsfaith/krakend-amqp/produce", B, Refused, "writes to a message queue"),
    row("backend/pubsub/publisher", "github.com/devopsfaith/krakend-pubsub/publisher", B, Refused, "publishes messages"),
    row("backend/pubsub/subscriber", "github.com/devopsfaith/krakend-pubsub/subscriber", B, Refused, "receives messages"),
    row("backend/pubsub/publisher/kafka", "", B, Refused, "publishes messages"),
    row("backend/pubsub/subscriber/kafka", "", B, Refused, "receives messages"),
    row("backend/grpc", "", B, Refused, "calls gRPC servers"),
    row("backend/soap", "", B, Refused, "calls SOAP services"),
    row("backend/conditional", "", B, Refused, "decides whether a backend is called"),
    row("backend/static-filesystem", "", B, Refused, "answers with files"),
    row("async/amqp", "github.com/devopsfaith/krakend-amqp/agent", A, Refused, "consumes a message queue"),
    row("async/kafka", "", A, Refused, "consumes a message queue"),
    row("server/static-filesystem", "", S, Refused, "serves files"),
    row("server/virtualhost", "", S, Refused, "routes by host name"),
    row("grpc", "", S, Refused, "serves gRPC"),
    row("websocket", "", E, Refused, "passes WebSockets"),
    row("workflow", "", B, Refused, "nests endpoints"),
    row("ai/llm", "", B, Refused, "talks to language models"),
    row("ai/providers", "", S, Refused, "talks to language models"),
    row("ai/classifiers", "", S, Refused, "routes prompts"),
    row("ai/router", "", B, Refused, "routes prompts"),
    row("ai/semantic-cache", "", SEB, Refused, "keeps answers"),
    row("ai/mcp", "", SE, Refused, "serves MCP"),

    row("redis", "", S, Warned, "names pools for other namespaces"),
    row("documentation/openapi", "", SE, Warned, "documents the API"),
    row("documentation/postman", "", SE, Warned, "documents the API"),
    row("telemetry/gelf", "github_com/devopsfaith/krakend-gelf", S, Warned, "sends logs"),
    row("telemetry/logstash", "github_com/devopsfaith/krakend-logstash", S, Warned, "changes log lines"),
    row("telemetry/metrics", "github_com/devopsfaith/krakend-metrics", S, Warned, "collects metrics"),
    row("telemetry/influx", "github_com/letgoapp/krakend-influx", S, Warned, "sends metrics"),
    row("telemetry/opencensus", "github_com/devopsfaith/krakend-opencensus", SEB, Warned, "sends traces and metrics"),
    row("telemetry/opentelemetry", "", SEB, Warned, "sends traces and metrics"),
    row("telemetry/opentelemetry-security", "", S, Warned, "authenticates to collectors"),
    row("telemetry/newrelic", "", EVERYWHERE, Warned, "sends traces and metrics"),
    row("telemetry/moesif", "", EVERYWHERE, Warned, "sends usage data"),
    row("telemetry/ganalytics", "", EVERYWHERE, Warned, "sends usage data"),
    row("telemetry/instana", "", EVERYWHERE, Warned, "sends traces and metrics"),
];

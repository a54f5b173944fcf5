//! `extra_config.router`: how requests find their endpoint and what everybody gets.
//! Source: docs/reference/lura-core.md 2.1.

use super::names::canonical_header;
use crate::config::diagnostic::Diagnostics;
use crate::config::json_text;
use crate::config::known::{Scope, check_keys};
use crate::config::node::{Node, Value};
use std::net::IpAddr;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address; bits behind the prefix are as written.
    pub address: IpAddr,
    /// 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub prefix: u8,
}

/// `error_body`: JSON texts for routes that do not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBodies {
    /// `404`: compact JSON; absent: KrakenD's text.
    pub not_found: Option<String>,
    /// `405`: compact JSON; absent: KrakenD's text.
    pub method_not_allowed: Option<String>,
}

/// All options of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// `disable_redirect_trailing_slash`: no redirect to the path with or without its last slash.
    pub disable_redirect_trailing_slash: bool,
    /// `disable_redirect_fixed_path`: no redirect to the cleaned or differently cased path.
    pub disable_redirect_fixed_path: bool,
    /// `disable_handle_method_not_allowed`: 404 instead of 405.
    pub disable_handle_method_not_allowed: bool,
    /// `forwarded_by_client_ip`: forwarding fields decide the client's address. Default true.
    pub forwarded_by_client_ip: bool,
    /// `remote_ip_headers`: these fields, in this order, canonical. Default `X-Forwarded-For`,
    /// `X-Real-Ip`.
    pub remote_ip_headers: Vec<String>,
    /// `trusted_proxies`: peers whose forwarding fields count. Default everybody; in the profile
    /// `safe` nobody.
    pub trusted_proxies: Vec<Cidr>,
    /// `app_engine`: `X-Appengine-Remote-Addr` is believed first.
    pub app_engine: bool,
    /// `remove_extra_slash`: `//`, `.` and `..` are cleaned before the lookup.
    pub remove_extra_slash: bool,
    /// `logger_skip_paths`: exact paths that the access log leaves out.
    pub logger_skip_paths: Vec<String>,
    /// `auto_options`: OPTIONS is answered for each endpoint path.
    pub auto_options: bool,
    /// `return_error_msg`: the error's text as body when nothing else answers.
    pub return_error_msg: bool,
    /// `disable_health`: no health route.
    pub disable_health: bool,
    /// `health_path`: default `/__health`.
    pub health_path: String,
    /// `disable_access_log`: no access log.
    pub disable_access_log: bool,
    /// `disable_path_decoding`: parameters are not checked for `%`, `?`, `#`.
    pub disable_path_decoding: bool,
    /// `hide_version_header`: `X-Krakend` without the version.
    pub hide_version_header: bool,
    /// `error_body`.
    pub error_body: ErrorBodies,
}

impl Router {
    /// Defaults; `trust_all` in the profile `krakend` alone.
    pub fn new(trust_all: bool) -> Self {
        let everybody = [
            Cidr { address: IpAddr::from([0, 0, 0, 0]), prefix: 0 },
            Cidr { address: IpAddr::from([0u16; 8]), prefix: 0 },
        ];
        Router {
            disable_redirect_trailing_slash: false,
            disable_redirect_fixed_path: false,
            disable_handle_method_not_allowed: false,
            forwarded_by_client_ip: true,
            remote_ip_headers: vec!["X-Forwarded-For".into(), "X-Real-Ip".into()],
            trusted_proxies: if trust_all { everybody.to_vec() } else { Vec::new() },
            app_engine: false,
            remove_extra_slash: false,
            logger_skip_paths: Vec::new(),
            auto_options: false,
            return_error_msg: false,
            disable_health: false,
            health_path: "/__health".into(),
            disable_access_log: false,
            disable_path_decoding: false,
            hide_version_header: false,
            error_body: ErrorBodies::default(),
        }
    }
}

impl Router {
    /// Reads the block over the defaults. KrakenD drops the whole block silently when one type is
    /// wrong; here each wrong type is refused at its place.
    pub(super) fn read(mut self, block: Node<'_>, found: &mut Diagnostics) -> Router {
        check_keys(block, Scope::Router, found);
        for (key, field) in [
            ("disable_redirect_trailing_slash", &mut self.disable_redirect_trailing_slash),
            ("disable_redirect_fixed_path", &mut self.disable_redirect_fixed_path),
            ("disable_handle_method_not_allowed", &mut self.disable_handle_method_not_allowed),
            ("forwarded_by_client_ip", &mut self.forwarded_by_client_ip),
            ("app_engine", &mut self.app_engine),
            ("remove_extra_slash", &mut self.remove_extra_slash),
            ("auto_options", &mut self.auto_options),
            ("return_error_msg", &mut self.return_error_msg),
            ("disable_health", &mut self.disable_health),
            ("disable_access_log", &mut self.disable_access_log),
            ("disable_path_decoding", &mut self.disable_path_decoding),
            ("hide_version_header", &mut self.hide_version_header),
        ] {
            *field = block.plain_bool(key, found).unwrap_or(*field);
        }
        let _: Option<i64> = block.field("max_multipart_memory", found);
        if let Some(node) = block.get("disable_redirect_trailing_slash")
            && self.disable_redirect_trailing_slash
            && !self.disable_redirect_fixed_path
        {
            found
                .doubt_at_key(node, "has no effect alone: the other redirect fixes slashes too")
                .allowed("with \"disable_redirect_fixed_path\": true");
        }
        let texts = |nodes: Vec<Node<'_>>| -> Vec<String> {
            nodes.into_iter().filter_map(Node::text).map(str::to_owned).collect()
        };
        if let Some(nodes) = block.plain_texts("remote_ip_headers", found).filter(|n| !n.is_empty())
        {
            self.remote_ip_headers =
                texts(nodes).iter().map(|name| canonical_header(name)).collect();
        }
        if let Some(nodes) = block.plain_texts("logger_skip_paths", found) {
            self.logger_skip_paths = texts(nodes);
        }
        if let Some(node) = block.get("trusted_proxies").filter(|node| node.is_empty())
            && !self.trusted_proxies.is_empty()
        {
            found
                .warn(node, "an empty list trusts everybody, as in KrakenD")
                .help("name the proxies, or use \"forwarded_by_client_ip\": false to trust nobody");
        }
        if let Some(nodes) = block.plain_texts("trusted_proxies", found).filter(|n| !n.is_empty()) {
            self.trusted_proxies =
                nodes.into_iter().filter_map(|node| Cidr::read(node, found)).collect();
        }
        self.read_health(block, found);
        if let Some(bodies) = block.get("error_body").filter(|node| node.expect_table(found)) {
            check_keys(bodies, Scope::ErrorBody, found);
            self.error_body = ErrorBodies {
                not_found: error_body(bodies, "404", found),
                method_not_allowed: error_body(bodies, "405", found),
            };
        }
        self
    }

    fn read_health(&mut self, block: Node<'_>, found: &mut Diagnostics) {
        let Some(path) = block.plain_text("health_path", found).filter(|path| !path.is_empty())
        else {
            return;
        };
        let fixed = path.starts_with('/') && !path.contains([':', '*', '?', '#']);
        if let (false, Some(node)) = (fixed, block.get("health_path")) {
            found.refuse(node, "is not a fixed path", "such as \"/__health\"");
        }
        self.health_path = path.to_owned();
    }
}

/// Any JSON value but `false`; text is written as a JSON text too.
fn error_body(bodies: Node<'_>, key: &str, found: &mut Diagnostics) -> Option<String> {
    let node = bodies.get(key)?;
    if let Value::Bool(_) = node.value() {
        found.refuse(node, "is not a body", "an object, a list or a text");
    }
    let mut text = String::new();
    json_text::write(node, &mut text);
    Some(text)
}

impl Cidr {
    /// An address alone is a network of one.
    fn read(node: Node<'_>, found: &mut Diagnostics) -> Option<Cidr> {
        let cidr = node.text().and_then(Cidr::parse);
        if cidr.is_none() {
            found.refuse(node, "is not a network", "such as \"10.0.0.0/8\" or \"::1\"");
        }
        cidr
    }

    fn parse(text: &str) -> Option<Cidr> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        (prefix <= most).then_some(Cidr { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (text, expected) in [
            ("10.0.0.0/8", Some(8)),
            ("::1", Some(128)),
            ("1.2.3.4", Some(32)),
            ("::/0", Some(0)),
            ("1.2.3.4/33", None),
            ("1.2.3.4/", None),
            ("1.2.3.4/+8", None),
            ("host", None),
        ] {
            assert_eq!(Cidr::parse(text).map(|cidr| cidr.prefix), expected, "{text}");
        }
    }
}

//! `extra_config.router`: how requests find their endpoint and what everybody gets.
//! Source: docs/reference/lura-core.md 2.1.

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

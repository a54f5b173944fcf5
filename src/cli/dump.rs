//! What `check -d` prints: the configuration as it is understood, in KrakenD's order.

use crate::config::model::{Backend, Endpoint, ErrorReturn, ExtraBlock, Names, Service};
use std::fmt::Write as _;
use std::time::Duration;

/// Level 1 is an outline, 2 adds every value that has been decided, 3 the inner form.
pub(super) fn dump(service: &Service, level: u8, indent: &str) -> String {
    let mut out = Dump { text: String::new(), indent, level };
    out.service(service);
    out.text
}

struct Dump<'a> {
    text: String,
    indent: &'a str,
    level: u8,
}

impl Dump<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        for _ in 0..depth {
            self.text.push_str(self.indent);
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn service(&mut self, service: &Service) {
        let address = service.listen_ip.map_or("all".to_owned(), |ip| ip.to_string());
        self.line(0, "Global settings");
        self.line(1, &format!("Name: {}", service.name));
        self.line(1, "Version: 3");
        self.line(1, &format!("Address: {address}"));
        self.line(1, &format!("Port: {}", service.port));
        self.line(1, &format!("Default cache TTL: {}", time(service.cache_ttl)));
        self.line(1, &format!("Default timeout: {}", time(service.timeout)));
        if self.level > 1 {
            self.line(1, &format!("Profile: {:?}", service.behaviour.profile));
            self.line(1, &format!("Log level: {}", service.logging.level.as_str()));
            let tls = if service.client_tls.is_some() { "configured" } else { "default" };
            self.line(1, &format!("TLS to backends: {tls}"));
        }
        if self.level > 2 {
            for text in [
                format!("{:?}", service.behaviour),
                format!("{:?}", service.ringway),
                format!("{:?}", service.limits),
                format!("{:?}", service.server),
                format!("{:?}", service.transport),
                format!("{:?}", service.router),
                format!("{:?}", service.logging),
                format!("{:?}", service.client_tls),
            ] {
                self.line(1, &text);
            }
        }
        self.components(0, "Global", &service.extra);
        self.line(0, &format!("{} API endpoint(s):", service.endpoints.len()));
        for endpoint in &service.endpoints {
            self.endpoint(endpoint);
        }
    }

    fn components(&mut self, depth: usize, of: &str, blocks: &[ExtraBlock]) {
        if !blocks.is_empty() {
            self.line(depth, &format!("{of} component configuration(s): {}", blocks.len()));
        }
        for block in blocks {
            self.line(depth, &format!("- {}", block.namespace));
        }
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        self.line(1, &format!("- {} {}", endpoint.method.as_str(), endpoint.path.text));
        self.line(1, &format!("Timeout: {}", time(endpoint.timeout)));
        if self.level > 1 {
            self.line(1, &format!("Cache TTL: {}", time(endpoint.cache_ttl)));
            self.line(1, &format!("Output encoding: {:?}", endpoint.output_encoding));
            self.line(1, &format!("Concurrent calls: {}", endpoint.concurrent_calls));
            self.line(1, &format!("Headers to pass: {}", names(&endpoint.input_headers)));
            let query = names(&endpoint.input_query_strings);
            self.line(1, &format!("Query strings to pass: {query}"));
        }
        if self.level > 2 {
            self.line(1, &format!("Route: {}", endpoint.path.route));
            self.line(1, &format!("{:?}", endpoint.behaviour));
        }
        self.components(1, "Endpoint", &endpoint.extra);
        self.line(1, &format!("Connecting to {} backend(s):", endpoint.backends.len()));
        for backend in &endpoint.backends {
            self.backend(backend);
        }
    }

    fn backend(&mut self, backend: &Backend) {
        self.line(2, &format!("[+] {} {}", backend.method, backend.url_pattern.text));
        let hosts: Vec<_> = backend.hosts.iter().map(|host| host.text.as_str()).collect();
        self.line(2, &format!("Hosts: {}", hosts.join(", ")));
        if self.level > 1 {
            self.line(2, &format!("Encoding: {:?}", backend.encoding));
            let selection = &backend.selection;
            let mut told = String::new();
            for (name, list) in [
                ("Target", &selection.target),
                ("Allow", &selection.allow),
                ("Deny", &selection.deny),
            ] {
                if !list.is_empty() {
                    let _ = write!(told, "{name}: {}; ", list.join(", "));
                }
            }
            for (old, new) in &selection.mapping {
                let _ = write!(told, "{old} -> {new}; ");
            }
            if let Some(group) = &selection.group {
                let _ = write!(told, "Group: {group}; ");
            }
            if backend.error_return != ErrorReturn::Nothing {
                let _ = write!(told, "{:?}; ", backend.error_return);
            }
            if !told.is_empty() {
                self.line(2, told.trim_end_matches("; "));
            }
        }
        if self.level > 2 {
            self.line(2, &format!("Headers to pass: {}", names(&backend.input_headers)));
            let query = names(&backend.input_query_strings);
            self.line(2, &format!("Query strings to pass: {query}"));
            self.line(2, &format!("{:?}", backend.url_pattern));
            self.line(2, &format!("{:?}", backend.behaviour));
        }
        self.components(2, "Backend", &backend.extra);
    }
}

fn time(time: Duration) -> String {
    crate::config::duration::shown(time)
}

fn names(names: &Names) -> String {
    match names {
        Names::All => "all".into(),
        Names::Only(list) => format!("[{}]", list.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{Options, load};

    #[test]
    fn levels() {
        let text = br#"{"version": 3, "name": "n", "host": ["h"], "endpoints": [
            {"endpoint": "/a/{x}", "backend": [{"url_pattern": "/b/{x}", "allow": ["c"], "group": "g"}]}]}"#;
        let loaded = load(&|_| Err(String::new()), "f.json", text, &[], &Options::default());
        let service = loaded.service.expect("the file is right");
        insta::assert_snapshot!(dump(&service, 1, "  "));
        insta::assert_snapshot!(dump(&service, 2, "  "));
        assert!(dump(&service, 3, "").contains("Route: /a/:x"));
    }
}

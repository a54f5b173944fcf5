//! The client's address: the peer's, or what trusted forwarding fields say.
//! Source: docs/reference/lura-core.md 2.6.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::{Exchange, Setting};
use crate::http::HeaderId;
use crate::plan::is_forwarding;

impl Exchange {
    /// The client's address: the peer's, or what trusted forwarding fields say.
    pub(super) fn find_client_ip(&mut self, setting: &Setting<'_>) {
        let plan = &setting.plan.plan;
        let rule = &plan.client_ip;
        self.client_ip.clear();
        if rule.hides_untrusted && !rule.trusts_peer(setting.peer) {
            self.hide_forwarding(setting.bytes);
        }
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

    /// Keeps an untrusted peer's word of where its request came from away from the backends.
    fn hide_forwarding(&mut self, bytes: &[u8]) {
        for field in &self.head.fields {
            let name = field.name(bytes);
            if is_forwarding(field.id, name) {
                // An edit without a value removes the field; names are tokens.
                self.edits.to_backend.push((String::from_utf8_lossy(name).into(), Vec::new()));
            }
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

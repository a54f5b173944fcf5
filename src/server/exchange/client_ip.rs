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
        if rule.hides_untrusted && !rule.trusts_peer(setting.peer) {
            self.hide_forwarding(setting.bytes);
        }
        let fields = &self.head.fields;
        let is_peers = !plan.app_engine && !rule.may_be_in(fields.ids());
        if is_peers && setting.peer.is_some() && setting.peer == self.client_ip_of {
            return;
        }
        self.client_ip.clear();
        self.client_ip_of = setting.peer.filter(|_| is_peers);
        if plan.app_engine {
            let named = self.head.fields.find_named(b"x-appengine-remote-addr", setting.bytes);
            if let Some(text) = named.and_then(|v| std::str::from_utf8(v).ok()) {
                self.client_ip.push_str(text);
                return;
            }
        }
        let mut found = None;
        if rule.may_be_in(fields.ids()) && rule.reads_fields(setting.peer) {
            for (id, field) in &rule.fields {
                let id = *id;
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
    out.reserve("255.255.255.255".len());
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push('.');
        }
        let digit = |value: u8| char::from(b'0' + value % 10);
        if octet >= 100 {
            out.push(digit(octet / 100));
        }
        if octet >= 10 {
            out.push(digit(octet / 10));
        }
        out.push(digit(octet));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        for octet in 0..=255 {
            let address = Ipv4Addr::new(octet, 0, 255 - octet, 10);
            let mut text = String::new();
            push_ipv4(address, &mut text);
            assert_eq!(text, address.to_string());
        }
    }
}

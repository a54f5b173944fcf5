//! Texts inside of a configuration: durations, amounts of bytes, hosts, paths and URL patterns.

use std::time::Duration;

use crate::config::duration::{self, go_duration};
use crate::config::path::{self, RoutePart};
use crate::config::url_template::{UrlParam, UrlPart, UrlTemplate};
use crate::config::{host, size};
use crate::http::fuzz::{about, seen};
use crate::http::uri::authority::is_authority;

/// Durations and amounts: signs, sums and what is shown agree with what was read.
pub fn fuzz_durations(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let read = go_duration(&text);
    let signed = text.starts_with(['-', '+']);
    if let Ok(nanoseconds) = read {
        if !signed {
            assert!(nanoseconds >= 0);
            assert_eq!(go_duration(&format!("-{text}")), Ok(-nanoseconds));
            assert_eq!(go_duration(&format!("+{text}")), read);
        }
        // A bare 0 takes no unit behind it.
        if !signed && &*text != "0" && nanoseconds < i64::MAX {
            assert_eq!(go_duration(&format!("{text}1ns")), Ok(nanoseconds + 1));
        }
        if let Ok(nanoseconds) = u64::try_from(nanoseconds) {
            let shown = duration::shown(Duration::from_nanos(nanoseconds));
            assert_eq!(go_duration(&shown), read, "{shown}");
        }
        assert!(text.is_empty() || text.bytes().any(|byte| byte.is_ascii_digit()));
    }
    let amount = size::parse(&text);
    if let Some(amount) = amount {
        assert_eq!(size::parse(&size::shown(amount)), Some(amount));
    }
    let magnitude = read.map(|ns| (ns < 0, about(ns.unsigned_abs() as usize) / 8));
    seen((magnitude, amount.map(|amount| about(amount as usize) / 8)))
}

/// Hosts: cleaning twice is cleaning once, and what is connected to has a name and a port.
pub fn fuzz_hosts(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let cleaned = host::clean(&text);
    if let Some(cleaned) = &cleaned {
        assert!(cleaned.starts_with("http://") || cleaned.starts_with("https://"));
        assert_eq!(host::clean(cleaned).as_deref(), Some(&**cleaned));
    }
    let parts = [Some(&*text), cleaned.as_deref()].map(|text| host::parse(text?).ok());
    for parts in parts.iter().flatten() {
        assert!(!parts.name.is_empty() && parts.port > 0);
        assert!(is_authority(parts.authority.as_bytes()), "{}", parts.authority);
        assert!(parts.prefix.is_empty() || parts.prefix.starts_with('/'));
        assert!(parts.prefix.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let shape = |parts: &host::Parts<'_>| (parts.scheme, parts.prefix.len().min(2));
    seen((cleaned.is_some(), parts.each_ref().map(|parts| parts.as_ref().map(shape))))
}

/// An endpoint's path and, behind a line feed, a `url_pattern`: every placeholder of the pattern is
/// a parameter of the path or comes later, and the literals are the rest of the text.
pub fn fuzz_urls(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let (written, pattern) = text.split_once('\n').unwrap_or((&text, &text));
    let mut outcomes = Vec::new();
    for relaxed in [false, true] {
        let parsed = match path::parse(written, relaxed) {
            Ok(parsed) => parsed,
            Err(error) => {
                outcomes.push((format!("{error:?}"), String::new()));
                continue;
            }
        };
        let path = &parsed.path;
        assert!(path.text.starts_with('/') && path.route.starts_with('/'));
        let params = path.parts.iter().filter(|part| matches!(part, RoutePart::Param(_))).count();
        assert_eq!(params, path.params.len());
        assert!(path.params.iter().all(|name| !name.is_empty() && !name.contains('/')));
        let segments = || path.route.split('/').skip(1);
        let n_segments = segments().count();
        assert!(segments().all(|segment| segment != "." && segment != ".."));
        assert!(segments().take(n_segments - 1).all(|segment| !segment.is_empty()));
        let url = UrlTemplate::parse(pattern, &parsed.inputs, &path.params);
        if let Ok(url) = &url {
            for part in url.path.iter().chain(url.query.iter().flatten()) {
                match part {
                    UrlPart::Literal(text) => assert!(!text.is_empty() && url.text.contains(text)),
                    UrlPart::Param(UrlParam::Endpoint { index, .. }) => {
                        assert!(*index < path.params.len());
                    }
                    UrlPart::Param(UrlParam::Later { name }) => {
                        assert!(url.later().any(|later| later == name));
                    }
                }
            }
            assert!(url.text.bytes().all(|byte| byte >= b' ' && byte != 0x7f));
        }
        let error = url.err().map(|error| format!("{error:?}"));
        let error = error.unwrap_or_default().chars().take(6).collect();
        outcomes.push((format!("{} {}", params.min(3), parsed.runs_on), error));
    }
    seen(outcomes)
}

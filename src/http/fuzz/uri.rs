//! Targets, authorities, paths, parameters and queries.

use super::seen;
use crate::http::uri::authority::{is_authority, same_authority, split_port};
use crate::http::uri::target::{Form, Scheme, Target};
use crate::http::uri::{clean, param, path, percent, query};
use crate::http::{Method, Span};

/// Paths, parameters and queries.
pub fn fuzz_uri(input: &[u8]) -> u64 {
    let mut found = (false, false, false);
    let mut scratch = Vec::new();
    if let Ok(decoded) = path::decode(input, &mut scratch) {
        found = (true, decoded.has_encoded_slash, decoded.has_nul);
        let (mut encoded, mut wire, mut again) = (Vec::new(), Vec::new(), Vec::new());
        path::encode(decoded.path, &mut encoded);
        path::wire_path(decoded.path, &mut wire);
        for written in [&encoded, &wire] {
            assert!(written.iter().all(|byte| byte.is_ascii_graphic()));
            again.clear();
            assert_eq!(percent::decode(written, percent::Plus::Plus, &mut again), Ok(()));
            assert!(again == decoded.path || decoded.path.is_empty());
        }
        if param::check(decoded.path).is_ok() {
            assert!(!decoded.has_nul && !param::has_dot_segment(decoded.path));
        }
    }
    let mut wire = input.to_vec();
    assert_eq!(path::finish(&mut wire, 0).is_ok(), percent::check(input).is_ok());

    let (mut clean, mut again) = (Vec::new(), Vec::new());
    clean::clean_path(input, &mut clean);
    clean::clean_path(&clean, &mut again);
    assert_eq!(clean, again);

    let (mut encoder, mut once, mut twice) = (query::QueryEncoder::new(), Vec::new(), Vec::new());
    let n_pairs = encoder.encode(input, |_| true, &mut once);
    assert_eq!(encoder.encode(&once, |_| true, &mut twice), n_pairs);
    assert_eq!(once, twice);
    let param = param::check(input);
    let form = target(input);
    seen((found, n_pairs.min(3), clean == input, form, param))
}

/// The parts of a target, put together again, are the target.
fn target(input: &[u8]) -> Option<Form> {
    let raw = Span::new(0, input.len())?;
    let mut form = None;
    for method in [Method::Get, Method::Options, Method::Connect] {
        let Ok(target) = Target::parse(&method, raw, input) else { continue };
        assert!(input.iter().all(|byte| *byte > b' ' && *byte != 0x7f && *byte != b'#'));
        let of = |span: Span| span.of(input).to_vec();
        let scheme = match target.scheme {
            Some(Scheme::Http) => "http://".len(),
            Some(Scheme::Https) => "https://".len(),
            None => 0,
        };
        let authority = match target.form {
            Form::Absolute => target.authority.map(of).unwrap_or_default(),
            Form::Authority | Form::Origin | Form::Asterisk => Vec::new(),
        };
        assert!(!authority.contains(&b'@') && !authority.contains(&b'/'));
        let path = if target.form == Form::Authority { target.raw } else { target.path };
        let query = target.query.map(|query| [b"?", query.of(input)].concat()).unwrap_or_default();
        let whole = [&input[..scheme], &authority[..], path.of(input), &query].concat();
        assert_eq!(whole, input, "{method:?} {target:?}");
        form = Some(target.form);
    }
    form
}

/// Authorities: what passes is a name or an address with a port that a connection can have, and
/// says the same about itself whichever way it is compared.
pub fn fuzz_authority(input: &[u8]) -> u64 {
    let (one, other) = match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, input),
    };
    let (good, other_good) = (is_authority(one), is_authority(other));
    if good {
        let text = std::str::from_utf8(one).expect("an authority is ASCII");
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        assert!(!host.is_empty() && (host.starts_with('[') || !host.contains(':')));
        assert!(!text.contains(['@', '/', ',', '%', '?', '#', ' ']));
        assert!(port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0)));
        assert!(same_authority(one, one, 80));
        assert!(port.is_some() || same_authority(one, format!("{text}:80").as_bytes(), 80));
    }
    let mut same = false;
    if good && other_good {
        same = same_authority(one, other, 443);
        assert_eq!(same, same_authority(other, one, 443));
    }
    seen((good, other_good, same, one.contains(&b'['), split_port(one).1.is_some()))
}

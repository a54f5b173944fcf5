//! A fuzz entry for the router: routes and a request from arbitrary bytes, and what must hold.

use super::pattern::{Pattern, Piece};
use super::{Options, Outcome, Params, RouterBuilder, check_params};
use crate::http::fuzz::seen;

/// Lines of `data` are patterns, the last one a path; the first byte chooses switches. Panics when
/// a span leaves the path, a parameter holds a slash, a `Location` leaves our own root, what was
/// found does not spell the path, or a route that spells it is not found.
pub fn fuzz_router(data: &[u8]) -> u64 {
    let Some((switches, data)) = data.split_first() else { return 0 };
    let options = Options {
        redirect_trailing_slash: switches & 1 == 0,
        redirect_fixed_path: switches & 2 == 0,
        handle_method_not_allowed: switches & 4 == 0,
        remove_extra_slash: switches & 8 != 0,
        auto_options: switches & 16 != 0,
        auto_head: switches & 32 != 0,
    };
    let mut builder = RouterBuilder::new(options);
    let mut lines = data.split(|byte| *byte == b'\n');
    let path = lines.next_back().unwrap_or_default();
    let mut added = Vec::new();
    for (route, line) in (0..).zip(lines) {
        let Ok(pattern) = std::str::from_utf8(line) else { continue };
        let method = ["GET", "POST", "OPTIONS"][route as usize % 3];
        // A refusal is an outcome like any other.
        if builder.add(method, pattern, route).is_ok() {
            added.push((method, route, Pattern::parse(pattern).expect("it was added")));
        }
    }
    let router = builder.build();
    let mut params = Params::new();
    let mut outcomes = Vec::new();
    for method in [&b"GET"[..], b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"X"] {
        let outcome = router.lookup(method, path, &mut params);
        outcomes.push((std::mem::discriminant(&outcome), params.spans().len().min(3)));
        let looked_up = params.path(path);
        let spells = |(of, _, pattern): &&(&str, u32, Pattern)| {
            of.as_bytes() == method && matches(&pattern.pieces, looked_up)
        };
        // An OPTIONS route that the router added itself may be the nearer one.
        let is_found = matches!(outcome, Outcome::Found { .. } | Outcome::Options { .. });
        if !is_found && let Some((_, route, _)) = added.iter().find(|route| spells(route)) {
            panic!("{outcome:?} though route {route} spells the path");
        }
        match outcome {
            Outcome::Found { route } => {
                let names = router.names(route);
                assert_eq!(names.len(), params.spans().len(), "a value for each name");
                for span in params.spans() {
                    assert!(span.start <= span.end && span.end as usize <= looked_up.len());
                }
                let slashed = params.values(path).filter(|value| value.contains(&b'/')).count();
                assert!(slashed <= 1, "only a catch-all holds slashes");
                let (_, _, pattern) = &added[added.partition_point(|(_, at, _)| *at < route)];
                let mut values = params.values(path);
                let spelled: Vec<u8> = pattern
                    .pieces
                    .iter()
                    .flat_map(|piece| match piece {
                        Piece::Literal(text) => text.as_slice(),
                        Piece::Param(_) => values.next().unwrap_or_default(),
                        // Its value begins with the slash that the literal ends with.
                        Piece::Rest(_) => {
                            values.next().and_then(|v| v.get(1..)).unwrap_or_default()
                        }
                    })
                    .copied()
                    .collect();
                assert_eq!(spelled, looked_up);
                let _ = check_params(params.values(path), super::Check::Encoded);
            }
            Outcome::Redirect { mend, .. } => {
                let mut location = Vec::new();
                params.location(mend, path, Some(path), Some(path), &mut location);
                assert!(location.starts_with(b"/") && !location.starts_with(b"//"));
                assert!(location.iter().all(u8::is_ascii_graphic));
            }
            Outcome::MethodNotAllowed { allowed } => {
                let mut allow = Vec::new();
                router.write_allow(allowed, &mut allow);
                assert!(!allow.is_empty());
            }
            Outcome::Options { .. } | Outcome::NotFound => {}
        }
    }
    seen((switches & 63, outcomes))
}

/// Whether a path is spelled by these pieces, tried one after the other.
fn matches(pieces: &[Piece], path: &[u8]) -> bool {
    match pieces {
        [] => path.is_empty(),
        [Piece::Literal(text), rest @ ..] => {
            path.strip_prefix(text.as_slice()).is_some_and(|path| matches(rest, path))
        }
        [Piece::Param(_), rest @ ..] => {
            let len = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            len > 0 && matches(rest, &path[len..])
        }
        [Piece::Rest(_), ..] => true,
    }
}

//! A fuzz entry for the router: routes and a request from arbitrary bytes, and what must hold.

use super::{Options, Outcome, Params, RouterBuilder, check_params};

/// Lines of `data` are patterns, the last one a path; the first byte chooses switches. Panics when
/// a span leaves the path, a parameter holds a slash, or a `Location` leaves our own root.
pub fn fuzz_router(data: &[u8]) {
    let Some((switches, data)) = data.split_first() else { return };
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
    for (route, line) in (0..).zip(lines) {
        let Ok(pattern) = std::str::from_utf8(line) else { continue };
        let method = ["GET", "POST", "OPTIONS"][route as usize % 3];
        // A refusal is an outcome like any other.
        let _ = builder.add(method, pattern, route);
    }
    let router = builder.build();
    let mut params = Params::new();
    for method in [&b"GET"[..], b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"X"] {
        let outcome = router.lookup(method, path, &mut params);
        match outcome {
            Outcome::Found { route } => {
                let names = router.names(route);
                assert_eq!(names.len(), params.spans().len(), "a value for each name");
                let looked_up = params.path(path);
                for span in params.spans() {
                    assert!(span.start <= span.end && span.end as usize <= looked_up.len());
                }
                let slashed = params.values(path).filter(|value| value.contains(&b'/')).count();
                assert!(slashed <= 1, "only a catch-all holds slashes");
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
}

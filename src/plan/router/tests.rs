//! Tests of the router: recorded answers of KrakenD, gin's own tree on random routes, a naive model.

use proptest::prelude::*;

use super::pattern::Piece;
use super::*;

/// Percent-decodes as the codec does before a lookup.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte.unwrap_or(b'0')).to_digit(16).unwrap_or(0);
        out.push(match byte {
            b'%' => (digit(bytes.next()) * 16 + digit(bytes.next())) as u8,
            other => other,
        });
    }
    out
}

/// The outcome as a line: `3 x=1` for route 3, `301 /one`, `405 GET, POST`, `200 Allow: GET`, `404`.
fn ask(router: &Router, method: &str, target: &str, prefix: Option<&str>) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes())),
        None => (target, None),
    };
    let path = decoded(path);
    let mut params = Params::new();
    let mut text = Vec::new();
    match router.lookup(method.as_bytes(), &path, &mut params) {
        Outcome::Found { route } => {
            let names = router.names(route);
            let values = params.values(&path).map(String::from_utf8_lossy);
            let shown = names.iter().zip(values).map(|(name, value)| format!(" {name}={value}"));
            return format!("{route}{}", shown.collect::<String>());
        }
        Outcome::Options { allow } => return format!("200 Allow: {allow}"),
        Outcome::Redirect { status, mend } => {
            text.extend_from_slice(format!("{status} ").as_bytes());
            params.location(mend, &path, prefix.map(str::as_bytes), query, &mut text);
        }
        Outcome::MethodNotAllowed { allowed } => {
            text.extend_from_slice(b"405 ");
            router.write_allow(allowed, &mut text);
        }
        Outcome::NotFound => return "404".to_owned(),
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A router of endpoints numbered from 0; health is there first, as in KrakenD.
fn router(options: Options, endpoints: &[(&str, &str)]) -> Router {
    let mut builder = RouterBuilder::new(options);
    builder.add_internal("GET", "/__health", 99).expect("the first route");
    for (route, (method, pattern)) in (0..).zip(endpoints) {
        builder.add(method, pattern, route).expect("no conflict in the table");
    }
    builder.build()
}

const BASIC: &[(&str, &str)] = &[
    ("GET", "/one"),
    ("POST", "/one"),
    ("GET", "/dir/"),
    ("GET", "/Case/Path"),
    ("GET", "/p/:id"),
    ("PUT", "/p/:id/sub"),
];

#[test]
fn outcomes_as_recorded_from_krakend() {
    let router = router(Options::default(), BASIC);
    for (method, target, expected) in [
        ("GET", "/one", "0"),
        ("GET", "/nope", "404"),
        ("PUT", "/one", "405 GET, POST"),
        ("DELETE", "/one", "405 GET, POST"),
        ("HEAD", "/one", "405 GET, POST"),
        ("OPTIONS", "/one", "405 GET, POST"),
        ("TRACE", "/one", "405 GET, POST"),
        ("FOO", "/one", "405 GET, POST"),
        ("POST", "/p/1", "405 GET"),
        ("GET", "/p/1/sub", "405 PUT"),
        ("GET", "/one/", "301 /one"),
        ("GET", "/dir", "301 /dir/"),
        ("GET", "/dir/", "2"),
        ("POST", "/one/", "307 /one"),
        ("GET", "/ONE", "301 /one"),
        ("GET", "/case/path?x=1", "301 /Case/Path?x=1"),
        ("GET", "/CASE/PATH/", "301 /Case/Path"),
        ("GET", "//one", "301 /one"),
        ("GET", "/one//", "301 /one"),
        ("GET", "/./one", "301 /one"),
        ("GET", "/x/../one", "301 /one"),
        ("GET", "/p/", "404"),
        ("GET", "/p", "404"),
        ("GET", "/p/1/", "301 /p/1"),
        ("GET", "/", "404"),
        ("GET", "/one?x=1", "0"),
        ("GET", "/__health/x", "404"),
        ("GET", "/%6Fne", "0"),
        ("GET", "/one/?a=b&c=d", "301 /one?a=b&c=d"),
        ("GET", "/__health", "99"),
        ("GET", "*", "404"),
        ("GET", "", "404"),
        ("GET", "one", "404"),
    ] {
        assert_eq!(ask(&router, method, target, None), expected, "{method} {target}");
    }
    assert_eq!(ask(&router, "GET", "/ONE", Some("/pre")), "301 /one");
    assert_eq!(ask(&router, "GET", "/one/", Some("/pre")), "301 /pre/one");
}

#[test]
fn parameters_as_recorded_from_krakend() {
    let router = router(
        Options::default(),
        &[
            ("GET", "/a/:x"),
            ("GET", "/b/:x/:y"),
            ("GET", "/mid/:x/end"),
            ("GET", "/case/:UserId/:user_name/:a-b"),
            ("GET", "/lit/x"),
            ("GET", "/lit/:x"),
            ("GET", "/file.:ext"),
        ],
    );
    for (target, expected) in [
        ("/a/1", "0 x=1"),
        ("/a/hello%20world", "0 x=hello world"),
        ("/a/caf%C3%A9", "0 x=caf\u{e9}"),
        ("/a/a+b", "0 x=a+b"),
        ("/a/a%2Fb", "404"),
        ("/a/a;b=c", "0 x=a;b=c"),
        ("/a/a,b:c@d", "0 x=a,b:c@d"),
        ("/a/..", "0 x=.."),
        ("/a/a%5Cb", "0 x=a\\b"),
        ("/b/1/2", "1 x=1 y=2"),
        ("/mid/7/end", "2 x=7"),
        ("/mid//end", "2 x="),
        ("/case/1/2/3", "3 UserId=1 user_name=2 a-b=3"),
        ("/lit/x", "4"),
        ("/lit/y", "5 x=y"),
        ("/lit/xy", "5 x=xy"),
        ("/file.json", "6 ext=json"),
        ("/file.", "404"),
        ("/file.tar.gz", "6 ext=tar.gz"),
    ] {
        assert_eq!(ask(&router, "GET", target, None), expected, "{target}");
    }
    // Decoded once; the checker answers 400 to what is encoded still.
    assert_eq!(ask(&router, "GET", "/a/100%25", None), "0 x=100%");
    let mut params = Params::new();
    assert_eq!(router.lookup(b"GET", b"/a/100%", &mut params), Outcome::Found { route: 0 });
    assert!(check_params(params.values(b"/a/100%"), Check::Encoded).is_err());
    assert_eq!(params.value(0, b"/a/100%"), b"100%");
    assert_eq!(params.value(1, b"/a/100%"), b"");
}

#[test]
fn catch_alls_as_recorded_from_krakend() {
    let mut builder = RouterBuilder::new(Options::default());
    builder.add_internal("GET", "/__health", 99).expect("no conflict");
    for (route, folder) in [(1, "/__debug/*rest"), (2, "/__echo/*rest")] {
        for method in
            ["GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS", "DELETE", "CONNECT", "TRACE"]
        {
            builder.add_internal(method, folder, route).expect("no conflict");
        }
    }
    builder.add("GET", "/a", 0).expect("no conflict");
    let router = builder.build();
    for (method, target, expected) in [
        ("GET", "/__debug/", "1 rest=/"),
        ("GET", "/__debug/x/y?z=1", "1 rest=/x/y"),
        ("POST", "/__debug/p", "1 rest=/p"),
        ("DELETE", "/__debug/", "1 rest=/"),
        ("GET", "/__debug", "301 /__debug/"),
        ("GET", "/__Debug/Keep/Me", "301 /__debug/Keep/Me"),
        ("GET", "/__echo/x?y=1", "2 rest=/x"),
        ("HEAD", "/__health", "405 GET"),
        ("FOO", "/__echo/x", "405 GET, POST, PUT, PATCH, HEAD, OPTIONS, DELETE, CONNECT, TRACE"),
        ("CONNECT", "/__echo", "404"),
    ] {
        assert_eq!(ask(&router, method, target, None), expected, "{method} {target}");
    }
}

#[test]
fn switches() {
    let off = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        router(options, BASIC)
    };
    let no_slash = off(|options| options.redirect_trailing_slash = false);
    let no_fix = off(|options| options.redirect_fixed_path = false);
    let no_405 = off(|options| options.handle_method_not_allowed = false);
    let clean = off(|options| options.remove_extra_slash = true);
    let head = off(|options| options.auto_head = true);
    let options = off(|options| options.auto_options = true);
    for (router, method, target, expected) in [
        // Not effective alone, as KrakenD's is not.
        (&no_slash, "GET", "/one/", "301 /one"),
        (&no_slash, "GET", "/dir", "301 /dir/"),
        (&no_slash, "GET", "/ONE", "301 /one"),
        (&no_slash, "GET", "/one//", "301 /one"),
        (&no_fix, "GET", "/one/", "301 /one"),
        (&no_fix, "GET", "/ONE", "404"),
        (&no_fix, "GET", "//one", "404"),
        (&no_405, "PUT", "/one", "404"),
        (&clean, "GET", "//one", "0"),
        (&clean, "GET", "/x/../p/./7", "4 id=7"),
        (&clean, "GET", "/one//", "301 /one/"),
        (&clean, "PUT", "//one", "405 GET, POST"),
        (&head, "HEAD", "/one", "0"),
        (&head, "HEAD", "/p/1", "4 id=1"),
        (&head, "HEAD", "/one/", "307 /one"),
        (&head, "PUT", "/one", "405 GET, POST, HEAD"),
        (&head, "HEAD", "/p/1/sub", "405 PUT"),
        (&options, "OPTIONS", "/one", "200 Allow: GET, POST"),
        (&options, "OPTIONS", "/p/1/sub", "200 Allow: PUT"),
        (&options, "OPTIONS", "/one/", "307 /one"),
        (&options, "OPTIONS", "/__health", "405 GET"),
        (&options, "DELETE", "/one", "405 GET, POST, OPTIONS"),
    ] {
        assert_eq!(ask(router, method, target, None), expected, "{method} {target}");
    }
}

#[test]
fn redirects_stay_below_our_own_root() {
    let router = router(
        Options::default(),
        &[("GET", "/"), ("GET", "/:a/:b"), ("GET", "/x/y/:a/"), ("GET", "/\u{e9}")],
    );
    for (target, prefix, expected) in [
        ("//evil.com/%2e%2e", None, "301 /"),
        ("//evil.com/", None, "404"),
        ("//x/y/evil.com", None, "301 /x/y/evil.com/"),
        ("/%2F/evil.com/", None, "404"),
        ("/%5Cevil.com/a/", None, "301 /%5Cevil.com/a"),
        ("/x/y/a%0D%0Ab?q=%0D", None, "301 /x/y/a%0D%0Ab/?q=%0D"),
        ("/x/y/a?", None, "301 /x/y/a/?"),
        ("/x/y/a", Some("https://evil.com"), "301 /https/evilcom/x/y/a/"),
        ("/x/y/a", Some("//evil.com/.."), "301 /x/y/a/"),
        ("/x/y/a", Some("pre fix\r\n"), "301 /prefix/x/y/a/"),
        ("/%C3%89", None, "301 /%C3%A9"),
    ] {
        let got = ask(&router, "GET", target, prefix);
        assert_eq!(got, expected, "{target} {prefix:?}");
    }
    let mut params = Params::new();
    assert!(matches!(
        router.lookup(b"GET", b"/x/y/a", &mut params),
        Outcome::Redirect { status: 301, mend: Mend::Slash }
    ));
    let mut location = Vec::new();
    params.location(Mend::Slash, b"/x/y/a", None, Some(b"a=\xff\x01<\"'&"), &mut location);
    assert_eq!(location, b"/x/y/a/?a=%ff%01<\"'&");
    let mut body = Vec::new();
    redirect_body(&location, &mut body);
    let expected = "<a href=\"/x/y/a/?a=%ff%01&lt;&#34;&#39;&amp;\">Moved Permanently</a>.\n\n";
    assert_eq!(String::from_utf8_lossy(&body), expected);
}

#[test]
fn conflicts_say_what_gin_says() {
    let mut builder = RouterBuilder::new(Options::default());
    for (route, pattern) in [(1, "/a/:id"), (2, "/a/:id/b"), (3, "/x"), (4, "/d/*rest")] {
        builder.add("GET", pattern, route).expect("no conflict");
    }
    for (pattern, existing, reason) in [
        ("/x", Some(3), "handlers are already registered for path '/x'"),
        ("//x", Some(3), "handlers are already registered for path '/x'"),
        ("/a/:id", Some(1), "handlers are already registered for path '/a/:id'"),
        (
            "/a/:name/c",
            Some(1),
            "':name' in new path '/a/:name/c' conflicts with existing wildcard ':id' in existing prefix '/a/:id'",
        ),
        (
            "/a/:ids",
            Some(1),
            "':ids' in new path '/a/:ids' conflicts with existing wildcard ':id' in existing prefix '/a/:id'",
        ),
        ("/d/*rest", Some(4), "handlers are already registered for path '/d/*rest'"),
        ("/d/x", Some(4), "new path '/d/x' and an existing path meet at a catch-all wildcard"),
        ("/d/:x", Some(4), "new path '/d/:x' and an existing path meet at a catch-all wildcard"),
        ("/d/", Some(4), "new path '/d/' and an existing path meet at a catch-all wildcard"),
        ("/a/*r", Some(1), "new path '/a/*r' and an existing path meet at a catch-all wildcard"),
        ("/*r", Some(1), "new path '/*r' and an existing path meet at a catch-all wildcard"),
        ("/a/:", None, "wildcards must be named with a non-empty name in path '/a/:'"),
    ] {
        let conflict = builder.add("GET", pattern, 9).expect_err(pattern);
        assert_eq!(conflict, Conflict { existing, reason: reason.to_owned() });
    }
    for (route, method, pattern) in
        [(5, "POST", "/x"), (6, "GET", "/d"), (7, "GET", "/a/x:id"), (8, "POST", "/a/:n")]
    {
        assert_eq!(builder.add(method, pattern, route), Ok(()), "{method} {pattern}");
    }
    assert!(builder.add("GET", "/y", 1 << 31).is_err());
    let router = builder.build();
    assert_eq!(ask(&router, "GET", "/a/x1", None), "7 id=1");
    assert_eq!(ask(&router, "GET", "/a/name/c", None), "404", "a refused route is not there");
}

/// Routes as (method, pattern, why gin refused it), requests as (method, target,
/// `X-Forwarded-Prefix`, outcome).
type GinCase = (
    &'static [(&'static str, &'static str, &'static str)],
    &'static [(&'static str, &'static str, &'static str, &'static str)],
);

/// Where we may differ: gin redirects to paths that nothing serves, on the strength of its nodes'
/// shapes, and it forgets branches when it backtracks. A route that it finds we find too, always.
fn is_better(router: &Router, method: &str, prefix: Option<&str>, got: &str, gin: &str) -> bool {
    let redirect = |outcome: &str| {
        let (status, to) = outcome.split_once(' ')?;
        let to = matches!(status, "301" | "307").then_some(to)?;
        let shown = prefix.map(|prefix| format!("/{}", prefix.replace([' ', '.', '/'], "")));
        let bare = shown.and_then(|shown| to.strip_prefix(&shown));
        let bare = bare.map(|bare| if bare.starts_with('/') { bare } else { "/" });
        Some(ask(router, method, bare.unwrap_or(to), None))
    };
    let is_found = |outcome: &str| !outcome.starts_with("404") && !outcome.starts_with("405");
    match (redirect(got), redirect(gin)) {
        _ if redirect(gin).is_none() && is_found(gin) => false,
        (Some(end), _) => is_found(&end) && redirect(&end).is_none(),
        (None, Some(end)) => is_found(got) || !is_found(&end),
        (None, None) => is_found(got) || got.starts_with("405"),
    }
}

#[test]
fn outcomes_of_gins_own_tree() {
    let cases: &[GinCase] = &include!("testdata/gin.in");
    let mut wrong = Vec::new();
    for (routes, requests) in cases {
        let mut builder = RouterBuilder::new(Options::default());
        for (route, (method, pattern, why)) in (0..).zip(*routes) {
            let refused = builder.add(method, pattern, route).err().map(|conflict| conflict.reason);
            let refused = refused.as_deref().unwrap_or_default();
            // Of two reasons gin gives the one that its walk meets first, we the pattern's own.
            let is_invalid = refused.contains("wildcard per") || refused.contains("non-empty name");
            assert!(
                refused == *why || is_invalid && !why.is_empty(),
                "{pattern}: {refused}, {why}"
            );
        }
        let router = builder.build();
        for (method, target, prefix, expected) in *requests {
            let prefix = Some(*prefix).filter(|prefix| !prefix.is_empty());
            let got = ask(&router, method, target, prefix);
            if got != *expected && !is_better(&router, method, prefix, &got, expected) {
                wrong.push(format!(
                    "{routes:?}\n  {method} {target} {prefix:?}: {got}, gin {expected}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// The model: all routes in a list, each tried on its own. Of those that match, the one wins that
/// takes a literal where the other takes a parameter, seen from the left.
fn model(patterns: &[Pattern], path: &[u8]) -> Option<(usize, Vec<Vec<u8>>)> {
    let matching = patterns.iter().enumerate().filter_map(|(route, pattern)| {
        let (mut rest, mut wild_at, mut values) = (path, Vec::new(), Vec::new());
        for piece in &pattern.pieces {
            match piece {
                Piece::Literal(bytes) => rest = rest.strip_prefix(bytes.as_slice())?,
                Piece::Param(_) => {
                    if rest.is_empty() {
                        return None;
                    }
                    wild_at.push(path.len() - rest.len());
                    let len = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
                    values.push(rest[..len].to_vec());
                    rest = &rest[len..];
                }
                Piece::Rest(_) => {
                    let from = path.len() - rest.len() - 1;
                    // Comes after a parameter at the same place.
                    wild_at.extend([from + 1, from + 1]);
                    values.push(path[from..].to_vec());
                    rest = b"";
                }
            }
        }
        rest.is_empty().then_some((wild_at, route, values))
    });
    // The first parameter further right wins; none at all wins over any.
    matching
        .max_by(|(a, ..), (b, ..)| {
            let padded = |at: &Vec<usize>| {
                let mut at = at.clone();
                at.resize(16, usize::MAX);
                at
            };
            padded(a).cmp(&padded(b))
        })
        .map(|(_, route, values)| (route, values))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn finds_what_the_model_finds(
        patterns in prop::collection::vec(
            "(/(a|b|ab|abc|é|:x|:x|:y|a:x|b:y)){1,4}(/|/\\*z)?",
            1..12,
        ),
        paths in prop::collection::vec("(/(a|b|ab|abc|abcd|é|c|)){1,5}/?", 24),
    ) {
        let mut builder = RouterBuilder::new(Options::default());
        let mut kept = Vec::new();
        for pattern in &patterns {
            if builder.add("GET", pattern, kept.len() as u32).is_ok() {
                kept.push(Pattern::parse(pattern).expect("it was taken"));
            }
        }
        let router = builder.build();
        let mut params = Params::new();
        for path in &paths {
            let path = path.as_bytes();
            let expected = model(&kept, path);
            let got = match router.lookup(b"GET", path, &mut params) {
                Outcome::Found { route } => {
                    Some((route as usize, params.values(path).map(<[u8]>::to_vec).collect()))
                }
                Outcome::Redirect { mend, .. } => {
                    let mut location = Vec::new();
                    params.location(mend, path, None, None, &mut location);
                    let location = decoded(&String::from_utf8_lossy(&location));
                    prop_assert!(model(&kept, &location).is_some(), "{location:?} is not served");
                    None
                }
                _ => None,
            };
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn nothing_breaks_it(
        switches in any::<u8>(),
        lines in prop::collection::vec("[/ab:*\\.\\\\%é]{0,12}", 0..8),
        path in prop::collection::vec(any::<u8>(), 0..24),
    ) {
        let mut data = vec![switches];
        for line in &lines {
            data.extend_from_slice(line.as_bytes());
            data.push(b'\n');
        }
        fuzz_router(&[&data[..], b"/", &path].concat());
        fuzz_router(&[&data[..], lines.concat().as_bytes()].concat());
        fuzz_router(&path);
    }
}

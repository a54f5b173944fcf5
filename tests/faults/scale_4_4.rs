//! Large and contradictory configurations (docs/reference/hardening.md 4.4): 30,000 backends start
//! and answer, two routes for one request are refused at their place in the file. How long it takes
//! and how much memory is measured by the load tests.

use crate::invariants::{Profile, Site, honest};
use crate::support::{call, gateway};
use std::fmt::Write as _;

#[test]
fn scale_ten_thousand_endpoints_start_and_answer() {
    const ENDPOINTS: usize = 10_000;
    let hosts: Vec<_> = (0..10).map(|_| honest()).collect();
    let mut builder = Profile::Krakend.gateway();
    for n in 0..ENDPOINTS {
        let host = |at: usize| &hosts[(n + at) % hosts.len()];
        let path = match n % 3 {
            0 => format!("/static/{n}/end"),
            1 => format!("/param/{n}/{{id}}"),
            _ => format!("/deep/{}/{}/{n}", n % 7, n % 101),
        };
        builder = builder
            .endpoint(
                &path,
                [
                    call(host(0), &format!("/one/{n}")),
                    call(host(1), &format!("/two/{n}")).group("two"),
                    call(host(2), &format!("/three/{n}")).group("three"),
                ],
            )
            .input_query_strings(&["id"]);
    }
    let mut site = Site::start(builder);
    for n in (0..ENDPOINTS).step_by(997).chain([ENDPOINTS - 1]) {
        let path = match n % 3 {
            0 => format!("/static/{n}/end"),
            1 => format!("/param/{n}/x"),
            _ => format!("/deep/{}/{}/{n}", n % 7, n % 101),
        };
        let id = site.next_id();
        let one = format!(r#"{{"id":"{id}"}}"#);
        site.get(&format!("{path}?id={id}"))
            .status(200)
            .completed(true)
            .body(format!(r#"{{"id":"{id}","two":{one},"three":{one}}}"#));
        let seen: Vec<_> = hosts.iter().flat_map(|host| host.take()).collect();
        let mut paths: Vec<_> = seen.iter().map(|request| request.path().to_owned()).collect();
        paths.sort();
        assert_eq!(paths, [format!("/one/{n}"), format!("/three/{n}"), format!("/two/{n}")]);
    }
    site.get("/static/1/end").status(404);
    site.get("/param/10001/x").status(404);
    site.settled();
}

/// A file whose endpoints stand one a line, from line 3 on.
fn endpoints(routes: &[(&str, &str)]) -> String {
    let mut text = "{\"version\": 3, \"host\": [\"http://a\"],\n\"endpoints\": [\n".to_owned();
    for (n, (method, path)) in routes.iter().enumerate() {
        let comma = if n + 1 < routes.len() { "," } else { "" };
        let _ = writeln!(
            text,
            "{{\"endpoint\": \"{path}\", \"method\": \"{method}\", \
             \"backend\": [{{\"url_pattern\": \"/b\"}}]}}{comma}"
        );
    }
    text.push_str("]}\n");
    text
}

#[test]
fn scale_conflicting_routes_are_refused_at_their_place() {
    // Line of the problem, and of the route that it conflicts with; 0: wildcards are refused for
    // themselves, before anybody asks what they are in the way of.
    for (what, routes, at, other) in [
        ("the same twice", vec![("GET", "/a"), ("GET", "/a")], 4, 3),
        ("names of one place", vec![("GET", "/u/{a}"), ("GET", "/u/{b}")], 4, 3),
        ("names further down", vec![("GET", "/u/{a}/x"), ("GET", "/u/{b}/y")], 4, 3),
        ("the same with names", vec![("GET", "/u/{a}"), ("POST", "/x"), ("GET", "/u/{a}")], 5, 3),
        ("a wildcard beside a name", vec![("GET", "/u/{a}"), ("GET", "/u/*")], 4, 0),
        ("a wildcard beside a word", vec![("GET", "/u/word"), ("GET", "/u/*")], 4, 0),
        ("two wildcards", vec![("GET", "/u/*"), ("GET", "/u/*")], 3, 0),
    ] {
        for profile in ["krakend", "safe"] {
            let text = endpoints(&routes).replacen(
                "\"version\": 3,",
                &format!(
                    "\"version\": 3, \"extra_config\": {{\"ringway\": {{\"profile\": \
                     \"{profile}\"}}}},"
                ),
                1,
            );
            let builder = || gateway().text("gateway.json", text.clone());
            let checked = builder().check(&[]);
            checked.code(1).says(&format!("gateway.json:{at}:"));
            let place = format!("{other}:");
            let says_other = other == 0 || checked.stderr.contains(&place);
            assert!(says_other, "{what}: where the other is\n{checked}");
            assert!(checked.stderr.contains("endpoints["), "{what}: {checked}");
            // `run` refuses what `check` refuses.
            builder().refused().says(&format!("gateway.json:{at}:"));
        }
    }
    // Other methods are other routes, and a word beside a name is none.
    for routes in [
        vec![("GET", "/a"), ("POST", "/a")],
        vec![("GET", "/u/{a}"), ("GET", "/u/word")],
        vec![("GET", "/u/{a}"), ("POST", "/u/{b}")],
    ] {
        gateway().text("gateway.json", endpoints(&routes)).check(&[]).code(0);
    }
}

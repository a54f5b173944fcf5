//! Parameters of the path in the path, the query and the text of errors of a backend call.

use crate::both_drivers;
use crate::support::{backend, call, echo, gateway};

both_drivers! {
    a_value_is_encoded_for_its_place,
    a_value_is_not_read_as_a_pattern,
    literal_before_parameter,
}

fn a_value_is_encoded_for_its_place() {
    let peer = backend().on("/e/*", echo()).on("/q", echo());
    let gw = gateway()
        .endpoint("/a/{x}", [call(&peer, "/e/{x}")])
        .endpoint("/b/{x}/{y}", [call(&peer, "/e/{y}/{x}/{y}")])
        .endpoint("/mid/{x}/end", [call(&peer, "/e/pre-{x}-post")])
        .endpoint("/q/{x}", [call(&peer, "/q?x={x}&fixed=1")])
        .start();
    for (sent, seen) in [
        ("/a/1", "/e/1"),
        ("/a/hello%20world", "/e/hello%20world"),
        ("/a/caf%C3%A9", "/e/caf%C3%A9"),
        ("/a/a%2Bb", "/e/a+b"),
        ("/a/a;b=c", "/e/a;b=c"),
        ("/a/a%5Cb", "/e/a%5Cb"),
        ("/a/%5B1%5D", "/e/[1]"),
        ("/b/1/2", "/e/2/1/2"),
        ("/mid/7/end", "/e/pre-7-post"),
        // Decided: escaped, so that a value adds no parameter of its own.
        ("/q/abc", "/q?x=abc&fixed=1"),
        ("/q/a%26b%3D1", "/q?x=a%26b%3D1&fixed=1"),
        ("/q/a%2Bb", "/q?x=a%2Bb&fixed=1"),
        ("/q/a%20b", "/q?x=a+b&fixed=1"),
        ("/q/caf%C3%A9", "/q?x=caf%C3%A9&fixed=1"),
    ] {
        gw.get(sent).status(200);
        assert_eq!(peer.take().remove(0).target, seen, "{sent}");
    }
}

fn a_value_is_not_read_as_a_pattern() {
    let peer = backend().on("/e/*", echo());
    let gw = gateway().endpoint("/b/{x}/{y}", [call(&peer, "/e/{x}/{y}")]).start();
    gw.get("/b/%7B%7B.Y%7D%7D/2").status(200);
    assert_eq!(peer.request().target, "/e/%7B%7B.Y%7D%7D/2");
}

fn literal_before_parameter() {
    let peer = backend().on("/e/*", echo());
    let gw = gateway()
        .endpoint("/l/x", [call(&peer, "/e/literal")])
        .endpoint("/l/{x}", [call(&peer, "/e/param/{x}")])
        .endpoint("/l/{x}/sub", [call(&peer, "/e/sub/{x}")])
        .start();
    for (sent, seen) in [("/l/x", "/e/literal"), ("/l/y", "/e/param/y"), ("/l/x/sub", "/e/sub/x")] {
        gw.get(sent).status(200);
        assert_eq!(peer.take().remove(0).target, seen, "{sent}");
    }
}

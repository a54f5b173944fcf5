//! The command line: what it accepts, where it writes, how it exits.

use crate::support::{backend, call, gateway, json, ringway};
use std::net::TcpListener;

#[test]
fn version_and_help() {
    let found = ringway(&["version"]);
    found.code(0).prints(env!("CARGO_PKG_VERSION"));
    assert!(found.stderr.is_empty(), "{found}");
    ringway(&["--version"]).code(0).prints(env!("CARGO_PKG_VERSION"));
    let help = ringway(&["--help"]);
    help.code(0).prints("run").prints("check");
    ringway(&["no-such-command"]).failed();
    ringway(&["run", "--no-such-flag"]).failed();
}

#[test]
fn a_good_file() {
    let peer = backend().on("/a", "{}");
    let builder = gateway().endpoint("/a", [&peer]);
    builder.check(&[]).code(0).says("Syntax OK!");
    builder.start().get("/a").status(200);
}

#[test]
fn a_file_that_is_not_there() {
    ringway(&["check", "-c", "no-such-file.json"]).failed().says("no-such-file.json");
    ringway(&["run", "-c", "no-such-file.json"]).failed().says("no-such-file.json");
}

/// Each of these is refused by `check` and by `run`, and both say where and why.
#[test]
fn check_and_run_refuse_the_same() {
    let peer = backend().on("/a", "{}");
    let host = peer.host();
    let endpoint = |more: &str| {
        format!(
            "{{\"version\":3,\"port\":$PORT,\"listen_ip\":\"127.0.0.1\",\"endpoints\":[\
             {{\"endpoint\":\"/a\",\"backend\":[{{\"url_pattern\":\"/a\",\"host\":[\"{host}\"]}}]{more}}}]}}"
        )
    };
    let two = |one: &str, other: &str| {
        let backend = format!("\"backend\":[{{\"url_pattern\":\"/a\",\"host\":[\"{host}\"]}}]");
        format!(
            "{{\"version\":3,\"port\":$PORT,\"endpoints\":[{{\"endpoint\":\"{one}\",{backend}}},\
             {{\"endpoint\":\"{other}\",{backend}}}]}}"
        )
    };
    for (what, text, said) in [
        ("broken JSON", "{\"version\": 3, \"endpoints\": [".to_owned(), "krakend.json:1:"),
        ("another version", "{\"version\":2,\"port\":$PORT}".into(), "version"),
        ("a duration without a unit", endpoint(",\"timeout\":\"2 s\""), "endpoints[0].timeout"),
        (
            "no backend",
            "{\"version\":3,\"endpoints\":[{\"endpoint\":\"/a\",\"backend\":[]}]}".into(),
            "backend",
        ),
        ("the same route twice", two("/a", "/a"), "/a"),
        ("two names for one parameter", two("/a/{x}", "/a/{y}"), "{y}"),
        (
            "an unknown parameter",
            two("/a/{x}", "/b/{x}").replace("\"/a\",\"host\"", "\"/{nope}\",\"host\""),
            "nope",
        ),
        ("a reserved path", two("/__debug/x", "/b"), "__debug"),
        (
            "a protection that is not built",
            endpoint(",\"extra_config\":{\"plugin/req-resp-modifier\":{\"name\":[\"x\"]}}"),
            "plugin/req-resp-modifier",
        ),
        ("a bad address", endpoint("").replace("127.0.0.1", "localhost.example"), "listen_ip"),
    ] {
        // The backend's own address changes with the listen address: only the file's text counts.
        let builder = gateway().text("krakend.json", text.clone());
        let checked = builder.check(&[]);
        assert!(
            checked.status.code().is_some_and(|code| code != 0),
            "check accepts {what}\n{checked}"
        );
        checked.says(said);
        builder.refused().failed().says(said);
    }
}

#[test]
fn all_problems_at_once_with_their_places() {
    let text = "{\n  \"version\": 3,\n  \"timeout\": \"soon\",\n  \"endpoints\": [\n    \
                {\"endpoint\": \"/a\", \"timeout\": \"later\", \"backend\": []}\n  ]\n}\n";
    let found = gateway().text("krakend.json", text).check(&[]);
    found
        .failed()
        .says("krakend.json:3:")
        .says("krakend.json:5:")
        .says("\"soon\"")
        .says("\"later\"");
    assert!(found.stdout.is_empty(), "problems go to stderr: {found}");
}

#[test]
fn unknown_keys_warn_and_strict_refuses() {
    let peer = backend().on("/a", "{}");
    let builder = gateway().endpoint("/a", [call(&peer, "/a").key("url_patern", "/b")]);
    builder.check(&[]).code(0).says("url_patern").says("url_pattern");
    builder.check(&["--strict"]).failed().says("url_patern");
    builder.start().get("/a").status(200);
    let commented =
        gateway().endpoint("/a", [&peer]).key("_note", "x").key("@x", 1).key("$y", 1).key("#z", 1);
    let found = commented.check(&["--strict"]);
    found.code(0);
    assert!(!found.stderr.contains("warning"), "{found}");
}

#[test]
fn the_port_of_the_command_line_wins() {
    let peer = backend().on("/a", "{}");
    let port = crate::support::ports::free_port();
    let builder = gateway().service("port", 1).endpoint("/a", [&peer]);
    let number = builder.port().to_string();
    let gw = builder.argument("-p").argument(&number).start();
    gw.get("/a").status(200);
    drop(port);
}

#[test]
fn a_busy_port_is_an_error() {
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = busy.local_addr().expect("an address").port();
    let found = gateway().service("port", port).refused();
    found.failed().says(&port.to_string());
}

#[test]
fn nothing_but_the_log_goes_to_the_streams() {
    let peer = backend().on("/a", "{}");
    let gw = gateway().router("disable_access_log", true).endpoint("/a", [&peer]).start();
    gw.get("/a").status(200);
    assert!(!gw.log().contains("panicked"), "{}", gw.log());
    gw.stop();
}

#[test]
fn init_writes_a_file_that_check_accepts() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("gateway.json");
    let made = ringway(&["init", file.to_str().expect("a path")]);
    made.code(0);
    let text = std::fs::read_to_string(&file).expect("the file");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["extra_config"]["ringway"]["profile"], json!("safe"));
    ringway(&["check", "--strict", "-c", file.to_str().expect("a path")]).code(0);
}

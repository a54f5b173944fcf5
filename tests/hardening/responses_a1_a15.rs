//! The same rules for what backends send: rows A1 to A5, A9 to A13 and A15 of
//! docs/reference/hardening.md in the other direction. A bad response is the failure of its own
//! request (500 in the profile `krakend`, 502 in `safe`, the metric's label tells the case), nothing
//! of it is shown, its connection serves nobody else, and the next answer is its own.

use crate::both_drivers;
use crate::stage::{PROFILES, Stage};
use crate::support::config::GatewayBuilder;
use crate::support::{Answer, Backend, End, Step, answer, call, ms};

both_drivers! {
    a1_responses_with_two_framings,
    a2_responses_with_lenient_lengths,
    a3_responses_with_empty_names,
    a4_responses_with_obfuscated_codings,
    a5_responses_of_http_10,
    a9_chunk_lines_of_responses,
    a10_chunk_sizes_of_responses,
    a11_responses_of_more_framing_than_content,
    a12_trailers_of_responses,
    a13_lenient_lines_of_responses,
    a14_nominations_of_responses,
    a15_bytes_behind_a_response,
    a15_bytes_behind_a_response_over_tls,
    a15_content_where_none_belongs,
    a15_responses_cut_short,
    a15_floods_of_interim_responses,
    a15_no_splitting_of_responses,
}

/// `/json` decodes and `/stream` streams what the backend has at `/bad`.
fn bad_endpoints(builder: GatewayBuilder, peer: &Backend) -> GatewayBuilder {
    builder
        .endpoint("/json", [call(peer, "/bad")])
        .endpoint("/stream", [call(peer, "/bad")])
        .noop()
        .ringway("stream_idle", "2s")
}

/// Whose request a bad response fails, and what the metric calls it.
struct Judge {
    profile: &'static str,
    stage: Stage,
    status: u16,
}

impl Judge {
    fn new(profile: &'static str) -> Judge {
        let stage = Stage::with(|builder, peer| {
            let builder = bad_endpoints(builder, peer);
            if profile == "safe" { builder.ringway("profile", "safe") } else { builder }
        });
        Judge { profile, stage, status: if profile == "safe" { 502 } else { 500 } }
    }

    /// Both endpoints fail, the streaming one visibly where its head was good; the label tells why.
    #[track_caller]
    fn fails(&self, what: &str, label: &str, steps: Vec<Step>) {
        let Judge { profile, stage, status } = self;
        let label = format!("outcome=\"{label}\"");
        stage.peer.set("/bad", [Answer::steps_are(steps)]);
        let count = || stage.gw.metrics().sum("ringway_backend_calls_total", &[&label]);
        let before = count();
        let found = stage.gw.get("/json");
        let said = format!("{what}, {profile}");
        assert!(found.code == *status && found.bytes.is_empty(), "{said}: {found}");
        found.completed(false).ended();
        let counted = count() - before;
        assert!(counted > 0.5, "{said}: not counted as {label}: {}", stage.gw.log());
        self.is_not_reused(&said);
        let found = stage.gw.get("/stream");
        if found.code == *status {
            assert!(found.bytes.is_empty(), "{said}, streamed: {found}");
            found.ended();
        } else {
            assert!(
                found.code == 200 && matches!(found.end, End::Cut | End::Reset),
                "{said}, streamed: {found}"
            );
        }
        self.is_not_reused(&said);
    }

    /// The response is fine for both endpoints, or for the streaming one as this content.
    #[track_caller]
    fn gives(&self, what: &str, steps: Vec<Step>, content: &str, is_reused: bool) {
        let Judge { profile, stage, .. } = self;
        let said = format!("{what}, {profile}");
        for path in ["/json", "/stream"] {
            stage.peer.set("/bad", [Answer::steps_are(steps.clone())]);
            let found = stage.gw.get(path);
            assert!(found.code == 200 && found.bytes == content.as_bytes(), "{said}: {found}");
            found.ended();
            if is_reused {
                stage.canary();
                stage.peer.take();
            } else {
                self.is_not_reused(&said);
            }
        }
    }

    /// The connection of the last bad response serves no other request.
    #[track_caller]
    fn is_not_reused(&self, said: &str) {
        let bad: Vec<_> = self.stage.peer.take();
        let used: Vec<_> =
            bad.iter().filter(|r| r.target == "/bad").map(|r| r.connection).collect();
        self.stage.canary();
        self.stage.canary();
        let next = self.stage.peer.take();
        assert!(
            next.iter().all(|request| !used.contains(&request.connection)),
            "{said}: the connection was used again"
        );
    }
}

fn send(bytes: impl Into<Vec<u8>>) -> Vec<Step> {
    vec![Step::Send(bytes.into())]
}

fn head(lines: &str, rest: &str) -> Vec<Step> {
    send(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lines}\r\n{rest}"))
}

/// In both profiles: each of these heads fails as `backend_bad_head`.
#[track_caller]
fn bad_heads(cases: &[(&str, &str)]) {
    for profile in PROFILES {
        let judge = Judge::new(profile);
        for (what, lines) in cases {
            let bytes = format!("HTTP/1.1 200 OK\r\n{lines}\r\n{{}}");
            judge.fails(what, "backend_bad_head", send(bytes));
        }
    }
}

/// In both profiles: each of these chunked contents fails as `backend_bad_chunk`.
#[track_caller]
fn bad_chunks(cases: &[(&str, &str)]) {
    for profile in PROFILES {
        let judge = Judge::new(profile);
        for (what, body) in cases {
            judge.fails(what, "backend_bad_chunk", head("Transfer-Encoding: chunked\r\n", body));
        }
    }
}

fn a1_responses_with_two_framings() {
    bad_heads(&[
        ("length first", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
        ("coding first", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"),
        ("no length at all", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        (
            "nominated",
            "Connection: Content-Length\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        ),
    ]);
}

fn a2_responses_with_lenient_lengths() {
    bad_heads(&[
        ("two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n"),
        ("two in one line", "Content-Length: 2, 3\r\n"),
        ("the same twice in one line", "Content-Length: 2,2\r\n"),
        ("a plus", "Content-Length: +2\r\n"),
        ("a minus", "Content-Length: -1\r\n"),
        ("a prefix", "Content-Length: 0x2\r\n"),
        ("an underscore", "Content-Length: 0_2\r\n"),
        ("a blank inside", "Content-Length: 2 2\r\n"),
        ("nothing", "Content-Length:\r\n"),
        ("over 64 bits", "Content-Length: 18446744073709551618\r\n"),
    ]);
    let judge = Judge::new("krakend");
    judge.gives("02", head("Content-Length: 02\r\n", "{}"), "{}", true);
    // Go reads several equal lines as one (RFC 9110 section 8.6), so backends with them work.
    let twice = head("Content-Length: 2\r\nContent-Length: 2\r\n", "{}");
    judge.gives("the same length twice", twice, "{}", true);
}

fn a3_responses_with_empty_names() {
    bad_heads(&[
        ("before the length", ": x\r\nContent-Length: 2\r\n"),
        ("after the length", "Content-Length: 2\r\n: x\r\n"),
        ("no colon", "nothing\r\nContent-Length: 2\r\n"),
    ]);
}

fn a4_responses_with_obfuscated_codings() {
    bad_heads(&[
        ("a vertical tab", "Transfer-Encoding:\x0bchunked\r\n"),
        ("a blank before the colon", "Transfer-Encoding : chunked\r\n"),
        ("xchunked", "Transfer-Encoding: xchunked\r\n"),
        ("chunked, identity", "Transfer-Encoding: chunked, identity\r\n"),
        ("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("nothing", "Transfer-Encoding:\r\n"),
        ("a NUL", "Transfer-Encoding: chunked\0\r\n"),
        ("folded", "Transfer-Encoding:\r\n chunked\r\n"),
        ("two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    ]);
}

fn a5_responses_of_http_10() {
    for profile in PROFILES {
        let judge = Judge::new(profile);
        let old = |lines: &str, rest: &str| format!("HTTP/1.0 200 OK\r\n{lines}\r\n{rest}");
        let chunked = old("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n");
        judge.fails("chunks", "backend_bad_head", send(chunked));
        // A response, unlike a request, may last until the end of its connection.
        let open = vec![Step::Send(old("", "{}").into_bytes()), Step::Close];
        judge.gives("until the end", open, "{}", false);
        let whole = send(old("Content-Length: 2\r\n", "{}"));
        judge.gives("a connection that 1.0 does not keep", whole, "{}", false);
    }
}

fn a9_chunk_lines_of_responses() {
    bad_chunks(&[
        ("a bare line feed behind the size", "2\n{}\r\n0\r\n\r\n"),
        ("a line feed in an extension", "2;\nxx\r\n{}\r\n0\r\n\r\n"),
        ("a line feed in quotes", "2;a=\"\n\"\r\n{}\r\n0\r\n\r\n"),
        ("two other bytes behind the data", "2\r\n{}XX0\r\n\r\n"),
        ("a bare line feed behind the data", "2\r\n{}\n0\r\n\r\n"),
        ("a NUL in an extension", "2;\0ext\r\n{}\r\n0\r\n\r\n"),
        ("an extension without a name", "2;\r\n{}\r\n0\r\n\r\n"),
        ("only line feeds", "0\n\n"),
        ("a line feed behind the last chunk", "2\r\n{}\r\n0\r\n\n"),
        ("a bare CR at the end", "2\r\n{}\r\n0\r\n\rX"),
    ]);
    let judge = Judge::new("krakend");
    let whole = head("Transfer-Encoding: chunked\r\n", "2;a=\"b\";c\r\n{}\r\n0;d=e\r\n\r\n");
    judge.gives("extensions", whole, "{}", true);
}

fn a10_chunk_sizes_of_responses() {
    bad_chunks(&[
        ("an overflow", "FFFFFFFFFFFFFFFF1\r\n{}\r\n0\r\n\r\n"),
        ("17 digits", "00000000000000002\r\n{}\r\n0\r\n\r\n"),
        ("a prefix", "0x2\r\n{}\r\n0\r\n\r\n"),
        ("a plus", "+2\r\n{}\r\n0\r\n\r\n"),
        ("an underscore", "0_2\r\n{}\r\n0\r\n\r\n"),
        ("a blank before", " 2\r\n{}\r\n0\r\n\r\n"),
        ("a blank behind", "2 \r\n{}\r\n0\r\n\r\n"),
        ("nothing", "\r\n{}\r\n0\r\n\r\n"),
    ]);
}

fn a11_responses_of_more_framing_than_content() {
    for profile in PROFILES {
        let judge = Judge::new(profile);
        for (what, extension) in [("4 KiB a byte", 4096), ("a line within the limit", 250)] {
            let chunk = format!("1;{}\r\n \r\n", "a".repeat(extension)).into_bytes();
            let mut steps = head("Transfer-Encoding: chunked\r\n", "");
            steps.push(Step::SendTimes(chunk, 10_000));
            judge.fails(what, "backend_bad_chunk", steps);
        }
    }
}

fn a12_trailers_of_responses() {
    bad_chunks(&[
        ("no colon", "2\r\n{}\r\n0\r\nnothing\r\n\r\n"),
        ("folded", "2\r\n{}\r\n0\r\nX: a\r\n b\r\n\r\n"),
        ("a bare line feed", "2\r\n{}\r\n0\r\nX: a\nY: b\r\n\r\n"),
        ("33 fields", &format!("2\r\n{{}}\r\n0\r\n{}\r\n", "X: a\r\n".repeat(33))),
        ("over 8 KiB", &format!("2\r\n{{}}\r\n0\r\nX: {}\r\n\r\n", "a".repeat(8 * 1024))),
    ]);
    let judge = Judge::new("krakend");
    let trailers = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\n\
                    Authorization: x\r\nHost: y\r\nX-Own: z\r\nGrpc-Status: 0\r\n";
    let steps =
        head("Transfer-Encoding: chunked\r\n", &format!("2\r\n{{}}\r\n0\r\n{trailers}\r\n"));
    judge.gives("trailers that end here", steps, "{}", true);
    let found = judge.stage.gw.get("/stream");
    assert_eq!(found.trailers, [("Grpc-Status".to_owned(), "0".to_owned())]);
    for name in ["set-cookie", "authorization", "host", "x-own", "grpc-status"] {
        found.no_header(name);
    }
}

fn a13_lenient_lines_of_responses() {
    bad_heads(&[
        ("a blank before the colon", "X : a\r\nContent-Length: 2\r\n"),
        ("a bare CR", "X: a\r b\r\nContent-Length: 2\r\n"),
        ("a NUL", "X: a\0b\r\nContent-Length: 2\r\n"),
        ("a folded line", "X: a\r\n b\r\nContent-Length: 2\r\n"),
        ("a bare line feed", "X: a\nContent-Length: 2\r\n"),
        ("a DEL", "X: a\x7f\r\nContent-Length: 2\r\n"),
    ]);
    for profile in PROFILES {
        let judge = Judge::new(profile);
        for (what, bytes) in [
            ("a head ended by CR and a letter", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\rX{}"),
            ("line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"),
            ("an empty line before", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
            ("a control byte in the reason", "HTTP/1.1 200 O\x0bK\r\nContent-Length: 2\r\n\r\n{}"),
            ("a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}"),
            ("a signed status", "HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\n{}"),
            ("a tab for a blank", "HTTP/1.1\t200 OK\r\nContent-Length: 2\r\n\r\n{}"),
            ("two blanks", "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\n{}"),
            ("another version", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
            ("HTTP/2 in text", "HTTP/2 200\r\nContent-Length: 2\r\n\r\n{}"),
        ] {
            judge.fails(what, "backend_bad_head", send(bytes));
        }
    }
}

fn a14_nominations_of_responses() {
    let judge = Judge::new("krakend");
    let lines = "Connection: Content-Length, Content-Type, Content-Encoding, Set-Cookie, X-Gone\r\n\
                 Content-Length: 2\r\nSet-Cookie: a=b\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\n\
                 Upgrade: h2c\r\nProxy-Authenticate: p\r\nTrailer: X-T\r\n";
    judge.stage.peer.set("/bad", [Answer::steps_are(head(lines, "{}"))]);
    let found = judge.stage.gw.get("/stream");
    found.status(200).header("content-length", "2").header("set-cookie", "a=b").body("{}");
    found.header("content-type", "application/json");
    for name in ["x-gone", "connection", "keep-alive", "upgrade", "proxy-authenticate", "trailer"] {
        found.no_header(name);
    }
    judge.stage.canary();
}

/// Response-queue poisoning: bytes behind a response are nobody's answer, whether they come with it
/// or after it, and however soon the connection is needed again.
fn a15_bytes_behind_a_response() {
    for profile in PROFILES {
        bytes_behind(&Judge::new(profile));
    }
}

/// The same inside a session: what is decrypted already and what is not.
fn a15_bytes_behind_a_response_over_tls() {
    let stage = Stage::over_tls(bad_endpoints);
    bytes_behind(&Judge { profile: "krakend", stage, status: 500 });
}

fn bytes_behind(judge: &Judge) {
    let typed = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let stolen = format!("{typed}Content-Length: 12\r\n\r\n{{\"stolen\":1}}");
    let whole = format!("{typed}Content-Length: 2\r\n\r\n{{}}");
    let chunked = format!("{typed}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    for (framing, response) in [("a length", whole), ("chunks", chunked)] {
        for (what, surplus) in [
            ("a response", &*stolen),
            ("one byte", "X"),
            ("an empty line", "\r\n"),
            ("half a head", "HTTP/1.1 200 OK\r\nContent-"),
            ("an interim response", "HTTP/1.1 103 Early Hints\r\n\r\n"),
        ] {
            let said = format!("{what} behind {framing}");
            judge.gives(&said, send(format!("{response}{surplus}")), "{}", false);
            let pieces = vec![
                Step::Send(response.as_bytes().to_vec()),
                Step::Wait(ms(3)),
                Step::Send(surplus.as_bytes().to_vec()),
            ];
            judge.later(&format!("{said}, later"), pieces);
        }
    }
}

impl Judge {
    /// The surplus comes when the answer is out already, and is there before the connection is
    /// needed again: no canary gets what is not its own.
    #[track_caller]
    fn later(&self, said: &str, steps: Vec<Step>) {
        for path in ["/json", "/stream"] {
            let found = self.stage.answer_all("/bad", steps.clone(), path);
            assert!(found.code == 200 && found.bytes == b"{}", "{said}: {found}");
            self.stage.canary();
            self.stage.canary();
        }
        self.stage.peer.take();
    }
}

fn a15_content_where_none_belongs() {
    let stage = Stage::with(|builder, peer| {
        builder
            .endpoint("/stream", [call(peer, "/bad")])
            .noop()
            .endpoint("/head", [call(peer, "/bad").method("HEAD")])
            .noop()
    });
    let stolen = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\"stolen\"";
    for (what, path, response) in [
        ("204", "/stream", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("204 with a length", "/stream", "HTTP/1.1 204 No Content\r\nContent-Length: 49\r\n\r\n"),
        ("304", "/stream", "HTTP/1.1 304 Not Modified\r\nContent-Length: 49\r\n\r\n"),
        ("HEAD", "/head", "HTTP/1.1 200 OK\r\nContent-Length: 49\r\n\r\n"),
        ("HEAD, chunked", "/head", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("no content", "/stream", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        for steps in [
            send(format!("{response}{stolen}")),
            vec![
                Step::Send(response.as_bytes().to_vec()),
                Step::Wait(ms(3)),
                Step::Send(stolen.as_bytes().to_vec()),
            ],
        ] {
            let found = stage.answer_all("/bad", steps, path);
            assert!(found.code < 400 && found.bytes.is_empty(), "{what}: {found}");
            found.ended();
            stage.canary();
            stage.canary();
        }
    }
}

fn a15_responses_cut_short() {
    for profile in PROFILES {
        let judge = Judge::new(profile);
        let cut = |bytes: &str| vec![Step::Send(bytes.as_bytes().to_vec()), Step::Close];
        judge.fails("at once", "backend_closed", vec![Step::Close]);
        judge.fails("in the status line", "backend_truncated", cut("HTTP/1.1 20"));
        judge.fails("in the head", "backend_truncated", cut("HTTP/1.1 200 OK\r\nContent-Le"));
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}";
        judge.fails("in the content", "backend_truncated", cut(length));
        let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n";
        judge.fails("before the last chunk", "backend_truncated", cut(chunk));
        judge.fails("in the last chunk", "backend_truncated", cut(&format!("{chunk}0\r\n")));
    }
}

fn a15_floods_of_interim_responses() {
    for profile in PROFILES {
        let judge = Judge::new(profile);
        let label = "backend_bad_interim";
        let hint = b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec();
        judge.fails("10^6 times 103", label, vec![Step::SendTimes(hint.clone(), 1_000_000)]);
        let mut steps = vec![Step::SendTimes(hint.clone(), 17)];
        steps.extend(head("Content-Length: 2\r\n", "{}"));
        judge.fails("17 times 103", label, steps);
        let large = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "a".repeat(15_000));
        let mut steps = vec![Step::SendTimes(large.clone().into_bytes(), 5)];
        steps.extend(head("Content-Length: 2\r\n", "{}"));
        judge.fails("over 64 KiB of them", label, steps);
        let mut steps = vec![Step::SendTimes(hint, 16)];
        steps.extend(head("Content-Length: 2\r\n", "{}"));
        judge.gives("16 times 103", steps, "{}", true);
    }
}

/// What a backend says ends up in fields of ours only as values that were parsed.
fn a15_no_splitting_of_responses() {
    let judge = Judge::new("krakend");
    for value in [
        "%0d%0aX-Injected: 1",
        "\\r\\nX-Injected: 1",
        // What some fold to the line ends that its low bytes are.
        "\u{8d}\u{8a}X-Injected: 1",
        "\"a\\\"",
    ] {
        let answer = answer(200).header("X-Own", value).body("{}");
        judge.stage.peer.set("/bad", [answer]);
        let found = judge.stage.gw.get("/stream");
        found.status(200).header("x-own", value).no_header("x-injected").body("{}");
        judge.stage.canary();
    }
}

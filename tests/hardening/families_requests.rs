//! Families of requests, generated one by one: every control byte before, after and inside each
//! framing name and value; every split over two packets; pipelined pairs; single bytes changed.
//! For each of these thousands of connections the judge says which messages its bytes are, and
//! exactly those must reach the backend, written anew; what is none is refused, and the connection
//! ends. A canary follows each input.

use crate::both_drivers;
use crate::judge::{self, End, Message, Reading};
use crate::stage::{REJECTED, Stage, canonical};
use crate::support::wire::position;
use crate::support::{Connection, Recorded, escaped};
use std::collections::{HashMap, HashSet};

both_drivers! {
    a4_control_bytes_around_framing_fields,
    a10_control_bytes_around_chunk_lines,
    a13_control_bytes_around_request_lines,
    a9_every_split_over_two_packets,
    a18_pipelined_pairs,
    a13_single_bytes_changed,
}

/// One connection of a client.
struct Probe {
    what: String,
    bytes: Vec<u8>,
    /// Where the first packet ends.
    split: Option<usize>,
}

/// All control bytes, the blank, bytes over 0x7f, and what separates things.
const BYTES: &[u8] =
    b"\0\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14\
    \x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f \x80\x85\xa0\xff,;:=\"'";

/// Inputs of which each is interesting in one way; `@` is the target's own part. The last of the
/// text is always a request of its own: what a desync would answer to the wrong one.
fn corpus() -> Vec<(&'static str, String)> {
    let head = "POST /f/@ HTTP/1.1\r\nHost: gw\r\nX-Probe: p\r\n";
    let tail = "X-Tail: t\r\n";
    let next = "GET /f/@n HTTP/1.1\r\nHost: gw\r\n\r\n";
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    [
        ("no content", format!("GET /f/@ HTTP/1.1\r\nHost: gw\r\n{tail}\r\n")),
        ("a length", format!("{head}Content-Length: 5\r\n{tail}\r\nhello")),
        ("length 0", format!("{head}Content-Length: 0\r\n{tail}\r\n")),
        ("chunks", format!("{head}Transfer-Encoding: chunked\r\n{tail}\r\n{chunks}")),
        (
            "chunks with everything",
            format!("{head}Transfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\na;b=\"c;\\\"\"\r\n0123456789\r\n00;d=e\r\nX-T: u\r\n\r\n"),
        ),
        ("empty lines before", format!("\r\n\r\n{head}Content-Length: 5\r\n\r\nhello")),
        ("an expectation", format!("{head}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")),
        ("HTTP/1.0", "POST /f/@ HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello".into()),
        (
            "HTTP/1.0, kept",
            "POST /f/@ HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello".into(),
        ),
        ("the last", format!("{head}Connection: close\r\nContent-Length: 5\r\n\r\nhello")),
        ("an upgrade", "GET /f/@ HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".into()),
        ("both framings", format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")),
        ("both, turned", format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{chunks}")),
        ("two lengths", format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello")),
        ("two codings", format!("{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")),
        ("a list of codings", format!("{head}Transfer-Encoding: identity, chunked\r\n\r\n{chunks}")),
        ("a signed length", format!("{head}Content-Length: +5\r\n\r\nhello")),
        ("chunks in 1.0", format!("POST /f/@ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")),
        ("an upgrade with content", format!("{head}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello")),
        ("folded", format!("{head}Transfer-Encoding:\r\n chunked\r\n\r\n{chunks}")),
        ("a blank before the colon", format!("{head}Content-Length : 5\r\n\r\nhello")),
        ("an empty name", format!("{head}: x\r\nContent-Length: 5\r\n\r\nhello")),
        ("a bare line feed", format!("{head}X: y\nContent-Length: 5\r\n\r\nhello")),
        ("a bare CR", format!("{head}X: y\rContent-Length: 5\r\n\r\nhello")),
        ("a NUL", format!("{head}X: \0\r\nContent-Length: 5\r\n\r\nhello")),
        ("no Host", "POST /f/@ HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello".into()),
        ("two Hosts", format!("{head}Host: gw\r\nContent-Length: 5\r\n\r\nhello")),
        ("another expectation", format!("{head}Expect: y\r\nContent-Length: 5\r\n\r\nhello")),
        ("another version", "GET /f/@ HTTP/1.2\r\nHost: gw\r\n\r\n".into()),
        ("bytes behind a chunk", format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n")),
        ("a bare line feed behind a size", format!("{head}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n")),
        ("a signed size", format!("{head}Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n")),
        ("no size", format!("{head}Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n")),
        ("a bad trailer", format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n")),
    ]
    .into_iter()
    .map(|(what, bytes)| (what, format!("{bytes}{next}")))
    .collect()
}

struct Family<'a> {
    stage: &'a Stage,
    /// Targets of which the backend may show half a message at any time.
    broken: HashSet<String>,
    n: usize,
}

impl<'a> Family<'a> {
    fn new(stage: &'a Stage) -> Self {
        Family { stage, broken: HashSet::new(), n: 0 }
    }

    /// These connections at once: first packets, second packets, the end of the client's side.
    #[track_caller]
    fn run(&mut self, batch: &[Probe]) {
        self.n += batch.len();
        let readings: Vec<_> = batch.iter().map(|probe| judge::requests(&probe.bytes)).collect();
        let mut clients: Vec<_> = batch.iter().map(|_| self.stage.gw.connect()).collect();
        for (probe, client) in batch.iter().zip(&mut clients) {
            client.try_write(&probe.bytes[..probe.split.unwrap_or(probe.bytes.len())]);
        }
        if batch.iter().any(|probe| probe.split.is_some()) {
            // When its answer is here, the one worker has read what came before it.
            self.stage.canary();
            for (probe, client) in batch.iter().zip(&mut clients) {
                client.try_write(&probe.bytes[probe.split.unwrap_or(probe.bytes.len())..]);
            }
        }
        for client in &clients {
            let _ = client.stream().shutdown(std::net::Shutdown::Write);
        }
        let mut expected: HashMap<String, (&Message, &Probe)> = HashMap::new();
        for ((probe, reading), client) in batch.iter().zip(&readings).zip(&mut clients) {
            answered(probe, reading, client);
            for message in reading.messages.iter().filter(|message| is_routed(message)) {
                expected.insert(message.start[1].clone(), (message, probe));
            }
            if let End::BadBody(message) | End::CutBody(message) = &reading.end {
                self.broken.insert(message.start[1].clone());
            }
            self.stage.canary();
        }
        for request in self.stage.seen() {
            if !request.complete && self.broken.contains(&request.target) {
                continue;
            }
            match expected.remove(&request.target) {
                Some((message, probe)) => same(probe, message, &request),
                None => panic!(
                    "the backend saw what nobody sent: {}\nafter {}",
                    escaped(&request.raw),
                    shown(batch)
                ),
            }
        }
        for (target, (_, probe)) in expected {
            panic!("{target} did not reach the backend: {}", shown(std::slice::from_ref(probe)));
        }
    }
}

fn shown(batch: &[Probe]) -> String {
    let shown = |probe: &Probe| {
        format!("{} (split {:?}): {}", probe.what, probe.split, escaped(&probe.bytes))
    };
    batch.iter().map(shown).collect::<Vec<_>>().join("\n---\n")
}

/// Whether an endpoint takes it; other messages get an answer of the gateway's own.
fn is_routed(message: &Message) -> bool {
    let [method, target] = &message.start;
    let id = target.strip_prefix("/f/").unwrap_or_default();
    matches!(method.as_str(), "GET" | "POST")
        && !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// One answer for each message, its own; then a refusal or the end.
#[track_caller]
fn answered(probe: &Probe, reading: &Reading, client: &mut Connection) {
    let said = || format!("{}\n{reading:?}", shown(std::slice::from_ref(probe)));
    for message in &reading.messages {
        let found = match client.try_response(&message.start[0]) {
            Ok(found) => found,
            Err(broken) => panic!("no answer ({broken:?}) to {:?} of {}", message.start, said()),
        };
        if is_routed(message) {
            let body = String::from_utf8_lossy(&found.bytes);
            let own = format!("\"target\":\"{}\"", message.start[1]);
            assert!(found.code == 200 && body.contains(&own), "not its own: {found}\n{}", said());
        } else {
            assert!(found.code >= 300 && found.code < 500, "not refused: {found}\n{}", said());
        }
    }
    let refusal = match &reading.end {
        End::Used | End::Closes => None,
        // A bad byte may show before the line ends, or the client may leave first.
        End::CutHead | End::CutBody(_) => client.try_response("POST").ok(),
        End::Refused(_) | End::BadBody(_) => match client.try_response("POST") {
            Ok(found) => Some(found),
            Err(broken) => panic!("no refusal ({broken:?}) of {}", said()),
        },
    };
    if let Some(found) = refusal {
        let is_cut = matches!(reading.end, End::CutBody(_)) && found.code == 500;
        assert!(REJECTED.contains(&found.code) || is_cut, "not refused: {found}\n{}", said());
    }
    let rest = client.rest();
    assert!(rest.is_empty(), "one answer too many: {}\n{}", escaped(&rest), said());
}

/// The message as the judge read it, and in canonical form.
#[track_caller]
fn same(probe: &Probe, message: &Message, request: &Recorded) {
    let said = || format!("{}\n{}", shown(std::slice::from_ref(probe)), escaped(&request.raw));
    canonical(&probe.what, request);
    assert_eq!(
        [&request.method, &request.target],
        [&message.start[0], &message.start[1]],
        "{}",
        said()
    );
    assert_eq!(request.body, message.body, "{}", said());
    assert!(request.trailers.is_empty(), "{}", said());
    let own = |fields: &[(String, String)]| {
        let own = fields.iter().filter(|(name, _)| {
            name.len() < 10 && name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
        });
        own.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect::<Vec<_>>()
    };
    assert_eq!(own(&request.fields), own(&message.fields), "{}", said());
}

/// `text` with `byte` put in at this place.
fn with_byte(text: &str, at: usize, byte: u8) -> Vec<u8> {
    let (before, after) = text.as_bytes().split_at(at);
    [before, &[byte], after].concat()
}

/// Each byte at each of these places of a text, one connection each.
fn each_byte(what: &str, text: &str, places: &[usize], sink: &mut Vec<Probe>) {
    for (n_place, place) in places.iter().enumerate() {
        for byte in BYTES {
            let id = format!("{}x{n_place}x{byte:02x}", sink.len());
            // The id takes the place of each `@` before it.
            let at = place + (id.len() - 1) * text[..*place].matches('@').count();
            sink.push(Probe {
                what: format!("{what}: {byte:#04x} at {at}"),
                bytes: with_byte(&text.replace('@', &id), at, *byte),
                split: None,
            });
        }
    }
}

/// Before, inside and behind a part of a text, and behind its first byte.
fn around(text: &str, part: &str) -> Vec<usize> {
    let at = text.find(part).expect("the part is there");
    vec![at, at + 1, at + part.len() / 2, at + part.len()]
}

fn run_all(probes: Vec<Probe>, at_once: usize) {
    let stage = Stage::new();
    let mut family = Family::new(&stage);
    for batch in probes.chunks(at_once) {
        family.run(batch);
    }
    assert_eq!(family.n, probes.len());
    let mut stage = stage;
    assert!(stage.gw.is_alive());
}

fn a4_control_bytes_around_framing_fields() {
    let mut probes = Vec::new();
    for (name, value, content) in [
        ("Content-Length", "5", "hello"),
        ("Transfer-Encoding", "chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Host", "gw", ""),
        ("Connection", "close", ""),
        ("Expect", "100-continue", ""),
        ("Upgrade", "h2c", ""),
    ] {
        let host = if name == "Host" { "" } else { "Host: gw\r\n" };
        let line = format!("{name}: {value}\r\n");
        let text = format!(
            "POST /f/@ HTTP/1.1\r\n{host}X-Probe: p\r\n{line}X-Tail: t\r\n\r\n{content}\
             GET /f/@n HTTP/1.1\r\nHost: gw\r\n\r\n"
        );
        let at = text.find(&line).expect("the line");
        let value_at = at + name.len() + 2;
        let mut places = vec![at, at + 1, at + name.len() / 2, at + name.len(), value_at - 1];
        places.extend([value_at, value_at + value.len() / 2, value_at + value.len()]);
        // Within the line end, and behind it.
        places.extend([value_at + value.len() + 1, value_at + value.len() + 2]);
        places.dedup();
        each_byte(name, &text, &places, &mut probes);
    }
    assert!(probes.len() > 2000);
    run_all(probes, 1);
}

fn a10_control_bytes_around_chunk_lines() {
    let mut probes = Vec::new();
    let content = "5;a=\"b\"\r\nhello\r\n0\r\nX-T: u\r\n\r\n";
    let text = format!(
        "POST /f/@ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n{content}\
         GET /f/@n HTTP/1.1\r\nHost: gw\r\n\r\n"
    );
    let from = text.find(content).expect("the content");
    // Every place of the coding.
    let places: Vec<_> = (from..from + content.len() + 1).collect();
    each_byte("chunks", &text, &places, &mut probes);
    assert!(probes.len() > 1300);
    run_all(probes, 1);
}

fn a13_control_bytes_around_request_lines() {
    let mut probes = Vec::new();
    let text = "POST /f/@ HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\n\r\nhello\
                GET /f/@n HTTP/1.1\r\nHost: gw\r\n\r\n";
    let mut places = Vec::new();
    for part in ["POST", "HTTP/1.1"] {
        places.extend(around(text, part));
    }
    // The two bytes of the line end, and before the path: inside it a visible byte is another path.
    let end = text.find("\r\n").expect("a line");
    places.extend([end, end + 1, end + 2, text.find("/f/").expect("a target")]);
    places.sort_unstable();
    places.dedup();
    each_byte("request line", text, &places, &mut probes);
    run_all(probes, 1);
}

fn a9_every_split_over_two_packets() {
    let mut probes = Vec::new();
    for (n, (what, text)) in corpus().into_iter().enumerate() {
        for split in 1.. {
            let bytes = text.replace('@', &format!("s{n}x{split}")).into_bytes();
            if split >= bytes.len() {
                break;
            }
            probes.push(Probe { what: what.into(), bytes, split: Some(split) });
        }
    }
    assert!(probes.len() > 4000);
    run_all(probes, 16);
}

fn a18_pipelined_pairs() {
    let mut probes = Vec::new();
    for (n, (first, one)) in corpus().into_iter().enumerate() {
        for (m, (second, other)) in corpus().into_iter().enumerate() {
            let text = one.replace('@', &format!("p{n}x{m}a"))
                + &other.replace('@', &format!("p{n}x{m}b"));
            probes.push(Probe {
                what: format!("{first}, then {second}"),
                bytes: text.into_bytes(),
                split: None,
            });
        }
    }
    assert!(probes.len() > 1000);
    run_all(probes, 1);
}

/// One byte put in, left out, doubled or replaced behind the request line; the same ones each time.
fn a13_single_bytes_changed() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chance = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut probes = Vec::new();
    for (n, (what, text)) in corpus().into_iter().enumerate() {
        for m in 0..60 {
            let mut bytes = text.replace('@', &format!("m{n}x{m}")).into_bytes();
            // Behind the request line, before the request that follows.
            let version = position(&bytes, b" HTTP/1.").expect("a request line");
            let from = version + " HTTP/1.1".len();
            let next = format!("GET /f/m{n}x{m}n HTTP/1.1\r\nHost: gw\r\n\r\n");
            let at = from + chance(bytes.len() - next.len() - from);
            let byte = BYTES[chance(BYTES.len())];
            let how = match chance(4) {
                0 => {
                    bytes.insert(at, byte);
                    "put in"
                }
                1 => {
                    bytes.remove(at);
                    "left out"
                }
                2 => {
                    bytes.insert(at, bytes[at]);
                    "doubled"
                }
                _ => {
                    bytes[at] = byte;
                    "replaced"
                }
            };
            probes.push(Probe { what: format!("{what}, {at} {how}"), bytes, split: None });
        }
    }
    run_all(probes, 1);
}

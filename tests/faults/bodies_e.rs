//! Bodies that are more, or something else, than they seem (docs/reference/hardening.md E1, E3, E6).

use crate::both_drivers;
use crate::invariants::{Profile, Site, answering};
use crate::support::metrics::CHARGED_BYTES;
use crate::support::{Answer, Step, answer, backend, call, ms};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

both_drivers! {
    e1_ten_gibibytes_in_ten_mebibytes,
    e1_codings_that_are_not_what_they_say,
    e6_ten_large_answers_share_the_budget,
    e6_ten_large_answers_share_what_one_request_may_hold,
    e6_one_answer_over_the_budget,
}

const MIB: usize = 1 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).expect("memory takes bytes");
    packed.finish().expect("memory takes bytes")
}

/// A block of deflate that becomes a mebibyte of zeros wherever it stands in a stream.
fn mebibyte_of_zeros() -> Vec<u8> {
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(64 * 1024);
    deflate
        .compress_vec(&vec![0; MIB], &mut out, flate2::FlushCompress::Full)
        .expect("memory takes bytes");
    assert!(out.len() < 4096, "{}", out.len());
    out
}

/// 10 GiB as some 10 MiB of gzip. It has no end: nobody should come so far.
fn bomb() -> Answer {
    let zeros = mebibyte_of_zeros();
    let times = 10 * 1024;
    let length = 10 + zeros.len() * times;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    let gzip_head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    Answer::steps_are([
        Step::Send(head.into_bytes()),
        Step::Send(gzip_head),
        Step::SendTimes(zeros, times as u64),
    ])
}

fn e1_ten_gibibytes_in_ten_mebibytes() {
    let peer = backend().get("/bomb", bomb());
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .service("timeout", "30s")
                .endpoint("/collected", [call(&peer, "/bomb")])
                .endpoint("/streamed", [call(&peer, "/bomb")])
                .noop(),
        );
        let before = site.gw.rss_kib();
        site.get("/collected").status(profile.status(502)).completed(false).body("");
        site.counted("/collected", "backend_gzip_bomb", 1);
        let mut length = 0;
        let mut client = site.gw.connect();
        client.write("GET /streamed HTTP/1.1\r\nHost: gw\r\n\r\n");
        site.counts(1);
        let found = client.response_into("GET", &mut |piece| length += piece.len());
        found.status(200).broken_off();
        assert!(length < 2 * MIB, "{length} bytes came through");
        drop(client);
        site.counted("/streamed", "backend_gzip_bomb", 1);
        let grown = site.gw.rss_kib().saturating_sub(before);
        assert!(grown < 64 * 1024, "RSS grew by {grown} KiB");
        site.settled();
    }
}

fn e1_codings_that_are_not_what_they_say() {
    const JSON: &[u8] = br#"{"a":1}"#;
    let coded = gzip(JSON);
    let mut wrong_crc = coded.clone();
    let at = wrong_crc.len() - 6;
    wrong_crc[at] ^= 1;
    let mut wrong_length = coded.clone();
    *wrong_length.last_mut().expect("it has bytes") ^= 1;
    let twice = gzip(&coded);
    let cut = coded[..coded.len() - 3].to_vec();
    let head_only = coded[..10].to_vec();
    let junk = [&coded[..], b"something more"].concat();
    // Name, what it says, what it is, what that is called; `ok`: it is read as JSON.
    let cases: [(&str, &[u8], Vec<u8>, &str); 14] = [
        ("/gzip", b"gzip", coded.clone(), "ok"),
        ("/upper", b"GZIP", coded.clone(), "ok"),
        ("/twice", b"gzip, gzip", twice.clone(), "backend_bad_json"),
        ("/twice-said-once", b"gzip", twice, "backend_bad_json"),
        ("/crc", b"gzip", wrong_crc, "backend_bad_gzip"),
        ("/length", b"gzip", wrong_length, "backend_bad_gzip"),
        ("/cut", b"gzip", cut, "backend_truncated"),
        ("/head-only", b"gzip", head_only, "backend_truncated"),
        ("/junk", b"gzip", junk, "backend_bad_gzip"),
        ("/plain", b"gzip", JSON.to_vec(), "backend_truncated"),
        ("/long-plain", b"gzip", [b" ".repeat(100), JSON.to_vec()].concat(), "backend_bad_gzip"),
        ("/unsaid", b"", coded, "backend_bad_json"),
        ("/br", b"br", b"\x0b\x03\x80{\"a\":1}\x03".to_vec(), "backend_bad_json"),
        ("/zstd", b"zstd", b"\x28\xb5\x2f\xfd\x04\0".to_vec(), "backend_bad_json"),
    ];
    let mut peer = backend();
    for (path, says, bytes, _) in &cases {
        let mut coded = answer(200).body(bytes.clone());
        if !says.is_empty() {
            coded = coded.header("Content-Encoding", &String::from_utf8_lossy(says));
        }
        peer = peer.get(path, coded);
    }
    for profile in Profile::BOTH {
        let mut builder = profile.gateway();
        for (path, ..) in &cases {
            builder = builder.endpoint(path, [call(&peer, path)]);
            builder = builder.endpoint(&format!("/s{path}"), [call(&peer, path)]).noop();
        }
        let mut site = Site::start(builder);
        for (path, says, bytes, label) in &cases {
            let found = site.get(path);
            site.counted(path, label, 1);
            if *label == "ok" {
                found.status(200).body(JSON);
            } else {
                assert!(found.code == profile.status(502), "{path}: {found}");
            }
            // Streamed, what the gateway asked for itself is decoded; the rest goes through as it
            // came, under its own name.
            let found = site.get(&format!("/s{path}"));
            assert!(found.code == 200, "{path}: {found}");
            if !says.eq_ignore_ascii_case(b"gzip") {
                found.body(bytes);
            } else if matches!(*label, "ok" | "backend_bad_json") {
                found.ended();
            } else {
                found.broken_off();
            }
        }
        site.settled();
    }
}

/// Text of numbers that no machine word holds, or that would be written differently.
fn numbers() -> Vec<String> {
    let mut all: Vec<String> = [
        "1e400000",
        "-1e400000",
        "1E-400000",
        "-0",
        "-0.0",
        "1E+999",
        "0.1000000000000000055511151231257827021181583404541015625",
        "0.30000000000000004",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "9007199254740993",
        "1.00",
        "1e5",
        "5e-324",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push("7".repeat(1_000_000));
    all.push(format!("0.{}", "3".repeat(1_000_000)));
    all.push(format!("1e{}", "9".repeat(100_000)));
    all
}

#[test]
fn e3_the_text_of_numbers_stays() {
    let all = numbers();
    let documents: Vec<String> =
        all.iter().map(|number| format!(r#"{{"n":{number},"l":[{number}]}}"#)).collect();
    let count = documents.len();
    let sources = documents.clone();
    let peer = answering(move |id| {
        let at: usize = id.parse().unwrap_or(0);
        answer(200).body(sources[at].clone())
    });
    for profile in Profile::BOTH {
        let at = |path: &str| call(&peer, path);
        let ids: &[&str] = &["id"];
        let mut site = Site::start(
            profile
                .gateway()
                .endpoint("/plain", [at("/a")])
                .input_query_strings(ids)
                .endpoint("/group", [at("/a").group("g")])
                .input_query_strings(ids)
                .endpoint("/select", [at("/a").allow(&["n"])])
                .input_query_strings(ids)
                .endpoint("/merge", [at("/a").group("g"), at("/a").group("h")])
                .input_query_strings(ids)
                .endpoint("/sorted", [at("/a")])
                .extra("ringway", crate::support::json!({"json": {"sort_keys": true}}))
                .input_query_strings(ids),
        );
        for id in 0..count {
            let (number, document) = (&all[id], &documents[id]);
            let get = |path: &str| site.get(&format!("{path}?id={id}"));
            get("/plain").status(200).body(document);
            get("/group").status(200).body(format!(r#"{{"g":{document}}}"#));
            get("/select").status(200).body(format!(r#"{{"n":{number}}}"#));
            get("/merge").status(200).body(format!(r#"{{"g":{document},"h":{document}}}"#));
            get("/sorted").status(200).body(format!(r#"{{"l":[{number}],"n":{number}}}"#));
        }
        site.settled();
    }
}

/// An object of nearly 16 MiB that names the path.
fn large(path: &str) -> Answer {
    let head = format!(r#"{{"path":"{path}","fill":""#);
    let fill = "f".repeat(16 * MIB - head.len() - 2);
    answer(200).body(format!("{head}{fill}\"}}"))
}

fn e6_ten_large_answers_share_the_budget() {
    share("64MiB", "1GiB", "backend_over_budget", 64 * MIB);
}

fn e6_ten_large_answers_share_what_one_request_may_hold() {
    // A block that grows has up to twice the room of its content.
    share("1GiB", "64MiB", "backend_body_too_large", 128 * MIB);
}

/// Ten answers grow at the same time, and one bound of 64 MiB stops some of them: these give back what
/// they had, so that others are completed.
fn share(memory: &str, answer_bytes: &str, label: &str, charged_max: usize) {
    const MEMORY: usize = 64 * MIB;
    let mut peer = backend();
    for n in 0..10 {
        peer = peer.get(&format!("/{n}"), large(&n.to_string()));
    }
    let calls: Vec<_> =
        (0..10).map(|n| call(&peer, &format!("/{n}")).group(&format!("g{n}"))).collect();
    let limits = crate::support::json!({ "answer_bytes": answer_bytes });
    let builder = Profile::Krakend.gateway().ringway("memory", memory).ringway("limits", limits);
    let mut site = Site::start(builder.endpoint("/all", calls).service("timeout", "60s"));
    let ended = AtomicBool::new(false);
    let (found, most) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most: f64 = 0.0;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(site.gw.metrics().sum(CHARGED_BYTES, &[]));
                std::thread::sleep(ms(2));
            }
            most
        });
        let found = site.gw.get("/all");
        ended.store(true, Ordering::Relaxed);
        (found, watch.join().expect("the watch ends"))
    });
    site.counts(1);
    found.status(200).completed(false).ended();
    // Blocks of reads under way are charged without being asked for.
    assert!(most <= (charged_max + 2 * MIB) as f64, "{most} bytes charged");
    let text = String::from_utf8_lossy(&found.bytes);
    let there: Vec<usize> =
        (0..10).filter(|n| text.contains(&format!(r#""g{n}":{{"path":"{n}","#))).collect();
    assert!(!there.is_empty() && there.len() < 10, "parts in the answer: {there:?}");
    // The names of the groups come on top.
    assert!(found.bytes.len() <= MEMORY + 1024 && text.ends_with('}'));
    site.counted("/all", "partial", 1);
    let refused = site.gw.metrics().sum(
        "ringway_backend_calls_total",
        &["endpoint=\"/all\"", &format!("outcome=\"{label}\"")],
    );
    assert_eq!(refused as usize, 10 - there.len(), "each part that is missing says why");
    site.settled();
}

fn e6_one_answer_over_the_budget() {
    let zip = answer(200).body(format!(r#"{{"a":"{}"}}"#, noise(12 * MIB))).gzip();
    let peer = backend().get("/large", large("x")).get("/zip", zip).get("/small", r#"{"a":1}"#);
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .ringway("memory", "16MiB")
                .service("timeout", "30s")
                .endpoint("/large", [call(&peer, "/large")])
                .endpoint("/zip", [call(&peer, "/zip")])
                .endpoint("/small", [call(&peer, "/small")])
                .endpoint("/streamed", [call(&peer, "/large")])
                .noop(),
        );
        for path in ["/large", "/zip"] {
            site.get(path).status(profile.status(502)).completed(false).body("");
            site.counted(path, "backend_over_budget", 1);
        }
        site.get("/small").status(200).body(r#"{"a":1}"#);
        let found = site.get("/streamed");
        found.status(200).ended();
        assert_eq!(found.bytes.len(), 16 * MIB, "what streams needs no room");
        site.settled();
    }
}

/// Letters that gzip makes a little smaller, no bomb.
fn noise(length: usize) -> String {
    let mut state = 1_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (state >> 28) as u8)
        })
        .collect()
}

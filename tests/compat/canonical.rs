//! The canonical form of a body, as the recorder wrote it: JSON by value, other text as it is,
//! bytes as base64; long ones as length and SHA-256.

use crate::support::json;

/// Bodies above this many characters are kept as length and hash.
const BIG: usize = 4096;

pub fn body(raw: &[u8], content_type: &str) -> String {
    if raw.is_empty() {
        return String::new();
    }
    let text = std::str::from_utf8(raw).ok();
    if let Some(text) = text
        && (content_type.contains("json") || text.starts_with(['{', '[']))
        && let Some(canonical) = json::canonical(raw)
    {
        let line = format!("json {canonical}");
        let length = line.chars().count();
        return match length <= BIG {
            true => line,
            false => format!("json len={length} sha256={}", sha256(line.as_bytes())),
        };
    }
    if raw.len() > BIG {
        return format!("raw len={} sha256={}", raw.len(), sha256(raw));
    }
    match text {
        Some(text) => format!("raw {text}"),
        None => format!("base64 {}", base64(raw)),
    }
}

/// SHA-256 in hex, by the hash that TLS 1.3 uses anyway.
pub fn sha256(bytes: &[u8]) -> String {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let hash = suite.tls13().expect("a suite of TLS 1.3").common.hash_provider.hash(bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        let word = word << (8 * (3 - group.len()));
        for n in 0..4 {
            match n <= group.len() {
                true => out.push(char::from(ALPHABET[(word >> (18 - 6 * n)) as usize & 63])),
                false => out.push('='),
            }
        }
    }
    out
}

pub fn base64_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut word, mut bits) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = ALPHABET.iter().position(|b| *b == byte).expect("base64") as u32;
        word = (word << 6) | value;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    out
}

#[test]
fn known_values() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(sha256(b""), empty);
    for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
        assert_eq!(base64(plain.as_bytes()), coded);
        assert_eq!(base64_decoded(coded), plain.as_bytes());
    }
    assert_eq!(body(b"{\"b\":1,\"a\":[]}", ""), "json {\"a\":[],\"b\":1}");
    assert_eq!(body(b"3", "application/json"), "json 3");
    assert_eq!(body(b"3", "text/plain"), "raw 3");
    assert_eq!(body(b"{x", ""), "raw {x");
    assert_eq!(body(&[0xff], ""), "base64 /w==");
}

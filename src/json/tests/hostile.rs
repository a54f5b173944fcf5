//! Random bytes and damaged documents through the fuzz entries.

use proptest::prelude::*;

use super::super::fuzz::{each_way_sees_the_same, fuzz_decode, fuzz_scan};
use super::super::scan::scan;

/// Bytes that mean something to a scanner, so that random strings of them get far.
const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\"a\"",
    b"\"b\":",
    b"\"c\"",
    b"\"a\":{",
    b"\\",
    b"\\u",
    b"\\ud83d",
    b"\\ude00",
    b"\\n",
    b"0",
    b"1",
    b"-",
    b".",
    b"e",
    b"E+",
    b"true",
    b"false",
    b"null",
    b" ",
    b"\n",
    b"\t",
    b"        ",
    b"\xff",
    b"\xc3",
    b"\xa9",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\0",
    b"\x1f",
    b"aaaaaaaaaaaaaaa",
    b"\"collection\":",
    b"\"content\":",
];

/// Text is checked in stretches of some KiB; where a character is cut, and which gaps of ASCII stand
/// before it, changes no verdict.
#[test]
fn text_is_checked_across_stretches() {
    for unit in ["ü", "語", "😀"] {
        for shift in 0..4 {
            for gap in [0, 63, 512, 1100] {
                let text = [unit.repeat(1500), "a".repeat(gap), unit.repeat(700)].concat();
                let good = format!("[\"{}{text}\",1]", "b".repeat(shift)).into_bytes();
                assert!(scan(&good).is_ok_and(|all| !all.needs_repair));
                each_way_sees_the_same(&good);
                let n = good.len();
                for at in [5, 511, 512, 4095, 4096, 4097, n - 5] {
                    for byte in [b'x', 0x80] {
                        let mut bad = good.clone();
                        bad[at] = byte;
                        let is_text = std::str::from_utf8(&bad).is_ok();
                        let needs_repair = scan(&bad).map(|all| all.needs_repair);
                        assert_eq!(needs_repair, Ok(!is_text), "{unit} {shift} {gap} {at} {byte}");
                        each_way_sees_the_same(&bad);
                    }
                }
            }
        }
    }
}

/// The properties below ask each way that this CPU has, not only the one it would choose.
#[cfg(target_arch = "x86_64")]
#[test]
fn avx2_is_asked_beside_avx512() {
    let has = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt");
    let names: Vec<String> =
        super::super::scan::ways().iter().map(|way| format!("{way:?}")).collect();
    let wanted: &[&str] = if has { &["Best", "Words", "Avx2"] } else { &["Best", "Words"] };
    assert_eq!(names, wanted);
}

/// Neither of the two decodings may be rendered with the bytes of another body: this one is longer
/// than the one beside it, and its ranges are no JSON there.
#[test]
fn each_part_is_rendered_with_its_own_body() {
    fuzz_decode(br#"{"name":"x\ud800y","a":[1,null,"n"],"b":{"c":null}}"#);
    fuzz_decode(b"{\"a\":\"\xff\",\"text\":null,\"b\":{\"d\":\"\xc3\"}}");
}

proptest! {
    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_scan(&bytes);
        fuzz_decode(&bytes);
    }

    #[test]
    fn random_tokens(tokens in proptest::collection::vec(0..TOKENS.len(), 0..40)) {
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| TOKENS[*token]).copied().collect();
        fuzz_scan(&bytes);
        fuzz_decode(&bytes);
    }

    /// The same with a long way before them, so that chunks end inside.
    #[test]
    fn random_tokens_across_chunks(
        tokens in proptest::collection::vec(0..TOKENS.len(), 0..60),
        before in prop_oneof![Just("0,"), Just("\"a\","), Just("    "), Just("[true,1.5],"), Just("{\"k\":-3},")],
        n_before in 0..200_usize,
        inside: bool,
    ) {
        let mut bytes = b"[".to_vec();
        bytes.extend(before.bytes().cycle().take(n_before * before.len()));
        if inside {
            bytes.push(b'"');
        }
        bytes.extend(tokens.iter().flat_map(|token| TOKENS[*token]));
        bytes.extend_from_slice(b"\",1]");
        each_way_sees_the_same(&bytes);
    }
}

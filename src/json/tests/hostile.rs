//! Random bytes and damaged documents through the fuzz entries.

use proptest::prelude::*;

use super::super::fuzz::{each_way_sees_the_same, fuzz_decode, fuzz_scan};

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

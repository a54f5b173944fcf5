//! Random bytes and damaged documents through the fuzz entries.

use proptest::prelude::*;

use super::super::fuzz::{fuzz_decode, fuzz_scan};

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
}

//! Properties of the head parsers: however the input is cut into reads, the verdict and the head are
//! the same. This also holds the one-pass reading of whole heads against the walk through lines.

use proptest::prelude::*;

use super::{
    HeadError, HeadLimits, Progress, RequestHead, ResponseHead, parse_request, parse_response,
};
use crate::http::Method;

/// Lines that are mostly right, so that cuts fall into every state.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("Host: a\r\n"),
        Just("Content-Length: 5\r\n"),
        Just("X: y\r\n"),
        Just("X:\t\r\n"),
        Just("Transfer-Encoding: chunked\r\n"),
        Just("Connection: close\r\n"),
        Just(" fold\r\n"),
        Just("bare: lf\n"),
        Just("\r\n"),
        Just("\r"),
        Just(": x\r\n"),
        Just("Expect: 100-continue\r\n"),
    ];
    let start = prop_oneof![
        Just("GET / HTTP/1.1\r\n"),
        Just("\r\nPOST /a?b HTTP/1.0\r\n"),
        Just("GET http://a/ HTTP/1.1\r\n"),
        Just("GET /\r\n"),
        Just("HTTP/1.1 200 OK\r\n"),
        Just("HTTP/1.0 304\r\n"),
        Just("\r\n\r\n\r\n"),
    ];
    (start, prop::collection::vec(line, 0..6), any::<bool>()).prop_map(|(start, lines, ended)| {
        [start, &lines.concat(), if ended { "\r\n" } else { "" }].concat().into_bytes()
    })
}

/// What came of a buffer that was shown up to each of these ends in turn.
fn fed(
    text: &[u8],
    ends: &[usize],
    mut parse: impl FnMut(&[u8]) -> Result<Progress, HeadError>,
) -> Result<Progress, HeadError> {
    ends.iter()
        .map(|end| parse(&text[..*end]))
        .find(|verdict| *verdict != Ok(Progress::NeedMore))
        .unwrap_or(Ok(Progress::NeedMore))
}

fn limits() -> impl Strategy<Value = HeadLimits> {
    let small = (20usize..200, 0usize..6, 10usize..60, 1usize..12, 0usize..3).prop_map(
        |(bytes, fields, line, target, leading_crlf)| HeadLimits {
            bytes,
            fields,
            line,
            target,
            leading_crlf,
        },
    );
    prop_oneof![Just(HeadLimits::DEFAULT), small]
}

fn ends(len: usize, cuts: &[prop::sample::Index]) -> Vec<usize> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    ends.sort_unstable();
    ends.push(len);
    ends
}

proptest! {
    #[test]
    fn any_split_gives_the_same_request(
        text in heads(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        limits in limits(),
    ) {
        let (mut whole, mut cut) = (RequestHead::default(), RequestHead::default());
        let expected = parse_request(&text, &limits, &mut whole);
        let ends = ends(text.len(), &cuts);
        let found = fed(&text, &ends, |part| parse_request(part, &limits, &mut cut));
        prop_assert_eq!(found, expected);
        if expected == Ok(Progress::Done) {
            prop_assert_eq!(whole.fields.as_slice(), cut.fields.as_slice());
            prop_assert_eq!((whole.len, whole.body, whole.host), (cut.len, cut.body, cut.host));
            prop_assert_eq!((whole.target, whole.method), (cut.target, cut.method));
            prop_assert_eq!(whole.keep_alive, cut.keep_alive);
        }
    }

    #[test]
    fn any_split_gives_the_same_response(
        text in heads(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        limits in limits(),
    ) {
        let (mut whole, mut cut) = (ResponseHead::default(), ResponseHead::default());
        let expected = parse_response(&text, &limits, Method::Get, &mut whole);
        let ends = ends(text.len(), &cuts);
        let parse = |part: &[u8]| parse_response(part, &limits, Method::Get, &mut cut);
        let found = fed(&text, &ends, parse);
        prop_assert_eq!(found, expected);
        if expected == Ok(Progress::Done) {
            prop_assert_eq!(whole.fields.as_slice(), cut.fields.as_slice());
            prop_assert_eq!((whole.len, whole.body), (cut.len, cut.body));
            prop_assert_eq!((whole.status, whole.reason), (cut.status, cut.reason));
        }
    }
}

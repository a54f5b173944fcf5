//! Entry points for fuzzing: arbitrary bytes go into each parser of this floor, and what must hold
//! for any input is asserted. `tests/fuzz` and the tests below drive them on stable Rust.

use super::h1::{
    Decoder, Field, HeadError, HeadLimits, Progress, RequestHead, ResponseHead, Step, encode,
    parse_request, parse_response,
};
use super::uri::{clean, param, path, percent, query};
use super::{HeaderId, Method, Span};

/// A request head: any cut gives the same verdict, spans stay inside, and what was read can be
/// written and read again.
pub fn fuzz_head(input: &[u8]) {
    let limits = HeadLimits::DEFAULT;
    let (mut whole, mut cut) = (RequestHead::default(), RequestHead::default());
    let verdict = parse_request(input, &limits, &mut whole);
    assert_eq!(verdict, fed(input, |part| parse_request(part, &limits, &mut cut)));
    if verdict != Ok(Progress::Done) {
        return;
    }
    assert_eq!(whole.fields.as_slice(), cut.fields.as_slice());
    assert!(whole.len <= input.len());
    let mut again = Vec::new();
    encode::request_line(&mut again, whole.method.as_bytes(input), whole.target.raw.of(input));
    for field in &whole.fields {
        encode::field(&mut again, field.name(input), field.value(input));
    }
    encode::end_of_head(&mut again);
    let mut second = RequestHead::default();
    if whole.version == super::Version::H11 {
        assert_eq!(parse_request(&again, &limits, &mut second), Ok(Progress::Done));
        assert_eq!((second.body, second.keep_alive), (whole.body, whole.keep_alive));
        assert!(same_fields(whole.fields.as_slice(), input, second.fields.as_slice(), &again));
    }
}

/// A response head, as answer to GET and to HEAD.
pub fn fuzz_response(input: &[u8]) {
    let limits = HeadLimits::DEFAULT;
    for method in [Method::Get, Method::Head] {
        let (mut whole, mut cut) = (ResponseHead::default(), ResponseHead::default());
        let verdict = parse_response(input, &limits, method, &mut whole);
        assert_eq!(verdict, fed(input, |part| parse_response(part, &limits, method, &mut cut)));
        if verdict == Ok(Progress::Done) {
            assert_eq!(whole.fields.as_slice(), cut.fields.as_slice());
            assert!(whole.len <= input.len() && whole.status >= 100);
        }
    }
}

/// A chunked message: whole, byte by byte and in place give the same content and verdict.
pub fn fuzz_chunked(input: &[u8]) {
    let decode = |size: usize| {
        let (mut decoder, mut content, mut at) = (Decoder::new(), Vec::new(), 0);
        let mut end = input.len().min(size);
        loop {
            match decoder.step(&input[at..end]) {
                Ok(Step::NeedMore) if end == input.len() => return (content, Ok(None)),
                Ok(Step::NeedMore) => (at, end) = (end, input.len().min(end + size)),
                Ok(Step::Data { skip, len }) => {
                    assert!(len > 0);
                    content.extend_from_slice(&input[at + skip..at + skip + len]);
                    at += skip + len;
                }
                Ok(Step::End { consumed }) => return (content, Ok(Some(at + consumed))),
                Err(error) => return (content, Err(error)),
            }
        }
    };
    let whole = decode(input.len().max(1));
    assert_eq!(whole, decode(1));
    assert_eq!(whole, decode(7));
    let mut buf = input.to_vec();
    match (Decoder::new().decode_in_place(&mut buf, 0), whole) {
        (Err(error), (_, expected)) => assert_eq!(Err(error), expected),
        (Ok(super::h1::InPlace::NeedMore), (content, end)) => {
            assert_eq!((buf, end), (content, Ok(None)));
        }
        (Ok(super::h1::InPlace::End { content_end }), (content, end)) => {
            assert_eq!(&buf[..content_end], content);
            assert_eq!(end.map(|end| end.map(|at| &input[at..])), Ok(Some(&buf[content_end..])));
        }
    }
}

/// Paths, parameters and queries.
pub fn fuzz_uri(input: &[u8]) {
    let mut scratch = Vec::new();
    if let Ok(decoded) = path::decode(input, &mut scratch) {
        let (mut encoded, mut wire, mut again) = (Vec::new(), Vec::new(), Vec::new());
        path::encode(decoded.path, &mut encoded);
        path::wire_path(decoded.path, &mut wire);
        for written in [&encoded, &wire] {
            assert!(written.iter().all(|byte| byte.is_ascii_graphic()));
            again.clear();
            assert_eq!(percent::decode(written, percent::Plus::Plus, &mut again), Ok(()));
            assert!(again == decoded.path || decoded.path.is_empty());
        }
        if param::check(decoded.path).is_ok() {
            assert!(!decoded.has_nul && !param::has_dot_segment(decoded.path));
        }
    }
    let mut wire = input.to_vec();
    assert_eq!(path::finish(&mut wire, 0).is_ok(), percent::check(input).is_ok());

    let (mut clean, mut again) = (Vec::new(), Vec::new());
    clean::clean_path(input, &mut clean);
    clean::clean_path(&clean, &mut again);
    assert_eq!(clean, again);

    let (mut encoder, mut once, mut twice) = (query::QueryEncoder::new(), Vec::new(), Vec::new());
    let n_pairs = encoder.encode(input, |_| true, &mut once);
    assert_eq!(encoder.encode(&once, |_| true, &mut twice), n_pairs);
    assert_eq!(once, twice);
    if let Some(raw) = Span::new(0, input.len()) {
        // Nothing is known about the result; it must only come back.
        let _ = super::uri::target::Target::parse(&Method::Get, raw, input);
    }
}

/// The verdict when the input arrives byte by byte.
fn fed(
    input: &[u8],
    mut parse: impl FnMut(&[u8]) -> Result<Progress, HeadError>,
) -> Result<Progress, HeadError> {
    (0..=input.len())
        .map(|end| parse(&input[..end]))
        .find(|verdict| *verdict != Ok(Progress::NeedMore))
        .unwrap_or(Ok(Progress::NeedMore))
}

fn same_fields(one: &[Field], buf: &[u8], other: &[Field], other_buf: &[u8]) -> bool {
    let view = |field: &Field, buf: &[u8]| -> (HeaderId, Vec<u8>, Vec<u8>) {
        (field.id, field.name(buf).to_vec(), field.value(buf).to_vec())
    };
    one.iter().map(|field| view(field, buf)).eq(other.iter().map(|field| view(field, other_buf)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator with a fixed seed (xorshift): the same bytes on each run.
    struct Random(u64);

    impl Random {
        fn next(&mut self, below: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % below as u64) as usize
        }
    }

    const CORPUS: &[&[u8]] = &[
        b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"\r\nPOST http://a:80/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        b"PUT / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket\r\nA:\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: [::1]:1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\nok",
        b"HTTP/1.0 304\r\nEtag: \"x\"\r\n\r\n",
        b"5;a=\"b\\\"\";c=d\r\nhello\r\na\r\n0123456789\r\n0\r\nGrpc-Status: 0\r\nX: y\r\n\r\nGET",
        b"ffffffffffffffff\r\nx",
        b"/a/%2e%2e/%2Fb/./../c//d;e?f=g+h&i=%6a;k&&=l",
        b"/caf\xc3\xa9 [1]!'()*%41",
    ];

    fn all(input: &[u8]) {
        fuzz_head(input);
        fuzz_response(input);
        fuzz_chunked(input);
        fuzz_uri(input);
    }

    #[test]
    fn the_corpus_and_what_becomes_of_it() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        const SPICE: &[u8] = b"\r\n\r\n \t:;,%/.?#=&+\0\x7f\x80\xff0aAfF\"\\";
        for seed in CORPUS {
            all(seed);
            for _ in 0..400 {
                let mut input = seed.to_vec();
                for _ in 0..=random.next(4) {
                    let at = random.next(input.len() + 1);
                    let byte = SPICE[random.next(SPICE.len())];
                    match random.next(4) {
                        0 => input.insert(at, byte),
                        1 => input.truncate(at),
                        2 => {
                            let other = CORPUS[random.next(CORPUS.len())];
                            input.splice(at..at, other.iter().take(random.next(30)).copied());
                        }
                        _ => input.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
                    }
                }
                all(&input);
            }
        }
    }

    #[test]
    fn random_bytes() {
        let mut random = Random(1);
        for _ in 0..2_000 {
            let input: Vec<_> = (0..random.next(64)).map(|_| random.next(256) as u8).collect();
            all(&input);
        }
    }
}

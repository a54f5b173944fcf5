//! Entry points for fuzzing: arbitrary bytes go into each parser of this floor, and what must hold
//! for any input is asserted. `tests/fuzz` and the tests below drive them on stable Rust.
//!
//! Each returns a number that says what the input did. A fuzzer that meets a new one keeps the
//! input: on stable Rust this stands in for the coverage that instrumented builds see.

mod chunked;
mod fields;
mod uri;

use std::hash::{DefaultHasher, Hash, Hasher};

use super::h1::{
    BodyKind, Field, HeadError, HeadLimits, Progress, RequestHead, ResponseHead, encode,
    parse_request, parse_response,
};
use super::{HeaderId, Method};

pub use chunked::{fuzz_chunked, fuzz_trailers};
pub use fields::{fuzz_field, fuzz_hop, fuzz_quote};
pub use uri::{fuzz_authority, fuzz_uri};

/// What happened as a number: equal for equal texts, on every machine and in every run.
pub(crate) fn seen(what: impl std::fmt::Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{what:?}").hash(&mut hasher);
    hasher.finish()
}

/// The size of a number, so that every length does not count as something new.
pub(crate) fn about(n: usize) -> u32 {
    usize::BITS - n.leading_zeros()
}

/// A request head: any cut gives the same verdict, spans stay inside, and what was read can be
/// written and read again.
pub fn fuzz_head(input: &[u8]) -> u64 {
    let limits = HeadLimits::DEFAULT;
    let (mut whole, mut cut) = (RequestHead::default(), RequestHead::default());
    let verdict = parse_request(input, &limits, &mut whole);
    assert_eq!(verdict, fed(input, |part| parse_request(part, &limits, &mut cut)));
    if verdict != Ok(Progress::Done) {
        return seen((verdict, about(whole.fields.len())));
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
        assert_eq!(second.target.form, whole.target.form);
        assert_eq!(second.host.map(|host| host.of(&again)), whole.host.map(|host| host.of(input)));
    }
    let known = whole.fields.iter().fold(0u128, |all, field| all | 1 << (field.id as u8 & 127));
    let connection = (whole.version, whole.keep_alive, whole.expect_continue, whole.upgrade);
    let method = (whole.method == Method::Connect, whole.target.form, whole.target.scheme);
    seen((connection, method, shape(whole.body), whole.host.is_some(), known))
}

/// A response head, as answer to GET and to HEAD.
pub fn fuzz_response(input: &[u8]) -> u64 {
    let limits = HeadLimits::DEFAULT;
    let mut found = Vec::new();
    for method in [Method::Get, Method::Head] {
        let (mut whole, mut cut) = (ResponseHead::default(), ResponseHead::default());
        let verdict = parse_response(input, &limits, method, &mut whole);
        assert_eq!(verdict, fed(input, |part| parse_response(part, &limits, method, &mut cut)));
        if verdict == Ok(Progress::Done) {
            assert_eq!(whole.fields.as_slice(), cut.fields.as_slice());
            assert!(whole.len <= input.len() && whole.status >= 100);
            // Where the end cannot be told, nothing may follow.
            assert!(whole.body != BodyKind::UntilClose || !whole.keep_alive);
            let body = (shape(whole.body), whole.content_length.is_some(), whole.keep_alive);
            found.push((Ok(whole.status / 100), body, whole.upgrade));
        } else {
            found.push((Err(verdict), (0, false, false), whole.upgrade));
        }
    }
    seen(found)
}

/// The kind of a body without its length.
fn shape(body: BodyKind) -> u32 {
    match body {
        BodyKind::None => 0,
        BodyKind::Chunked => 1,
        BodyKind::UntilClose => 2,
        BodyKind::Length(len) => 3 + (64 - len.leading_zeros()).div_ceil(8),
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
        fuzz_trailers(input);
        fuzz_uri(input);
        fuzz_authority(input);
        fuzz_hop(input);
        fuzz_quote(input);
        fuzz_field(input);
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

//! The chunked coding: however a message is cut, content, trailers and verdict are the same.

use super::{about, seen};
use crate::http::HeaderId;
use crate::http::h1::{ChunkError, Decoder, InPlace, Step};

/// A chunked message: whole, byte by byte and in place give the same content and verdict.
pub fn fuzz_chunked(input: &[u8]) -> u64 {
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
    let done = seen((&whole.1.map(|end| end.is_some()), about(whole.0.len())));
    match (Decoder::new().decode_in_place(&mut buf, 0), whole) {
        (Err(error), (_, expected)) => assert_eq!(Err(error), expected),
        (Ok(InPlace::NeedMore), (content, end)) => {
            assert_eq!((buf, end), (content, Ok(None)));
        }
        (Ok(InPlace::End { content_end }), (content, end)) => {
            assert_eq!(&buf[..content_end], content);
            assert_eq!(end.map(|end| end.map(|at| &input[at..])), Ok(Some(&buf[content_end..])));
        }
    }
    done
}

/// A trailer section, cut anywhere: the same fields are kept, few are, and none of them could frame,
/// route or authorise anything (docs/reference/hardening.md A12).
pub fn fuzz_trailers(input: &[u8]) -> u64 {
    let message = [b"0\r\n", input].concat();
    let whole = trailers(&message, message.len());
    assert_eq!(whole, trailers(&message, 1));
    assert_eq!(whole, trailers(&message, 5));
    if let Ok(kept) = &whole {
        for (id, value) in kept {
            let allowed = [
                HeaderId::GrpcStatus,
                HeaderId::GrpcMessage,
                HeaderId::ContentDigest,
                HeaderId::ContentMd5,
                HeaderId::Digest,
                HeaderId::ReprDigest,
            ];
            assert!(allowed.contains(id), "{id:?} is passed on");
            assert!(crate::http::h1::encode::is_value(value));
        }
    }
    seen(whole.map(|kept| kept.iter().map(|(id, _)| *id).collect::<Vec<_>>()))
}

/// The kept trailers, or the error; an unfinished section keeps what is complete.
fn trailers(message: &[u8], size: usize) -> Result<Vec<(HeaderId, Vec<u8>)>, ChunkError> {
    let mut decoder = Decoder::new();
    for piece in message.chunks(size.max(1)) {
        match decoder.step(piece)? {
            Step::NeedMore => {}
            Step::End { .. } => break,
            Step::Data { .. } => unreachable!("the last chunk comes first"),
        }
    }
    Ok(decoder.trailers().iter().map(|(id, value)| (id, value.to_vec())).collect())
}

//! The codec beside a second reader (`strict`): what the codec takes, the other takes, with the same
//! parts and the same ends; what the other calls ambiguous, the codec refuses; and what the codec
//! refuses although it is clear, it refuses for a reason that is on the list.

use ringway::http::h1::{
    BodyKind, ChunkError, Decoder, HeadError, HeadLimits, Progress, RequestHead, ResponseHead,
    Step, parse_request, parse_response,
};
use ringway::http::{HeaderId, Method, Version};

use crate::strict::{self, Content, Field, Framing, Message, Start, Why};

/// Messages looked at in one input: pipelined ones follow each other.
const MESSAGES_MAX: usize = 4;

/// A connection's bytes as a client sends them.
pub fn requests(input: &[u8]) -> u64 {
    let mut rest = input;
    let mut did = 0;
    for _ in 0..MESSAGES_MAX {
        let mut head = RequestHead::default();
        let ours = parse_request(rest, &HeadLimits::DEFAULT, &mut head);
        let other = strict::request(rest);
        did = did * 31 + compared(&ours, other.as_ref(), may_refuse_request);
        let (Ok(Progress::Done), Ok(other)) = (ours, other) else { return did };
        let method = head.method.as_bytes(rest).to_vec();
        let target = head.target.raw.of(rest).to_vec();
        let start = Start::Request { method, target, minor: minor(head.version) };
        same_head(&other, &start, head.body, head.len);
        same_fields(&other, head.fields.iter().map(|f| (f.name(rest), f.value(rest))));
        also_httparse(rest, &other);
        let Some(len) = same_content(&other, &rest[head.len..]) else { return did };
        did = did * 31 + u64::from(head.keep_alive) + 1;
        rest = &rest[head.len + len..];
    }
    did
}

/// A connection's bytes as a backend sends them, the first byte saying what was asked.
pub fn responses(input: &[u8]) -> u64 {
    let Some((asked, mut rest)) = input.split_first() else { return 0 };
    let (asked, method) = match asked % 8 {
        0 => ("HEAD", Method::Head),
        1 => ("CONNECT", Method::Connect),
        _ => ("GET", Method::Get),
    };
    let mut did = 0;
    for _ in 0..MESSAGES_MAX {
        let mut head = ResponseHead::default();
        let ours = parse_response(rest, &HeadLimits::DEFAULT, method, &mut head);
        let other = strict::response(rest, asked);
        did = did * 31 + compared(&ours, other.as_ref(), may_refuse_response);
        let (Ok(Progress::Done), Ok(other)) = (ours, other) else { return did };
        let start = Start::Response { status: head.status, minor: minor(head.version) };
        same_head(&other, &start, head.body, head.len);
        same_fields(&other, head.fields.iter().map(|f| (f.name(rest), f.value(rest))));
        let Some(len) = same_content(&other, &rest[head.len..]) else { return did };
        did = did * 31 + u64::from(head.keep_alive) + 1;
        rest = &rest[head.len + len..];
    }
    did
}

fn minor(version: Version) -> u8 {
    u8::from(version == Version::H11)
}

/// The two verdicts beside each other, as a number.
fn compared(
    ours: &Result<Progress, HeadError>,
    other: Result<&Message, &Why>,
    may_refuse: fn(HeadError) -> bool,
) -> u64 {
    match (ours, other) {
        (Ok(Progress::Done), Ok(_)) => 1,
        (Ok(Progress::Done), Err(why)) => panic!("the codec takes what is {why:?}"),
        // The codec may still wait for a line that is bad already; it never waits for a whole head.
        (Ok(Progress::NeedMore), Err(_)) => 2,
        (Ok(Progress::NeedMore), Ok(_)) => panic!("the codec waits for more of a whole head"),
        (Err(error), Ok(_)) => {
            assert!(may_refuse(*error), "the codec refuses a clear head: {error:?}");
            3
        }
        // Refused early is as good as refused.
        (Err(error), Err(_)) => 4 + *error as u64,
    }
}

/// What is clear and yet refused: limits, and rules of more than framing.
fn may_refuse_request(error: HeadError) -> bool {
    use HeadError::*;
    matches!(
        error,
        RequestLine // a method over 32 bytes
            | TargetTooLong
            | Target
            | TooManyFields
            | LineTooLong
            | HeadTooLong
            | LeadingLines
            | Host
            | HostMismatch
            | Expectation
            | UpgradeWithBody
    )
}

fn may_refuse_response(error: HeadError) -> bool {
    matches!(error, HeadError::TooManyFields | HeadError::LineTooLong | HeadError::HeadTooLong)
}

fn same_head(other: &Message, start: &Start, body: BodyKind, len: usize) {
    assert_eq!(other.start, *start);
    assert_eq!(other.head_len, len);
    let framing = match body {
        BodyKind::None => Framing::None,
        BodyKind::Length(len) => Framing::Length(len),
        BodyKind::Chunked => Framing::Chunked,
        BodyKind::UntilClose => Framing::UntilClose,
    };
    assert_eq!(other.framing, framing);
}

fn same_fields<'a>(other: &Message, ours: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
    let ours: Vec<Field> = ours.map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    assert_eq!(other.fields, ours);
}

/// `httparse` by itself, which the codec uses for field lines, sees the same request.
fn also_httparse(text: &[u8], other: &Message) {
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut slots);
    let Ok(httparse::Status::Complete(len)) = request.parse(text) else { return };
    assert_eq!(len, other.head_len);
    let fields: Vec<Field> = request
        .headers
        .iter()
        .map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec()))
        .collect();
    assert_eq!(fields, other.fields);
}

/// Content and end are the same for both; where the message goes on, how many bytes belong to it.
fn same_content(message: &Message, after_head: &[u8]) -> Option<usize> {
    let other = strict::body(message.framing, after_head);
    if message.framing != Framing::Chunked {
        return other.ok().map(|content| content.len);
    }
    let ours = decoded(after_head);
    match (ours, other) {
        (Ok(Some(ours)), Ok(mut other)) => {
            other.trailers.retain(|(name, _)| is_kept(name));
            let lower = |fields: Vec<Field>| -> Vec<Field> {
                fields.into_iter().map(|(n, v)| (n.to_ascii_lowercase(), v)).collect()
            };
            other.trailers = lower(other.trailers);
            let ours = Content { trailers: lower(ours.trailers), ..ours };
            assert_eq!(ours, other);
            Some(other.len)
        }
        (Ok(Some(_)), Err(why)) => panic!("the decoder takes what is {why:?}"),
        (Ok(None), Ok(_)) => panic!("the decoder waits for more of whole content"),
        (Ok(None), Err(_)) => None,
        (Err(ChunkError::LineTooLong | ChunkError::Overhead | ChunkError::TrailersTooLarge), _) => {
            None
        }
        (Err(error), Ok(_)) => panic!("the decoder refuses clear content: {error:?}"),
        (Err(_), Err(_)) => None,
    }
}

fn decoded(text: &[u8]) -> Result<Option<Content>, ChunkError> {
    let (mut decoder, mut bytes, mut at) = (Decoder::new(), Vec::new(), 0);
    loop {
        match decoder.step(&text[at..])? {
            Step::NeedMore => return Ok(None),
            Step::Data { skip, len } => {
                bytes.extend_from_slice(&text[at + skip..at + skip + len]);
                at += skip + len;
            }
            Step::End { consumed } => {
                let trailers = decoder.trailers();
                let trailers = trailers
                    .iter()
                    .map(|(id, value)| (id.name().as_bytes().to_vec(), value.to_vec()));
                let (trailers, len) = (trailers.collect(), at + consumed);
                return Ok(Some(Content { bytes, trailers, len }));
            }
        }
    }
}

/// The trailers that are passed on (docs/reference/hardening.md A12).
fn is_kept(name: &[u8]) -> bool {
    ["grpc-status", "grpc-message", "content-digest", "content-md5", "digest", "repr-digest"]
        .iter()
        .any(|kept| name.eq_ignore_ascii_case(kept.as_bytes()))
        && HeaderId::of(name) != HeaderId::Other
}

//! A second reader of HTTP/1 messages, written from RFC 9112 alone: slow, obvious, and built unlike
//! the gateway's. It takes whole texts, cuts them into lines, copies everything, and knows three
//! answers: a message, more needed, or why not. Nothing of `ringway` is used here.
//!
//! Where the RFC leaves a choice it takes the one that no two readers can see differently, and calls
//! the rest ambiguous: that must never pass the gateway's codec.

mod chunks;
mod head;
mod lines;

/// Name and value, without the spaces around the value.
pub type Field = (Vec<u8>, Vec<u8>);

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub start: Start,
    pub fields: Vec<Field>,
    pub framing: Framing,
    /// Bytes of the input up to the content, lines before the message counted.
    pub head_len: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    Request { method: Vec<u8>, target: Vec<u8>, minor: u8 },
    Response { status: u16, minor: u8 },
}

/// How long the content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// What follows a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub trailers: Vec<Field>,
    /// Bytes of the input that belong to it, framing counted.
    pub len: usize,
}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The text ends too early.
    More,
    /// No HTTP/1 message begins like this.
    Malformed(&'static str),
    /// Two readers may take it for two things.
    Ambiguous(&'static str),
}

pub use chunks::content;
pub use head::{request, response};

/// The whole content that follows a head, if it is there.
pub fn body(framing: Framing, after_head: &[u8]) -> Result<Content, Why> {
    let plain =
        |len: usize| Content { bytes: after_head[..len].to_vec(), trailers: Vec::new(), len };
    match framing {
        Framing::None => Ok(plain(0)),
        Framing::UntilClose => Ok(plain(after_head.len())),
        Framing::Length(len) if len > after_head.len() as u64 => Err(Why::More),
        Framing::Length(len) => Ok(plain(len as usize)),
        Framing::Chunked => content(after_head),
    }
}

/// `token` of RFC 9110 section 5.6.2.
fn is_token(text: &[u8]) -> bool {
    let special = b"!#$%&'*+-.^_`|~";
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || special.contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_of_the_classic_inputs() {
        let post = |rest: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{rest}");
        for (case, text, expected) in [
            ("plain", post("Content-Length: 5\r\n\r\n"), Ok(Framing::Length(5))),
            ("chunked", post("Transfer-Encoding: chunked\r\n\r\n"), Ok(Framing::Chunked)),
            ("neither", post("\r\n"), Ok(Framing::None)),
            ("unfinished", post("A: b\r\n"), Err(true)),
            ("both", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(false)),
            ("two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), Err(false)),
            ("a list", post("Content-Length: 5, 5\r\n\r\n"), Err(false)),
            ("a sign", post("Content-Length: +5\r\n\r\n"), Err(false)),
            ("space before the colon", post("A : b\r\n\r\n"), Err(false)),
            ("folded", post("A: b\r\n c\r\n\r\n"), Err(false)),
            ("bare LF", post("A: b\n\r\n"), Err(false)),
            ("bare CR", post("A: b\rc\r\n\r\n"), Err(false)),
            ("NUL", post("A: b\0\r\n\r\n"), Err(false)),
            ("a coding before", post("Transfer-Encoding: gzip, chunked\r\n\r\n"), Err(false)),
        ] {
            let found = request(text.as_bytes()).map(|message| message.framing);
            assert_eq!(found.map_err(|why| why == Why::More), expected, "{case}");
        }
        let chunks = b"5;a=\"b\\\"\"\r\nhello\r\n0\r\nX: y\r\n\r\nGET";
        let found = content(chunks).expect("well-formed");
        assert_eq!((found.bytes, found.len), (b"hello".to_vec(), chunks.len() - 3));
        assert_eq!(found.trailers, [(b"X".to_vec(), b"y".to_vec())]);
        for bad in ["5\nhello\r\n", "0x5\r\n", " 5\r\n", "5\r\nhelloXX", "5;\r\n", "5;a=\x01\r\n"] {
            assert!(!matches!(content(bad.as_bytes()), Ok(_) | Err(Why::More)), "{bad:?}");
        }
    }
}

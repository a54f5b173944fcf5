//! What the backend answers, built once: a body for the path, framed by its length.

/// The small body: 119 bytes.
pub const SMALL: &str = r#"{"id":123,"name":"hello world","tags":["a","b","c"],"nested":{"x":1.5,"y":null,"z":true},"email":"someone@example.com"}"#;

/// Bytes of the body that is streamed.
pub const STREAMED: usize = 100 * 1024 * 1024;
/// Bytes of one write of it.
pub const PIECE: usize = 64 * 1024;

/// An answer of the backend.
#[derive(Clone, Copy)]
pub enum Answer {
    /// Head and body.
    Whole(&'static [u8]),
    /// A head, and a body of `STREAMED` bytes made of `piece`.
    Streamed { head: &'static [u8], piece: &'static [u8] },
}

/// All answers.
#[derive(Clone, Copy)]
pub struct Answers {
    small: &'static [u8],
    kib: &'static [u8],
    kib64: &'static [u8],
    mib: &'static [u8],
    head: &'static [u8],
    piece: &'static [u8],
}

impl Answers {
    /// Makes them; they stay for the life of the process.
    pub fn new() -> Answers {
        Answers {
            small: whole(SMALL.as_bytes()),
            kib: whole(&json(1024)),
            kib64: whole(&json(64 * 1024)),
            mib: whole(&json(1024 * 1024)),
            head: Vec::leak(head(STREAMED, "application/octet-stream")),
            piece: Vec::leak(vec![b'x'; PIECE]),
        }
    }

    /// The answer for a request's head: `/1k`, `/64k`, `/1m` and `/100m`, else the small one.
    pub fn of(&self, request: &[u8]) -> Answer {
        // The method is GET or HEAD's length apart; the path begins after the first space.
        let path = request.strip_prefix(b"GET /").unwrap_or_default();
        match path {
            [b'1', b'k', ..] => Answer::Whole(self.kib),
            [b'6', b'4', b'k', ..] => Answer::Whole(self.kib64),
            [b'1', b'm', ..] => Answer::Whole(self.mib),
            [b'1', b'0', b'0', b'm', ..] => Answer::Streamed { head: self.head, piece: self.piece },
            _ => Answer::Whole(self.small),
        }
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self::new()
    }
}

fn whole(body: &[u8]) -> &'static [u8] {
    let mut answer = head(body.len(), "application/json");
    answer.extend_from_slice(body);
    Vec::leak(answer)
}

fn head(len: usize, kind: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\
         Date: Mon, 23 Nov 2026 03:00:00 GMT\r\nServer: backend\r\n\r\n"
    )
    .into_bytes()
}

/// An object of exactly `len` bytes: a list of small objects, and a text that fills it up.
fn json(len: usize) -> Vec<u8> {
    let mut body = br#"{"id":123,"name":"hello world","nested":{"x":1.5},"items":["#.to_vec();
    let item = SMALL.as_bytes();
    let end = br#"],"fill":""}"#.len();
    let mut first = true;
    while body.len() + item.len() + 1 + end <= len {
        if !first {
            body.push(b',');
        }
        first = false;
        body.extend_from_slice(item);
    }
    body.extend_from_slice(br#"],"fill":""#);
    let fill = len - body.len() - 2;
    body.resize(body.len() + fill, b'.');
    body.extend_from_slice(br#""}"#);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_length_that_they_are_called_by() {
        for (path, len) in [("/b0", 119), ("/1k", 1024), ("/64k", 65536), ("/1m", 1048576)] {
            let Answer::Whole(bytes) = Answers::new().of(format!("GET {path} HTTP/1.1").as_bytes())
            else {
                panic!("{path} is streamed")
            };
            let head = memchr::memmem::find(bytes, b"\r\n\r\n").expect("a head") + 4;
            assert_eq!(bytes.len() - head, len, "{path}");
            assert!(bytes.ends_with(b"}"));
        }
        assert!(matches!(Answers::new().of(b"GET /100m"), Answer::Streamed { .. }));
        assert_eq!(STREAMED % PIECE, 0);
    }
}

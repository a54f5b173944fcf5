//! Where an answer ends: as much of HTTP/1.1 as a load generator needs.

/// An answer on its way.
#[derive(Default)]
pub struct Message {
    /// The head, as long as it is not complete.
    head: Vec<u8>,
    body: Body,
    status: u16,
    closes: bool,
}

#[derive(Default)]
enum Body {
    /// The head is not complete.
    #[default]
    Head,
    /// So many bytes are missing.
    Left(u64),
    /// Chunks; the last bytes that came.
    Chunks([u8; 5]),
    /// To the end of the connection.
    ToClose,
}

/// What the bytes so far mean.
pub enum Progress {
    More,
    Done { status: u16, closes: bool },
    Wrong,
}

impl Message {
    /// Takes the bytes of one read; none: the connection has ended.
    pub fn take(&mut self, bytes: &[u8]) -> Progress {
        if bytes.is_empty() {
            return match self.body {
                Body::ToClose => self.done(),
                _ => Progress::Wrong,
            };
        }
        match &mut self.body {
            Body::Head if self.head.is_empty() => {
                let Some(n) = self.parse(bytes) else { return Progress::Wrong };
                if n == 0 {
                    self.head.extend_from_slice(bytes);
                    return Progress::More;
                }
                self.content(&bytes[n..])
            }
            Body::Head => {
                self.head.extend_from_slice(bytes);
                let head = std::mem::take(&mut self.head);
                match self.parse(&head) {
                    None => Progress::Wrong,
                    Some(0) => {
                        self.head = head;
                        Progress::More
                    }
                    Some(n) => self.content(&head[n..]),
                }
            }
            _ => self.content(bytes),
        }
    }

    /// The length of the head; 0 when it is not complete, `None` when it is none.
    fn parse(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        let head = match response.parse(bytes).ok()? {
            httparse::Status::Complete(head) => head,
            httparse::Status::Partial => return Some(0),
        };
        self.status = response.code?;
        self.body = Body::ToClose;
        for field in response.headers.iter() {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                self.body = Body::Left(std::str::from_utf8(field.value).ok()?.parse().ok()?);
            } else if is("transfer-encoding") {
                self.body = Body::Chunks([0; 5]);
            } else if is("connection") {
                self.closes = field.value.eq_ignore_ascii_case(b"close");
            }
        }
        Some(head)
    }

    fn content(&mut self, bytes: &[u8]) -> Progress {
        match &mut self.body {
            Body::Head => Progress::More,
            Body::Left(left) => match left.checked_sub(bytes.len() as u64) {
                Some(0) => self.done(),
                Some(still) => {
                    *left = still;
                    Progress::More
                }
                None => Progress::Wrong,
            },
            Body::Chunks(last) => {
                for byte in &bytes[bytes.len().saturating_sub(last.len())..] {
                    last.rotate_left(1);
                    last[4] = *byte;
                }
                if last == b"0\r\n\r\n" { self.done() } else { Progress::More }
            }
            Body::ToClose => {
                self.closes = true;
                Progress::More
            }
        }
    }

    fn done(&self) -> Progress {
        Progress::Done { status: self.status, closes: self.closes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_however_the_bytes_come() {
        for (case, text, expected) in [
            ("length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Some((200, false))),
            (
                "no content",
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                Some((404, false)),
            ),
            (
                "chunks",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                Some((200, false)),
            ),
            (
                "close",
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
                Some((200, true)),
            ),
            ("no head", "\x16\x03\x01\x02\x00", None),
        ] {
            for step in [1, 2, 7, text.len()] {
                let mut message = Message::default();
                let mut found = None;
                for piece in text.as_bytes().chunks(step) {
                    match message.take(piece) {
                        Progress::More => {}
                        // What follows the end is the next request's to notice.
                        Progress::Done { status, closes } => {
                            found = Some((status, closes));
                            break;
                        }
                        Progress::Wrong => {
                            found = None;
                            break;
                        }
                    }
                }
                assert_eq!(found, expected, "{case} by {step}");
            }
        }
    }

    #[test]
    fn more_than_was_announced_is_wrong() {
        let mut message = Message::default();
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab";
        assert!(matches!(message.take(text), Progress::Wrong));
    }

    #[test]
    fn without_a_length_the_end_of_the_connection_ends_it() {
        let mut message = Message::default();
        assert!(matches!(message.take(b"HTTP/1.1 200 OK\r\n\r\nabc"), Progress::More));
        assert!(matches!(message.take(b""), Progress::Done { status: 200, closes: true }));
        let mut cut = Message::default();
        assert!(matches!(
            cut.take(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
            Progress::More
        ));
        assert!(matches!(cut.take(b""), Progress::Wrong));
    }
}

//! HTTP/1.1 messages off a socket, read strictly and independently of the gateway's own codec.

use std::io::{self, Read};

/// Name and value as they stood on the wire, decoded byte for byte (ISO 8859-1).
pub type Field = (String, String);

/// Why no whole message could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The peer closed before the first byte of a message.
    Closed,
    /// The peer closed in the middle.
    Cut,
    /// RST.
    Reset,
    /// Nothing came within the read deadline of the socket.
    TimedOut,
    /// Bytes that no HTTP/1.1 message has at this place; the text says which.
    Malformed(String),
}

/// How long the body of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Bytes as a person can read them; the middle of long ones is left out.
pub fn escaped(bytes: &[u8]) -> String {
    const SHOWN: usize = 1500;
    if bytes.len() > 2 * SHOWN {
        let (head, tail) = (&bytes[..SHOWN], &bytes[bytes.len() - SHOWN..]);
        let left_out = bytes.len() - 2 * SHOWN;
        return format!("{}… {left_out} bytes …{}", escaped(head), escaped(tail));
    }
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n\n"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(*byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out
}

/// The first value of a field, its name in any case.
pub fn find<'a>(fields: &'a [Field], name: &str) -> Option<&'a str> {
    fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A stream with what was read ahead of the current message.
pub struct Incoming<S> {
    pub stream: S,
    ahead: Vec<u8>,
}

impl<S: Read> Incoming<S> {
    pub fn new(stream: S) -> Self {
        Incoming { stream, ahead: Vec::new() }
    }

    /// What came after the last message and was not read as one yet.
    pub fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Reads what is there; `Ok(0)` is the end of the stream.
    pub fn fill(&mut self) -> Result<usize, Broken> {
        let mut chunk = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(n) => {
                    self.ahead.extend_from_slice(&chunk[..n]);
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(&error)),
            }
        }
    }

    /// The bytes of a head with its blank line.
    pub fn head(&mut self) -> Result<Vec<u8>, Broken> {
        let mut from = 0;
        loop {
            if let Some(at) = position(&self.ahead[from..], b"\r\n\r\n") {
                let end = from + at + 4;
                return Ok(self.ahead.drain(..end).collect());
            }
            from = self.ahead.len().saturating_sub(3);
            if self.fill()? == 0 {
                let nothing = self.ahead.is_empty();
                return Err(if nothing { Broken::Closed } else { Broken::Cut });
            }
        }
    }

    /// Gives each piece of the body to `sink`, the bytes as framed to `raw`; returns the trailers.
    pub fn body(
        &mut self,
        framing: Framing,
        raw: &mut dyn FnMut(&[u8]),
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Vec<Field>, Broken> {
        match framing {
            Framing::None => Ok(Vec::new()),
            Framing::Length(length) => {
                self.pieces(length, &mut |piece| {
                    raw(piece);
                    sink(piece);
                })?;
                Ok(Vec::new())
            }
            Framing::UntilClose => loop {
                let piece = std::mem::take(&mut self.ahead);
                raw(&piece);
                sink(&piece);
                if self.fill()? == 0 {
                    return Ok(Vec::new());
                }
            },
            Framing::Chunked => self.chunks(raw, sink),
        }
    }

    fn chunks(
        &mut self,
        raw: &mut dyn FnMut(&[u8]),
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Vec<Field>, Broken> {
        loop {
            let line = self.line()?;
            raw(&line);
            raw(b"\r\n");
            let size = chunk_size(&line)?;
            if size == 0 {
                break;
            }
            self.pieces(size, &mut |piece| {
                raw(piece);
                sink(piece);
            })?;
            let end = self.line()?;
            if !end.is_empty() {
                return Err(Broken::Malformed(format!(
                    "after the data of a chunk: {}",
                    escaped(&end)
                )));
            }
            raw(b"\r\n");
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.line()?;
            raw(&line);
            raw(b"\r\n");
            if line.is_empty() {
                return Ok(trailers);
            }
            trailers.push(field(&line)?);
        }
    }

    /// One line without its CRLF.
    fn line(&mut self) -> Result<Vec<u8>, Broken> {
        loop {
            if let Some(at) = self.ahead.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.ahead.drain(..=at).collect();
                return match line.strip_suffix(b"\r\n") {
                    Some(line) => Ok(line.to_vec()),
                    None => Err(Broken::Malformed(format!("a bare LF: {}", escaped(&line)))),
                };
            }
            if self.fill()? == 0 {
                return Err(Broken::Cut);
            }
        }
    }

    fn pieces(&mut self, mut left: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), Broken> {
        while left > 0 {
            if self.ahead.is_empty() && self.fill()? == 0 {
                return Err(Broken::Cut);
            }
            let n = self.ahead.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&self.ahead[..n]);
            self.ahead.drain(..n);
            left -= n as u64;
        }
        Ok(())
    }
}

/// The fields of a head: token names, no folding, no bare line ends, no space before the colon.
pub fn fields(head: &[u8]) -> Result<(String, Vec<Field>), Broken> {
    let text = head
        .strip_suffix(b"\r\n\r\n")
        .ok_or_else(|| Broken::Malformed("a head without its blank line".into()))?;
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = position(rest, b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    if let Some(bad) = lines.iter().find(|l| l.iter().any(|b| matches!(b, b'\r' | b'\n' | 0))) {
        return Err(Broken::Malformed(format!("a bare CR, LF or NUL: {}", escaped(bad))));
    }
    let found = lines[1..].iter().map(|line| field(line)).collect::<Result<_, _>>()?;
    Ok((latin1(lines[0]), found))
}

fn field(line: &[u8]) -> Result<Field, Broken> {
    let bad = || Broken::Malformed(format!("not a field line: {}", escaped(line)));
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(bad)?;
    let name = &line[..colon];
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(bad());
    }
    Ok((latin1(name), latin1(line[colon + 1..].trim_ascii())))
}

/// The framing that the fields announce; both or doubled framing is refused.
pub fn announced(fields: &[Field]) -> Result<Option<Framing>, Broken> {
    let all = |name: &str| {
        fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
    };
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    let bad = || Broken::Malformed(format!("framing: {lengths:?} and {codings:?}"));
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(None),
        ([length], []) if length.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Some(Framing::Length(length.parse().map_err(|_| bad())?)))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::Chunked)),
        _ => Err(bad()),
    }
}

/// Chunk size of a line: hex digits, then perhaps an extension.
fn chunk_size(line: &[u8]) -> Result<u64, Broken> {
    let bad = || Broken::Malformed(format!("chunk size: {}", escaped(line)));
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let all_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).map_err(|_| bad())?;
    if all_hex { u64::from_str_radix(text, 16).map_err(|_| bad()) } else { Err(bad()) }
}

fn broken(error: &io::Error) -> Broken {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Broken::TimedOut,
        io::ErrorKind::UnexpectedEof => Broken::Cut,
        _ => Broken::Reset,
    }
}

pub fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

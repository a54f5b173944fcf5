//! What a client got, and the assertions on it. Each says what it wanted and shows the bytes.

use super::json;
use super::wire::{Broken, Field, Framing, Incoming, announced, escaped, fields, find, latin1};
use std::io::Read;

/// How the response ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As its framing announced.
    Complete,
    /// Not framed: the connection was closed in order, and nobody can know whether it was whole.
    Closed,
    /// The connection was closed before the announced end.
    Cut,
    /// RST before the announced end.
    Reset,
    /// Nothing more came within the deadline.
    TimedOut,
}

/// One final response, with the 1xx that came before it.
#[derive(Clone, Debug)]
pub struct Response {
    pub code: u16,
    pub reason: String,
    pub version: String,
    pub fields: Vec<Field>,
    pub bytes: Vec<u8>,
    pub trailers: Vec<Field>,
    pub end: End,
    pub interim: Vec<u16>,
    pub raw_head: Vec<u8>,
}

impl Response {
    /// Reads the next final response; `method` is that of the request.
    pub fn read<S: Read>(incoming: &mut Incoming<S>, method: &str) -> Result<Self, Broken> {
        let mut bytes = Vec::new();
        let mut response =
            Self::read_into(incoming, method, &mut |piece| bytes.extend_from_slice(piece))?;
        response.bytes = bytes;
        Ok(response)
    }

    /// As [`Response::read`], for bodies that should not be held: pieces go to `sink`.
    pub fn read_into<S: Read>(
        incoming: &mut Incoming<S>,
        method: &str,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Self, Broken> {
        let mut interim = Vec::new();
        let mut response = loop {
            let response = Self::head(incoming)?;
            if (100..200).contains(&response.code) && response.code != 101 {
                interim.push(response.code);
                continue;
            }
            break response;
        };
        response.interim = interim;
        let bodiless = method == "HEAD" || matches!(response.code, 101 | 204 | 304);
        let announced = announced(&response.fields)?;
        let framing =
            if bodiless { Framing::None } else { announced.unwrap_or(Framing::UntilClose) };
        response.end = match incoming.body(framing, &mut |_| {}, sink) {
            Ok(trailers) => {
                response.trailers = trailers;
                if framing == Framing::UntilClose { End::Closed } else { End::Complete }
            }
            Err(Broken::Cut | Broken::Closed) => End::Cut,
            Err(Broken::Reset) => End::Reset,
            Err(Broken::TimedOut) => End::TimedOut,
            Err(malformed) => return Err(malformed),
        };
        Ok(response)
    }

    fn head<S: Read>(incoming: &mut Incoming<S>) -> Result<Self, Broken> {
        let raw_head = incoming.head()?;
        let (line, fields) = fields(&raw_head)?;
        let bad = || Broken::Malformed(format!("status line: {line}"));
        let (version, rest) = line.split_once(' ').ok_or_else(bad)?;
        let (code, reason) = rest.split_once(' ').ok_or_else(bad)?;
        let three_digits = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
        if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || !three_digits {
            return Err(bad());
        }
        Ok(Response {
            code: code.parse().map_err(|_| bad())?,
            reason: reason.to_owned(),
            version: version.to_owned(),
            fields,
            bytes: Vec::new(),
            trailers: Vec::new(),
            end: End::TimedOut,
            interim: Vec::new(),
            raw_head,
        })
    }

    /// The only value of a field; fails when it is doubled.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let n = self.values(name).len();
        assert!(n <= 1, "{n} times `{name}` in\n{self}");
        find(&self.fields, name)
    }

    pub fn values(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    #[track_caller]
    pub fn status(&self, code: u16) -> &Self {
        assert_eq!(self.code, code, "the status of\n{self}");
        self
    }

    #[track_caller]
    pub fn header(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.field(name), Some(value), "`{name}` of\n{self}");
        self
    }

    #[track_caller]
    pub fn no_header(&self, name: &str) -> &Self {
        assert_eq!(self.values(name), Vec::<&str>::new(), "`{name}` of\n{self}");
        self
    }

    /// The body byte for byte, and its end as announced.
    #[track_caller]
    pub fn body(&self, expected: impl AsRef<[u8]>) -> &Self {
        let expected = expected.as_ref();
        assert!(
            self.bytes == expected,
            "the body is not what was expected\nexpected: {}\n{self}",
            escaped(expected)
        );
        self.ended()
    }

    /// The body as a JSON value: key order is free, doubled keys and the text of numbers count.
    #[track_caller]
    pub fn json(&self, expected: &str) -> &Self {
        let expected = json::canonical(expected.as_bytes()).expect("the expectation is JSON");
        let Some(found) = json::canonical(&self.bytes) else {
            panic!("the body is not JSON, expected {expected}\n{self}")
        };
        assert_eq!(found, expected, "the body of\n{self}");
        self.ended()
    }

    /// The message ended as its framing announced, or by an orderly close where it announced none.
    #[track_caller]
    pub fn ended(&self) -> &Self {
        let clean = matches!(self.end, End::Complete | End::Closed);
        assert!(clean, "the message did not end as it announced\n{self}");
        self
    }

    /// The client can see that the message is not whole.
    #[track_caller]
    pub fn broken_off(&self) -> &Self {
        let broken = matches!(self.end, End::Cut | End::Reset);
        assert!(broken, "the message seems whole but is not\n{self}");
        self
    }

    /// `X-Krakend-Completed`.
    #[track_caller]
    pub fn completed(&self, completed: bool) -> &Self {
        self.header("X-Krakend-Completed", if completed { "true" } else { "false" })
    }
}

impl std::fmt::Display for Response {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.interim.is_empty() {
            writeln!(out, "(after {:?})", self.interim)?;
        }
        write!(out, "{}{}", escaped(&self.raw_head), escaped(&self.bytes))?;
        write!(out, "\n({} bytes of body, {:?})", self.bytes.len(), self.end)?;
        for (name, value) in &self.trailers {
            write!(out, "\n(trailer) {name}: {}", latin1(value.as_bytes()))?;
        }
        Ok(())
    }
}

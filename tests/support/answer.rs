//! What a scripted backend does with one request: an answer as a person describes it, and the
//! steps on the socket that it becomes.

use super::backend::Recorded;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// One move of the backend on its socket.
#[derive(Clone, Debug)]
pub enum Step {
    /// Stays silent, but notices a peer that leaves.
    Wait(Duration),
    Send(Vec<u8>),
    /// The same bytes so often, without holding them all.
    SendTimes(Vec<u8>, u64),
    /// One piece after the other, with a pause before each.
    Drip(Vec<Vec<u8>>, Duration),
    /// Counts that it came so far: what stands before it is in the peer's socket.
    Mark(Arc<AtomicUsize>),
    /// FIN, but the connection stays readable.
    HalfClose,
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// Silent until the peer closes.
    Hang,
}

/// How the length of the body is told.
#[derive(Clone, Debug)]
enum Framing {
    Length,
    LengthIs(String),
    Chunked(usize),
    UntilClose,
}

/// One scripted answer. `answer(200).body("…")` is the plain one.
#[derive(Clone, Debug)]
pub struct Answer {
    version: &'static str,
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    echo: bool,
    framing: Framing,
    trailers: Vec<(String, String)>,
    before: Vec<u8>,
    delay: Duration,
    drip: Option<(usize, Duration)>,
    cut: Option<(usize, Ending)>,
    extra: Vec<u8>,
    close: bool,
    raw: Option<Vec<Step>>,
    pub(super) early: bool,
    pub(super) continues: bool,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Close,
    Reset,
}

pub fn answer(status: u16) -> Answer {
    Answer {
        version: "HTTP/1.1",
        status,
        fields: Vec::new(),
        body: Vec::new(),
        echo: false,
        framing: Framing::Length,
        trailers: Vec::new(),
        before: Vec::new(),
        delay: Duration::ZERO,
        drip: None,
        cut: None,
        extra: Vec::new(),
        close: false,
        raw: None,
        early: false,
        continues: true,
    }
}

/// 200 with a JSON report of the request: method, target, headers (sorted), body.
pub fn echo() -> Answer {
    Answer { echo: true, ..answer(200) }
}

/// Reads the request and never answers.
pub fn silence() -> Answer {
    Answer::steps_are([Step::Hang])
}

impl From<&str> for Answer {
    fn from(body: &str) -> Self {
        answer(200).body(body)
    }
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        answer(status)
    }
}

impl Answer {
    /// Exactly these moves.
    pub fn steps_are(steps: impl IntoIterator<Item = Step>) -> Self {
        Answer { raw: Some(steps.into_iter().collect()), ..answer(200) }
    }

    /// Exactly these bytes, the connection stays open.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::steps_are([Step::Send(bytes.into())])
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Waits before the first byte.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub fn chunked(self) -> Self {
        self.chunks_of(7)
    }

    pub fn chunks_of(mut self, size: usize) -> Self {
        self.framing = Framing::Chunked(size);
        self
    }

    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Compresses the body and says so.
    pub fn gzip(mut self) -> Self {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(&self.body).expect("memory takes bytes");
        self.body = packed.finish().expect("memory takes bytes");
        self.header("Content-Encoding", "gzip")
    }

    /// No framing: the end of the connection is the end of the body.
    pub fn until_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self
    }

    /// HTTP/1.0, closed after the answer.
    pub fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self.until_close()
    }

    /// Announces this length instead of the real one.
    pub fn length(mut self, announced: impl ToString) -> Self {
        self.framing = Framing::LengthIs(announced.to_string());
        self
    }

    /// The whole message in pieces of so many bytes, with a pause before each.
    pub fn drip(mut self, size: usize, pause: Duration) -> Self {
        self.drip = Some((size, pause));
        self
    }

    /// FIN after so many bytes of the message.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.cut = Some((bytes, Ending::Close));
        self
    }

    /// RST after so many bytes of the message.
    pub fn reset(mut self, bytes: usize) -> Self {
        self.cut = Some((bytes, Ending::Reset));
        self
    }

    /// Bytes after the end of the message.
    pub fn extra(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.extra = bytes.into();
        self
    }

    /// Bytes before the status line: 1xx responses.
    pub fn before(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.before = bytes.into();
        self
    }

    /// Answers as soon as the head is there, before the body is read.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Does not send 100 to a request that expects it.
    pub fn no_continue(mut self) -> Self {
        self.continues = false;
        self
    }

    /// Closes after the answer, without saying so beforehand.
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// How many bytes the head has: for `cut` and `reset` inside the body.
    pub fn head_len(&self, method: &str) -> usize {
        self.head(method, &self.body).len()
    }

    /// FIN after so many bytes of the body.
    pub fn cut_body(self, bytes: usize) -> Self {
        let head = self.head_len("GET");
        self.cut(head + bytes)
    }

    /// RST after so many bytes of the body.
    pub fn reset_body(self, bytes: usize) -> Self {
        let head = self.head_len("GET");
        self.reset(head + bytes)
    }

    fn head(&self, method: &str, body: &[u8]) -> Vec<u8> {
        let mut head = format!("{} {} X\r\n", self.version, self.status);
        let mut line = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        let mut typed = false;
        for (name, value) in &self.fields {
            typed |= name.eq_ignore_ascii_case("content-type");
            line(name, value);
        }
        if !typed && (!body.is_empty() || method == "HEAD") {
            line("Content-Type", "application/json");
        }
        match &self.framing {
            Framing::Chunked(_) => line("Transfer-Encoding", "chunked"),
            Framing::UntilClose => line("Connection", "close"),
            Framing::LengthIs(announced) => line("Content-Length", announced),
            Framing::Length if self.status == 204 => {}
            Framing::Length => line("Content-Length", &body.len().to_string()),
        }
        head.push_str("\r\n");
        head.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
    }

    /// The moves that answer this request.
    pub(super) fn steps(&self, request: &Recorded) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.delay.is_zero() {
            steps.push(Step::Wait(self.delay));
        }
        if let Some(raw) = &self.raw {
            steps.extend(raw.iter().cloned());
            return steps;
        }
        let body = if self.echo { report(request) } else { self.body.clone() };
        let mut message = self.before.clone();
        message.extend(self.head(&request.method, &body));
        let bodiless = request.method == "HEAD" || matches!(self.status, 204 | 304);
        if !bodiless {
            match self.framing {
                Framing::Chunked(size) => {
                    for chunk in body.chunks(size) {
                        message.extend(format!("{:x}\r\n", chunk.len()).bytes());
                        message.extend_from_slice(chunk);
                        message.extend_from_slice(b"\r\n");
                    }
                    message.extend_from_slice(b"0\r\n");
                    for (name, value) in &self.trailers {
                        message.extend(format!("{name}: {value}\r\n").bytes());
                    }
                    message.extend_from_slice(b"\r\n");
                }
                _ => message.extend_from_slice(&body),
            }
        }
        message.extend_from_slice(&self.extra);
        if let Some((bytes, _)) = self.cut {
            message.truncate(bytes);
        }
        match self.drip {
            Some((size, pause)) => {
                steps.push(Step::Drip(message.chunks(size).map(<[u8]>::to_vec).collect(), pause));
            }
            None => steps.push(Step::Send(message)),
        }
        match self.cut {
            Some((_, Ending::Reset)) => steps.push(Step::Reset),
            Some((_, Ending::Close)) => steps.push(Step::Close),
            None if self.close || matches!(self.framing, Framing::UntilClose) => {
                steps.push(Step::Close);
            }
            None => {}
        }
        steps
    }
}

fn report(request: &Recorded) -> Vec<u8> {
    let mut headers: Vec<(String, &str)> = request
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
        .collect();
    headers.sort();
    let report = serde_json::json!({
        "method": request.method,
        "target": request.target,
        "headers": headers,
        "body": super::wire::latin1(&request.body),
    });
    report.to_string().into_bytes()
}

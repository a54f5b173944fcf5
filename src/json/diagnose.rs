//! Why a document is not JSON: a plain byte-by-byte reading in the order of Go's scanner, so that
//! place and words are Go's. Runs only after the fast scanner refused; also the model it is tested
//! against.

use super::error::{JsonError, Kind, Place};
use super::scan::DEPTH_MAX;

/// The first thing wrong with a document that the scanner refused.
#[cold]
pub(super) fn diagnose(body: &[u8]) -> JsonError {
    match first_value(body) {
        Err(error) => error,
        // The two readings agree on every input (`fuzz_scan`); this keeps the refusal if not.
        Ok(_) => JsonError { kind: Kind::Cut, at: offset(body.len()) },
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// What is due next.
#[derive(Debug)]
enum State {
    /// A value; `closes`: or the end of the array that was just opened.
    Value {
        closes: bool,
    },
    /// A key; `closes`: or the end of the object that was just opened.
    Key {
        closes: bool,
    },
    Colon,
    /// A value ended: a comma or the end of the container.
    After,
}

/// Start and end of the first value.
pub(super) fn first_value(body: &[u8]) -> Result<(usize, usize), JsonError> {
    let mut diagnosis = Diagnosis::default();
    loop {
        if let Some(found) = diagnosis.run(body, usize::MAX) {
            return found;
        }
    }
}

/// The slow reading, which can stop between tokens and go on.
#[derive(Debug)]
pub(super) struct Diagnosis {
    start: usize,
    at: usize,
    /// One entry an open container: is it an object?
    open: Vec<bool>,
    state: State,
}

impl Default for Diagnosis {
    fn default() -> Self {
        let (start, at) = (usize::MAX, 0);
        Diagnosis { start, at, open: Vec::new(), state: State::Value { closes: false } }
    }
}

impl Diagnosis {
    /// Reads on for about `len` bytes: what is wrong, once it is found.
    pub(super) fn step(&mut self, body: &[u8], len: usize) -> Option<JsonError> {
        match self.run(body, len)? {
            Err(error) => Some(error),
            Ok(_) => Some(JsonError { kind: Kind::Cut, at: offset(body.len()) }),
        }
    }

    fn run(&mut self, body: &[u8], len: usize) -> Option<Result<(usize, usize), JsonError>> {
        let until = self.at.saturating_add(len);
        let mut reader = Reader { body, at: self.at };
        if self.start == usize::MAX {
            reader.skip_space();
            self.start = reader.at;
            if self.start == body.len() {
                let at = offset(self.start);
                return Some(Err(JsonError { kind: Kind::Empty, at }));
            }
        }
        while reader.at < until {
            if matches!(self.state, State::After) && self.open.is_empty() {
                return Some(Ok((self.start, reader.at)));
            }
            if let Err(error) = self.token(&mut reader) {
                return Some(Err(error));
            }
        }
        self.at = reader.at;
        None
    }

    fn token(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let open = &mut self.open;
        reader.skip_space();
        let byte = reader.peek()?;
        self.state = match (&self.state, byte) {
            (State::Value { closes: true }, b']') | (State::Key { closes: true }, b'}') => {
                reader.at += 1;
                open.pop();
                State::After
            }
            (State::Value { .. }, b'[' | b'{') => {
                if open.len() == DEPTH_MAX {
                    return Err(reader.error(Kind::TooDeep { byte }));
                }
                reader.at += 1;
                open.push(byte == b'{');
                if byte == b'{' {
                    State::Key { closes: true }
                } else {
                    State::Value { closes: true }
                }
            }
            (State::Value { .. }, _) => {
                reader.scalar()?;
                State::After
            }
            (State::Key { .. }, b'"') => {
                reader.string()?;
                State::Colon
            }
            (State::Key { .. }, _) => return Err(reader.unexpected(byte, Place::KeyStart)),
            (State::Colon, b':') => {
                reader.at += 1;
                State::Value { closes: false }
            }
            (State::Colon, _) => return Err(reader.unexpected(byte, Place::AfterKey)),
            (State::After, _) => {
                reader.at += 1;
                let in_object = open.last().copied().unwrap_or_default();
                match (byte, in_object) {
                    (b',', true) => State::Key { closes: false },
                    (b',', false) => State::Value { closes: false },
                    (b'}', true) | (b']', false) => {
                        open.pop();
                        State::After
                    }
                    (_, in_object) => {
                        reader.at -= 1;
                        let place =
                            if in_object { Place::AfterMember } else { Place::AfterElement };
                        return Err(reader.unexpected(byte, place));
                    }
                }
            }
        };
        Ok(())
    }
}

struct Reader<'b> {
    body: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn error(&self, kind: Kind) -> JsonError {
        JsonError { kind, at: offset(self.at) }
    }

    fn unexpected(&self, byte: u8, place: Place) -> JsonError {
        self.error(Kind::Unexpected { byte, place })
    }

    fn peek(&self) -> Result<u8, JsonError> {
        self.body.get(self.at).copied().ok_or_else(|| self.error(Kind::Cut))
    }

    fn next_is(&self, allowed: &[u8]) -> bool {
        self.body.get(self.at).is_some_and(|byte| allowed.contains(byte))
    }

    fn skip_space(&mut self) {
        while self.next_is(b" \t\r\n") {
            self.at += 1;
        }
    }

    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek()? {
            b'"' => self.string(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number(),
            byte => Err(self.unexpected(byte, Place::ValueStart)),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        for due in word.bytes() {
            let byte = self.peek()?;
            if byte != due {
                return Err(self.unexpected(byte, Place::InLiteral { word, due }));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self, place: Place) -> Result<(), JsonError> {
        let byte = self.peek()?;
        if !byte.is_ascii_digit() {
            return Err(self.unexpected(byte, place));
        }
        while self.next_is(b"0123456789") {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.next_is(b"-") {
            self.at += 1;
        }
        if self.next_is(b"0") {
            self.at += 1;
        } else {
            self.digits(Place::InNumber)?;
        }
        if self.next_is(b".") {
            self.at += 1;
            self.digits(Place::AfterDecimalPoint)?;
        }
        if self.next_is(b"eE") {
            self.at += 1;
            if self.next_is(b"+-") {
                self.at += 1;
            }
            self.digits(Place::InExponent)?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            let byte = self.peek()?;
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                0..=0x1f => return Err(self.unexpected(byte, Place::InString)),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let byte = self.peek()?;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    let digit = self.peek()?;
                    if !digit.is_ascii_hexdigit() {
                        return Err(self.unexpected(digit, Place::InHexEscape));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.unexpected(byte, Place::InEscape)),
        }
        Ok(())
    }
}

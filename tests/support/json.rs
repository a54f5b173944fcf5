//! JSON as a canonical text: keys sorted, doubled keys kept in their order, numbers as they were
//! written, arrays in order. Lenient as the recorder of the compat answers was: it takes NaN and
//! Infinity, and keeps lone surrogates visible.

/// A string as its code points in UTF-8, where a lone surrogate takes the three bytes that UTF-8
/// would give it: so that strings sort by code point and nothing is lost.
type Text = Vec<u8>;

enum Value {
    /// Literals and numbers: their text.
    Plain(String),
    Text(Text),
    Array(Vec<Value>),
    Object(Vec<(Text, Value)>),
}

/// Deeper documents are not taken for JSON: the recorder stopped there too.
const DEPTH_MAX: usize = 900;

/// The canonical form, or nothing when it is not one JSON value.
pub fn canonical(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    if reader.at != reader.bytes.len() {
        return None;
    }
    let mut out = String::new();
    write(value, &mut out);
    Some(out)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => Some(Value::Text(self.string()?)),
            _ => {
                for word in ["true", "false", "null", "NaN", "Infinity", "-Infinity"] {
                    if self.take(word) {
                        return Some(Value::Plain(word.to_owned()));
                    }
                }
                self.number()
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.take("}") {
            return Some(Value::Object(members));
        }
        loop {
            self.space();
            if self.peek()? != b'"' {
                return None;
            }
            let key = self.string()?;
            self.space();
            if !self.take(":") {
                return None;
            }
            self.space();
            members.push((key, self.value(depth + 1)?));
            self.space();
            if self.take("}") {
                return Some(Value::Object(members));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take("]") {
            return Some(Value::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Some(Value::Array(items));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Value> {
        let from = self.at;
        self.take("-");
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.bytes[from..self.at]).ok()?;
        Some(Value::Plain(text.to_owned()))
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn string(&mut self) -> Option<Text> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(out),
                b'\\' => self.escape(&mut out)?,
                0x00..=0x1f => return None,
                other => out.push(other),
            }
        }
    }

    fn escape(&mut self, out: &mut Text) -> Option<()> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' => out.push(byte),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let mut code = self.hex()?;
                if (0xd800..0xdc00).contains(&code) && self.bytes[self.at..].starts_with(b"\\u") {
                    let before = self.at;
                    self.at += 2;
                    match self.hex()? {
                        low @ 0xdc00..0xe000 => {
                            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                        }
                        _ => self.at = before,
                    }
                }
                push_code_point(out, code);
            }
            _ => return None,
        }
        Some(())
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }
}

fn push_code_point(out: &mut Text, code: u32) {
    match char::from_u32(code) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[
            0xe0 | (code >> 12) as u8,
            0x80 | ((code >> 6) & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
    }
}

fn write(value: Value, out: &mut String) {
    match value {
        Value::Plain(text) => out.push_str(&text),
        Value::Text(text) => write_text(&text, out),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(mut members) => {
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            out.push('{');
            for (n, (key, member)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_text(&key, out);
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &[u8], out: &mut String) {
    out.push('"');
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, bad) = match std::str::from_utf8(rest) {
            Ok(all) => (all, false),
            Err(error) => {
                (std::str::from_utf8(&rest[..error.valid_up_to()]).expect("valid so far"), true)
            }
        };
        for c in plain.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                control if u32::from(control) < 0x20 => {
                    out.push_str(&format!("\\u{:04x}", u32::from(control)));
                }
                other => out.push(other),
            }
        }
        rest = &rest[plain.len()..];
        if bad {
            // Only lone surrogates are not UTF-8 here: three bytes each.
            let code = (u32::from(rest[0] & 0x0f) << 12)
                | (u32::from(rest[1] & 0x3f) << 6)
                | u32::from(rest[2] & 0x3f);
            out.push_str(&format!("\\u{code:04x}"));
            rest = &rest[3..];
        }
    }
    out.push('"');
}

#[test]
fn canonical_forms() {
    for (case, input, expected) in [
        ("keys are sorted", r#"{"b":1,"a":2}"#, Some(r#"{"a":2,"b":1}"#)),
        ("doubled keys stay", r#"{"b":1,"a":1,"a":2}"#, Some(r#"{"a":1,"a":2,"b":1}"#)),
        ("number text", "[1.0,-0,1E+3]", Some("[1.0,-0,1E+3]")),
        ("escapes", r#""a\u0041\/\n\u0001é""#, Some("\"aA/\\n\\u0001é\"")),
        ("a pair", r#""\ud83d\ude00""#, Some("\"😀\"")),
        ("a lone surrogate", r#""x\ud800y""#, Some(r#""x\ud800y""#)),
        ("a surrogate sorts by code point", r#"{"\ud800":1,"é":2}"#, Some(r#"{"é":2,"\ud800":1}"#)),
        ("trailing bytes", "{} x", None),
        ("leading zero", "[01]", None),
        ("control", "\"\u{1}\"", None),
        ("half", "{\"a\":", None),
    ] {
        assert_eq!(canonical(input.as_bytes()).as_deref(), expected, "{case}");
    }
}

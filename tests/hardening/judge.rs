//! A strict reader of RFC 9112 that shares nothing with the gateway: what the bytes of a connection
//! mean, message by message, and where they stop meaning anything. The families compare the gateway
//! with it. What RFC 9112 leaves to the receiver is decided as docs/reference/hardening.md says.

use crate::support::wire::{Field, latin1, position};

/// One message, as everybody must read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Method and target, or the status.
    pub start: [String; 2],
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
}

/// How the bytes end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With a message.
    Used,
    /// A message closes the connection: what follows it is not read.
    Closes,
    /// What follows is no message.
    Refused(&'static str),
    /// In the middle of a head that is good so far.
    CutHead,
    /// The head is good, the content is not.
    BadBody(Message),
    /// In the middle of content that is good so far.
    CutBody(Message),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub messages: Vec<Message>,
    pub end: End,
}

const LEADING_LINES_MAX: usize = 2;

/// The requests of a client that sends these bytes and ends its side.
pub fn requests(bytes: &[u8]) -> Reading {
    let mut messages = Vec::new();
    let mut rest = bytes;
    loop {
        let mut n_empty = 0;
        while let [b'\r', b'\n', after @ ..] = rest {
            n_empty += 1;
            rest = after;
            if n_empty > LEADING_LINES_MAX {
                return Reading { messages, end: End::Refused("empty lines") };
            }
        }
        if rest.is_empty() || rest == b"\r" {
            return Reading { messages, end: End::Used };
        }
        match request(rest) {
            Ok((message, used, closes)) => {
                messages.push(message);
                rest = &rest[used..];
                if closes {
                    return Reading { messages, end: End::Closes };
                }
            }
            Err(end) => return Reading { messages, end },
        }
    }
}

fn request(bytes: &[u8]) -> Result<(Message, usize, bool), End> {
    let (line, fields, head_len) = head(bytes)?;
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else { return Err(End::Refused("request line")) };
    if !is_token(method) || method.len() > 32 || !is_target(target) {
        return Err(End::Refused("method or target"));
    }
    let is_old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(End::Refused("version")),
    };
    let all = |name: &str| values(&fields, name);
    match all("host")[..] {
        [host] if is_host(host) => {}
        [] if is_old => {}
        _ => return Err(End::Refused("Host")),
    }
    let framing = framing(&fields, is_old, false)?;
    match all("expect")[..] {
        [] => {}
        [one] if one.eq_ignore_ascii_case("100-continue") => {}
        _ => return Err(End::Refused("Expect")),
    }
    let options = list(&all("connection"));
    let has = |option: &str| options.iter().any(|one| one.eq_ignore_ascii_case(option));
    let upgrades = !is_old && has("upgrade") && !list(&all("upgrade")).is_empty();
    if upgrades && !matches!(framing, Framing::None | Framing::Length(0)) {
        return Err(End::Refused("Upgrade with content"));
    }
    let closes = has("close") || is_old && !has("keep-alive");
    let start = [latin1(method), latin1(target)];
    let message = Message { start, fields, body: Vec::new() };
    let (message, used) = body(message, framing, &bytes[head_len..])?;
    Ok((message, head_len + used, closes))
}

/// What a backend answers with these bytes to GET before it ends its side: the final response, and
/// whether its connection may be used again.
pub fn response(bytes: &[u8]) -> Result<(Message, bool), End> {
    let mut rest = bytes;
    for _ in 0..=16 {
        let (line, fields, head_len) = head(rest)?;
        let (version, after) = line.split_at_checked(9).ok_or(End::Refused("status line"))?;
        let is_old = match version {
            b"HTTP/1.1 " => false,
            b"HTTP/1.0 " => true,
            _ => return Err(End::Refused("version")),
        };
        // Without the blank before an empty reason is common: Go takes it, and so do we.
        let (code, reason) = after.split_at_checked(3).ok_or(End::Refused("status"))?;
        let is_status = code.iter().all(u8::is_ascii_digit) && code[0] != b'0';
        let is_reason = reason.is_empty() || reason[0] == b' ' && is_value(&reason[1..]);
        if !is_status || !is_reason {
            return Err(End::Refused("status line"));
        }
        let framing = framing(&fields, is_old, true)?;
        if code[0] == b'1' {
            if code == b"101" {
                return Err(End::Refused("a switch"));
            }
            rest = &rest[head_len..];
            continue;
        }
        let options = list(&values(&fields, "connection"));
        let has = |option: &str| options.iter().any(|one| one.eq_ignore_ascii_case(option));
        let mut keeps = !has("close") && (!is_old || has("keep-alive"));
        let bodiless = matches!(code, b"204" | b"304");
        let start = [latin1(code), String::new()];
        let mut message = Message { start, fields, body: Vec::new() };
        let after = &rest[head_len..];
        let used = match framing {
            _ if bodiless => 0,
            Framing::None => {
                message.body = after.to_vec();
                keeps = false;
                after.len()
            }
            framing => {
                let (whole, used) = body(message, framing, after)?;
                message = whole;
                used
            }
        };
        return Ok((message, keeps && used == after.len()));
    }
    Err(End::Refused("interim responses"))
}

/// The start line, the fields, and how many bytes they and the empty line have.
fn head(bytes: &[u8]) -> Result<(&[u8], Vec<Field>, usize), End> {
    let mut lines = Vec::new();
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let Some(len) = rest.iter().position(|byte| *byte == b'\n') else {
            // What is there may be bad already; the caller of a cut head takes both answers.
            return Err(End::CutHead);
        };
        let line = rest[..len].strip_suffix(b"\r").ok_or(End::Refused("a bare LF"))?;
        if line.contains(&b'\r') {
            return Err(End::Refused("a bare CR"));
        }
        at += len + 1;
        if line.is_empty() && !lines.is_empty() {
            break;
        }
        // A head is refused at its first bad line, however it goes on.
        if !lines.is_empty() {
            lines.push((line, Some(field(line).ok_or(End::Refused("a field line"))?)));
        } else {
            lines.push((line, None));
        }
    }
    let start = lines[0].0;
    Ok((start, lines.into_iter().filter_map(|(_, field)| field).collect(), at))
}

fn field(line: &[u8]) -> Option<Field> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    (is_token(name) && is_value(value)).then(|| (latin1(name), latin1(value)))
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

fn framing(fields: &[Field], is_old: bool, is_response: bool) -> Result<Framing, End> {
    let (mut lengths, codings) =
        (values(fields, "content-length"), values(fields, "transfer-encoding"));
    let digits = |text: &&str| {
        !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !lengths.iter().all(digits) {
        return Err(End::Refused("a length"));
    }
    if is_response {
        // RFC 9110 section 8.6 lets equal ones be taken for one.
        let number = |text: &&str| text.trim_start_matches('0').to_owned();
        lengths.dedup_by_key(|text| number(text));
    }
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Framing::None),
        // Too large for memory is too large for the bytes of any test.
        ([length], []) => Ok(Framing::Length(length.parse().unwrap_or(usize::MAX))),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && !is_old => Ok(Framing::Chunked),
        _ => Err(End::Refused("framing")),
    }
}

fn body(mut message: Message, framing: Framing, bytes: &[u8]) -> Result<(Message, usize), End> {
    let used = match framing {
        Framing::None => 0,
        Framing::Length(length) => match bytes.get(..length) {
            Some(body) => {
                message.body = body.to_vec();
                length
            }
            None => {
                message.body = bytes.to_vec();
                return Err(End::CutBody(message));
            }
        },
        Framing::Chunked => {
            let mut at = 0;
            match chunks(bytes, &mut at, &mut message.body) {
                Chunks::Whole => at,
                Chunks::Cut => return Err(End::CutBody(message)),
                Chunks::Bad => return Err(End::BadBody(message)),
            }
        }
    };
    Ok((message, used))
}

enum Chunks {
    Whole,
    Cut,
    Bad,
}

fn chunks(bytes: &[u8], at: &mut usize, content: &mut Vec<u8>) -> Chunks {
    loop {
        let line = match line(bytes, at) {
            Ok(line) => line,
            Err(chunks) => return chunks,
        };
        let n_digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(n_digits);
        let is_good =
            (1..=16).contains(&n_digits) && line.len() + 2 <= 256 && is_extension(extension);
        let size =
            std::str::from_utf8(size).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        let Some(size) = size.filter(|_| is_good) else { return Chunks::Bad };
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let rest = &bytes[*at..];
        let Some(data) = rest.get(..size) else {
            content.extend_from_slice(rest);
            return Chunks::Cut;
        };
        content.extend_from_slice(data);
        *at += size;
        match &bytes[*at..] {
            [b'\r', b'\n', ..] => *at += 2,
            [] | [b'\r'] => return Chunks::Cut,
            _ => return Chunks::Bad,
        }
    }
    let (from, mut n_fields) = (*at, 0);
    loop {
        match line(bytes, at) {
            Ok([]) => return Chunks::Whole,
            Ok(line) => {
                n_fields += 1;
                if field(line).is_none() || n_fields > 32 || *at - from > 8 * 1024 {
                    return Chunks::Bad;
                }
            }
            Err(chunks) => return chunks,
        }
    }
}

/// One line of the coding, ended by CRLF and with no other line end in it.
fn line<'b>(bytes: &'b [u8], at: &mut usize) -> Result<&'b [u8], Chunks> {
    let rest = &bytes[*at..];
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        // A control byte makes it bad however it goes on.
        let is_bad = rest.iter().rev().skip(1).any(|byte| *byte == b'\r');
        return Err(if is_bad { Chunks::Bad } else { Chunks::Cut });
    };
    let line = rest[..end].strip_suffix(b"\r").filter(|line| !line.contains(&b'\r'));
    *at += end + 1;
    line.ok_or(Chunks::Bad)
}

/// `*( ";" name [ "=" value ] )`; no blanks, which are bad whitespace (RFC 9112 section 7.1.1).
fn is_extension(mut text: &[u8]) -> bool {
    let word = |text: &[u8]| text.iter().take_while(|byte| is_token(&[**byte])).count();
    while let [b';', rest @ ..] = text {
        let n = word(rest);
        if n == 0 {
            return false;
        }
        text = &rest[n..];
        if let [b'=', rest @ ..] = text {
            text = match rest {
                [b'"', quoted @ ..] => match quoted_end(quoted) {
                    Some(len) => &quoted[len..],
                    None => return false,
                },
                _ if word(rest) > 0 => &rest[word(rest)..],
                _ => return false,
            };
        }
    }
    text.is_empty()
}

fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if is_value(&[*text.get(at + 1)?]) => at += 2,
            byte if is_value(&[*byte]) => at += 1,
            _ => return None,
        }
    }
}

fn values<'a>(fields: &'a [Field], name: &str) -> Vec<&'a str> {
    fields
        .iter()
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect()
}

fn list(values: &[&str]) -> Vec<String> {
    let elements = values.iter().flat_map(|value| value.split(','));
    let elements = elements.map(|element| element.trim_matches([' ', '\t']).to_owned());
    elements.filter(|element| !element.is_empty()).collect()
}

fn is_token(text: &[u8]) -> bool {
    let is_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_byte)
}

fn is_value(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The origin form, which is all that the families use; UTF-8 over 0x7f is taken as Go takes it.
fn is_target(text: &[u8]) -> bool {
    text.starts_with(b"/")
        && text.iter().all(|byte| matches!(byte, b'!'..=b'~' | 0x80..) && *byte != b'#')
        && std::str::from_utf8(text).is_ok()
}

/// A name and perhaps a port; the families use no addresses in brackets.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_port = |port: &str| {
        port.len() <= 5
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u32>().is_ok_and(|port| (1..=65535).contains(&port))
    };
    !name.is_empty() && name.bytes().all(is_byte) && port.is_none_or(is_port)
}

#[test]
fn what_requests_mean() {
    let host = "Host: gw\r\n";
    for (what, bytes, n, end) in [
        ("one", format!("GET / HTTP/1.1\r\n{host}\r\n"), 1, "Used"),
        ("two", format!("GET / HTTP/1.1\r\n{host}\r\n").repeat(2), 2, "Used"),
        ("content", format!("POST / HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\nhi"), 1, "Used"),
        ("cut content", format!("POST / HTTP/1.1\r\n{host}Content-Length: 3\r\n\r\nhi"), 0, "CutB"),
        (
            "both",
            format!(
                "POST / HTTP/1.1\r\n{host}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi"
            ),
            0,
            "Refused",
        ),
        (
            "chunks",
            format!(
                "POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nhi\r\n0\r\n\r\n"
            ),
            1,
            "Used",
        ),
        (
            "bad chunks",
            format!(
                "POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n"
            ),
            0,
            "BadBody",
        ),
        ("1.0 closes", format!("GET / HTTP/1.0\r\n{host}\r\nGET /"), 1, "Closes"),
        ("half a head", format!("GET / HTTP/1.1\r\n{host}"), 0, "CutHead"),
        ("a bare CR", "GET / HTTP/1.1\r\nHost: g\rw\r\n\r\n".into(), 0, "Refused"),
        ("folded", format!("GET / HTTP/1.1\r\n{host} x: y\r\n\r\n"), 0, "Refused"),
    ] {
        let found = requests(bytes.as_bytes());
        let shown = format!("{:?}", found.end);
        assert!(found.messages.len() == n && shown.starts_with(end), "{what}: {found:?}");
    }
    assert!(position(b"abc", b"c").is_some());
}

#[test]
fn what_responses_mean() {
    for (what, bytes, expected) in [
        ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Some(("hi", true))),
        ("surplus", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!", Some(("hi", false))),
        ("to the end", "HTTP/1.1 200 OK\r\n\r\nhi", Some(("hi", false))),
        ("interim", "HTTP/1.1 103\r\n\r\nHTTP/1.1 204\r\n\r\n", Some(("", true))),
        ("cut", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", None),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
            None,
        ),
    ] {
        let found = response(bytes.as_bytes()).ok();
        let found =
            found.as_ref().map(|(m, keeps)| (std::str::from_utf8(&m.body).expect("text"), *keeps));
        assert_eq!(found, expected, "{what}");
    }
}

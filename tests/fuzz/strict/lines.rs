//! Lines and fields.

use super::{Field, Why, is_token};

/// Cuts the first line off: only CRLF ends one, and neither half of it stands anywhere else.
pub fn line(text: &[u8]) -> Result<(&[u8], &[u8]), Why> {
    let Some(lf) = text.iter().position(|byte| *byte == b'\n') else {
        // A CR that is not the last byte cannot become a line end any more.
        let inner = text.split_last().map_or(&b""[..], |(_, inner)| inner);
        return Err(if inner.contains(&b'\r') { Why::Ambiguous("bare CR") } else { Why::More });
    };
    let Some(line) = text[..lf].strip_suffix(b"\r") else {
        return Err(Why::Ambiguous("bare LF"));
    };
    if line.contains(&b'\r') {
        return Err(Why::Ambiguous("bare CR"));
    }
    Ok((line, &text[lf + 1..]))
}

/// Field lines up to the empty one, and what follows it.
pub fn fields(mut text: &[u8]) -> Result<(Vec<Field>, &[u8]), Why> {
    let mut fields = Vec::new();
    loop {
        let (line, rest) = line(text)?;
        text = rest;
        if line.is_empty() {
            return Ok((fields, text));
        }
        fields.push(field(line)?);
    }
}

fn field(line: &[u8]) -> Result<Field, Why> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(Why::Ambiguous("folded line"));
    }
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or(Why::Ambiguous("no colon"))?);
    if !is_token(name) {
        return Err(Why::Ambiguous("name"));
    }
    let value = trimmed(&value[1..]);
    if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
        return Err(Why::Ambiguous("control byte in a value"));
    }
    Ok((name.to_vec(), value.to_vec()))
}

pub fn trimmed(value: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = value.iter().position(|byte| !is_blank(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !is_blank(byte)).map_or(from, |at| at + 1);
    &value[from..to]
}

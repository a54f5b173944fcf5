//! Text in double quotes as Go's `strconv.Quote` writes it: in error bodies, log lines and messages.
//! Knows no log and no header. Source: docs/reference/lura-core.md 2.5 and 7.

/// Appends `text` quoted: printable Unicode stays, `\a \b \f \n \r \t \v \\ \"` are short escapes,
/// other control characters are `\x..` below U+0080 and `\u....` or `\U........` above, bytes that
/// are no UTF-8 are `\x..`.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            quote_char(letter, out);
        }
        for byte in chunk.invalid() {
            hex(u32::from(*byte), 'x', 2, out);
        }
    }
    out.push(b'"');
}

fn quote_char(letter: char, out: &mut Vec<u8>) {
    let short = match letter {
        '\u{7}' => b'a',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{b}' => b'v',
        '\\' => b'\\',
        '"' => b'"',
        _ if is_printable(letter) => {
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            return;
        }
        _ => {
            let code = u32::from(letter);
            match code {
                0..0x80 => hex(code, 'x', 2, out),
                0x80..0x1_0000 => hex(code, 'u', 4, out),
                _ => hex(code, 'U', 8, out),
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space. The standard library keeps
/// that table behind `escape_debug`; a letter in front hides its extra rule for leading marks.
fn is_printable(letter: char) -> bool {
    if letter.is_ascii() {
        return matches!(letter, ' '..='~');
    }
    let mut text = [0; 5];
    text[0] = b'a';
    let len = letter.encode_utf8(&mut text[1..]).len();
    std::str::from_utf8(&text[..=len]).is_ok_and(|text| text.escape_debug().nth(1) == Some(letter))
}

fn hex(code: u32, kind: char, digits: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'\\', kind as u8]);
    for at in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(code >> (4 * at)) as usize & 0xf]);
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn quotes_as_go_does() {
        // The right-hand side is what Go 1.26 printed for strconv.Quote.
        for (text, expected) in [
            (&b""[..], r#""""#),
            (b"/a b?c=d", r#""/a b?c=d""#),
            (b"say \"hi\" \\ there", r#""say \"hi\" \\ there""#),
            (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            (b"\0\x01\x1b\x7f", r#""\x00\x01\x1b\x7f""#),
            ("caf\u{e9} \u{20ac} \u{1f600}".as_bytes(), "\"caf\u{e9} \u{20ac} \u{1f600}\""),
            ("a\u{301}".as_bytes(), "\"a\u{301}\""),
            ("\u{301}".as_bytes(), "\"\u{301}\""),
            (
                "\u{a0}\u{ad}\u{200b}\u{2028}\u{feff}".as_bytes(),
                r#""\u00a0\u00ad\u200b\u2028\ufeff""#,
            ),
            ("\u{85}\u{e000}\u{10ffff}".as_bytes(), r#""\u0085\ue000\U0010ffff""#),
            (b"%\xff", r#""%\xff""#),
            (b"\xc0\xaf\xe2\x82", r#""\xc0\xaf\xe2\x82""#),
            ("\u{fffd}".as_bytes(), "\"\u{fffd}\""),
        ] {
            let mut out = Vec::new();
            quote(text, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{text:?}");
        }
    }
}

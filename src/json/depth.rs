//! A tighter bound on nesting than the scanner's own: one more pass over the body, only where the
//! operator asks for it. Knows strings and brackets, nothing else: whether it is JSON at all is for
//! the scanner to say.

use super::error::{JsonError, Kind};

/// Whether the first value of `body` has at most `levels` arrays and objects inside each other.
pub fn within(body: &[u8], levels: u32) -> Result<(), JsonError> {
    let mut depth: u32 = 0;
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => at = string_end(body, at),
            b'[' | b'{' if depth == levels => {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                return Err(JsonError { kind: Kind::TooDeep { byte }, at });
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth <= 1 => break,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The offset of the quote that ends the string which begins at `at`, or the end of the body.
fn string_end(body: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(found) = body.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if body.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        for (case, body, deepest) in [
            ("a number", "1", 0),
            ("an empty object", "{}", 1),
            ("an array in an object", r#"{"a":[1,2],"b":[3]}"#, 2),
            ("brackets in strings", r#"{"[[[[":"]]]\"[[\\","b":"{"}"#, 1),
            ("side by side", "[[],[],[],[]]", 2),
            ("deep", "[[[[[[[[[[]]]]]]]]]]", 10),
            ("what follows is not looked at", "[] [[[[", 1),
            ("a string that does not end", "[\"[[[[", 1),
            ("an escape at the end", "[\"\\", 1),
        ] {
            assert_eq!(within(body.as_bytes(), deepest), Ok(()), "{case}");
            if deepest > 0 {
                assert!(within(body.as_bytes(), deepest - 1).is_err(), "{case}");
            }
        }
    }
}

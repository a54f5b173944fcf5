//! Paths: decoded for routing, and encoded again for a backend byte for byte as Go's
//! `url.Parse(host + path).RequestURI()` does, which is how KrakenD sends them
//! (docs/reference/lura-core.md 2.4, 3.2, 3.3). The tables of the tests come from Go and from
//! recorded answers of KrakenD.

use memchr::memchr;

use super::percent::{self, BadEscape, Plus, escaped, hex, is_unreserved};

/// A decoded path, and what routing must know about how it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    pub path: &'a [u8],
    /// Some `/` was written `%2F`: such a path never matches a parameter.
    pub has_encoded_slash: bool,
    /// It holds a NUL: 400.
    pub has_nul: bool,
}

/// Decodes a path as Go's `PathUnescape`. Borrows where nothing is encoded, else fills `scratch`,
/// whose former content is lost.
pub fn decode<'a>(raw: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Decoded<'a>, BadEscape> {
    if memchr(b'%', raw).is_none() {
        return Ok(Decoded { path: raw, has_encoded_slash: false, has_nul: false });
    }
    scratch.clear();
    percent::decode(raw, Plus::Plus, scratch)?;
    let slashes = |text: &[u8]| text.iter().filter(|byte| **byte == b'/').count();
    let has_encoded_slash = slashes(raw) != slashes(scratch);
    let has_nul = memchr(0, scratch).is_some();
    Ok(Decoded { path: scratch, has_encoded_slash, has_nul })
}

/// Appends a decoded path as Go's `URL.EscapedPath` writes it when it knows nothing else.
pub fn encode(decoded: &[u8], out: &mut Vec<u8>) {
    for byte in decoded {
        if is_plain(*byte) { out.push(*byte) } else { percent::push_escaped(*byte, out) }
    }
}

/// Appends a decoded path as it goes to a backend: `push_value`, then `finish`.
pub fn wire_path(decoded: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    push_value(decoded, out);
    // `push_value` has escaped each `%`, so there is no bad escape to find.
    let finished = finish(out, from);
    debug_assert!(finished.is_ok());
}

/// Appends a parameter's value into a path that `finish` will complete. What would end the path or
/// read as an escape is escaped; KrakenD lets it through or fails (docs/reference/lura-core.md 3.2).
pub fn push_value(value: &[u8], out: &mut Vec<u8>) {
    for byte in value {
        if matches!(byte, b'%' | b'?' | b'#' | 0..=0x1f | 0x7f) {
            percent::push_escaped(*byte, out);
        } else {
            out.push(*byte);
        }
    }
}

/// Completes the path that stands in `out[from..]`, a pattern's own text (which may hold escapes)
/// with values put in by `push_value`. As in Go, a path of which every byte may stand in a path is
/// sent as it is; one bad byte anywhere, and all of it is decoded and encoded by the narrower set of
/// `encode`: `[` stays alone, but becomes `%5B` beside a space. An empty path becomes `/`.
pub fn finish(out: &mut Vec<u8>, from: usize) -> Result<(), BadEscape> {
    let path = out.get(from..).unwrap_or_default();
    percent::check(path)?;
    if path.is_empty() {
        out.push(b'/');
    } else if !path.iter().all(|byte| is_valid_encoded(*byte)) {
        decode_tail(out, from);
        encode_tail(out, from);
    }
    Ok(())
}

/// Whether a value can be put into a path without changing how the rest is sent. For the plan: with
/// only such values and a pattern that `finish` left alone, `finish` has nothing to do.
#[inline]
pub fn is_wire_safe(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte != b'%' && is_valid_encoded(*byte))
}

/// Decodes `out[from..]`, whose escapes are sound, where it stands.
fn decode_tail(out: &mut Vec<u8>, from: usize) {
    let (mut read_at, mut write_at) = (from, from);
    while let Some([byte, rest @ ..]) = out.get(read_at..) {
        let escape = match (byte, rest) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let (decoded, len) = match escape {
            Some((high, low)) => (high << 4 | low, 3),
            None => (*byte, 1),
        };
        out[write_at] = decoded; // `write_at` never passes `read_at`
        write_at += 1;
        read_at += len;
    }
    out.truncate(write_at);
}

/// Encodes `out[from..]` where it stands, from its end so that nothing is overwritten unread.
fn encode_tail(out: &mut Vec<u8>, from: usize) {
    let tail = out.get(from..).unwrap_or_default();
    let n_escapes = tail.iter().filter(|byte| !is_plain(**byte)).count();
    let mut read_at = out.len();
    out.resize(read_at + 2 * n_escapes, 0);
    let mut write_at = out.len();
    while write_at > read_at {
        // While two cursors differ there is an escape to the left of `read_at`, so it is over `from`.
        read_at -= 1;
        let byte = out[read_at];
        if is_plain(byte) {
            write_at -= 1;
            out[write_at] = byte;
        } else {
            write_at -= 3;
            out[write_at..write_at + 3].copy_from_slice(&escaped(byte));
        }
    }
}

/// What Go's `escape` leaves in a path.
const fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@')
}

/// What Go's `validEncoded` accepts in a path that was written by somebody else.
const fn is_valid_encoded(byte: u8) -> bool {
    is_plain(byte) || matches!(byte, b'!' | b'\'' | b'(' | b')' | b'*' | b'[' | b']' | b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(path: &[u8]) -> Option<Vec<u8>> {
        let mut out = [b"head ", path].concat();
        finish(&mut out, 5).ok()?;
        Some(out.split_off(5))
    }

    /// Printed by Go 1.26: which bytes `(&url.URL{Path: p}).EscapedPath()` leaves, and which
    /// `url.Parse("http://h" + p)` hands on through `RequestURI()`.
    #[test]
    fn each_byte_is_written_as_go_writes_it() {
        let escaped_path =
            b"$&+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
        let parsed =
            b"!$&'()*+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~";
        for byte in 0..=255u8 {
            let path = [b'/', b'a', byte];
            let escaped = format!("/a%{byte:02X}").into_bytes();
            let mut out = Vec::new();
            encode(&path, &mut out);
            let expected = if escaped_path.contains(&byte) { &path[..] } else { &escaped };
            assert_eq!(out, expected, "encode {byte:02x}");

            // Go fails on controls and `%`, and ends the path at `?` and `#`: there we escape.
            out.clear();
            wire_path(&path, &mut out);
            let expected = if parsed.contains(&byte) { &path[..] } else { &escaped };
            assert_eq!(out, expected, "wire {byte:02x}");
        }
    }

    /// Printed by Go 1.26: `url.Parse("http://h:1" + p)`, then `RequestURI()`.
    #[test]
    fn whole_paths_are_written_as_go_writes_them() {
        for (path, expected) in [
            ("/a b[1]", Some("/a%20b%5B1%5D")),
            ("/[1]", Some("/[1]")),
            ("/a%20b", Some("/a%20b")),
            ("/a%2fb", Some("/a%2fb")),
            ("/%41", Some("/%41")),
            ("/%41 b", Some("/A%20b")),
            ("/a%2Fb c", Some("/a/b%20c")),
            ("/a!b c", Some("/a%21b%20c")),
            ("/x'(y)*", Some("/x'(y)*")),
            ("/\u{e9}", Some("/%C3%A9")),
            ("/\u{e9}[", Some("/%C3%A9%5B")),
            ("/a%", None),
            ("/a%zz", None),
            ("", Some("/")),
            ("/a;b,c", Some("/a;b,c")),
            ("/a\\b", Some("/a%5Cb")),
            ("/%7B%7B.X%7D%7D", Some("/%7B%7B.X%7D%7D")),
            ("/{{.X}}", Some("/%7B%7B.X%7D%7D")),
            ("//a//b", Some("//a//b")),
            ("/..", Some("/..")),
            ("/a%00", Some("/a%00")),
            ("/%5B ", Some("/%5B%20")),
            ("/a~b^c", Some("/a~b%5Ec")),
        ] {
            let found = finished(path.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{path}");
        }
    }

    /// Recorded from KrakenD: the path of the request, the pattern around the parameter, and the
    /// path that the backend saw.
    #[test]
    fn recorded_paths() {
        for (sent, pattern, recorded) in [
            ("1", "/echo/{}", "/echo/1"),
            ("hello%20world", "/echo/{}", "/echo/hello%20world"),
            ("caf%C3%A9", "/echo/{}", "/echo/caf%C3%A9"),
            ("a+b", "/echo/{}", "/echo/a+b"),
            ("a%2Bb", "/echo/{}", "/echo/a+b"),
            ("a;b=c", "/echo/{}", "/echo/a;b=c"),
            ("a,b:c@d", "/echo/{}", "/echo/a,b:c@d"),
            ("%7Ex", "/echo/{}", "/echo/~x"),
            ("a%26b", "/echo/{}", "/echo/a&b"),
            ("..", "/echo/{}", "/echo/.."),
            ("a.b", "/echo/{}", "/echo/a.b"),
            ("7", "/echo/pre-{}-post", "/echo/pre-7-post"),
            ("z", "/echo/../{}", "/echo/../z"),
            ("z", "//echo//{}", "//echo//z"),
            ("z", "/echo/{}/", "/echo/z/"),
            ("%E2%82%AC", "/echo/{}", "/echo/%E2%82%AC"),
            ("%22q%22", "/echo/{}", "/echo/%22q%22"),
            ("%3Cb%3E", "/echo/{}", "/echo/%3Cb%3E"),
            ("%5B1%5D", "/echo/{}", "/echo/[1]"),
            ("a%5Cb", "/echo/{}", "/echo/a%5Cb"),
            ("%7B%7D", "/echo/{}", "/echo/%7B%7D"),
            ("a'b", "/echo/{}", "/echo/a'b"),
            ("(x)", "/echo/{}", "/echo/(x)"),
            ("$x", "/echo/{}", "/echo/$x"),
            ("a=b", "/echo/{}", "/echo/a=b"),
            ("x!y*z", "/echo/{}", "/echo/x!y*z"),
            ("a%20%20b", "/echo/{}", "/echo/a%20%20b"),
            ("%3Cnil%3E", "/echo/{}", "/echo/%3Cnil%3E"),
            ("", "/echo/{{.JWT.nope}}{}", "/echo/%7B%7B.JWT.nope%7D%7D"),
        ] {
            let mut scratch = Vec::new();
            let value = decode(sent.as_bytes(), &mut scratch).expect("sound").path;
            let (before, after) = pattern.rsplit_once("{}").expect("a place for the value");
            let mut out = before.as_bytes().to_vec();
            push_value(value, &mut out);
            out.extend_from_slice(after.as_bytes());
            assert_eq!(finish(&mut out, 0), Ok(()));
            assert_eq!(out, recorded.as_bytes(), "{sent}");
        }
    }

    #[test]
    fn values_cannot_leave_their_path() {
        for (value, expected) in [
            ("100%", "/echo/100%25"),
            ("a%20b", "/echo/a%2520b"),
            ("x?y=1", "/echo/x%3Fy=1"),
            ("x#y", "/echo/x%23y"),
            ("x# y", "/echo/x%23%20y"),
            ("a\r\nX: y", "/echo/a%0D%0AX:%20y"),
            ("\0", "/echo/%00"),
        ] {
            let mut out = b"/echo/".to_vec();
            push_value(value.as_bytes(), &mut out);
            assert_eq!(finish(&mut out, 0), Ok(()));
            assert_eq!(out, expected.as_bytes(), "{value:?}");
        }
    }

    #[test]
    fn safe_values_need_no_finish() {
        for byte in 0..=255u8 {
            let mut out = b"/".to_vec();
            push_value(&[byte], &mut out);
            finish(&mut out, 0).expect("values are escaped");
            assert_eq!(is_wire_safe(&[byte]), out == [b'/', byte], "{byte:02x}");
        }
    }

    #[test]
    fn decoding() {
        for (raw, expected) in [
            ("/a", Ok(("/a", false, false))),
            ("/a%20b+c", Ok(("/a b+c", false, false))),
            ("/a%2Fb", Ok(("/a/b", true, false))),
            ("/a%2fb", Ok(("/a/b", true, false))),
            ("/a%252Fb", Ok(("/a%2Fb", false, false))),
            ("/a%00b", Ok(("/a\0b", false, true))),
            ("/caf%C3%A9", Ok(("/caf\u{e9}", false, false))),
            ("/%", Err(1)),
            ("/a%2", Err(2)),
            ("/%41%zz", Err(4)),
        ] {
            let mut scratch = b"old".to_vec();
            let found = decode(raw.as_bytes(), &mut scratch);
            let expected = expected
                .map(|(path, has_encoded_slash, has_nul)| Decoded {
                    path: path.as_bytes(),
                    has_encoded_slash,
                    has_nul,
                })
                .map_err(|at| BadEscape { at });
            assert_eq!(found, expected, "{raw}");
        }
    }
}

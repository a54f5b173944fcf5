//! Which parameter values are refused with 400: KrakenD's checker of encoded values, and what would
//! change the path of a backend. Pure. Sources: docs/reference/lura-core.md 2.5,
//! docs/reference/hardening.md C1 and C2.

use crate::http::quote::quote;
use crate::http::uri::param::has_dot_segment;

/// How far values are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The default: no value that is still encoded, none with `?` or `#`.
    Encoded,
    /// `router.disable_path_decoding`: only dot segments and NUL are refused.
    HazardsOnly,
}

/// Why a parameter is refused. The answer is 400 `text/plain; charset=utf-8` without any KrakenD
/// header; `write` gives its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamRefusal {
    /// The value, decoded once, is no valid encoding: the escape as it stands, up to three bytes.
    BadEscape { text: [u8; 3], len: u8 },
    /// The value decodes to something else, or contains `?` or `#`.
    Encoded,
    /// The value is `.` or `..`, or holds one between separators.
    DotSegment,
    /// The value contains NUL.
    Nul,
}

impl ParamRefusal {
    /// Appends the body of the answer.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"error: ");
        match self {
            Self::BadEscape { text, len } => {
                out.extend_from_slice(b"invalid URL escape ");
                quote(&text[..usize::from(*len).min(3)], out);
            }
            Self::Encoded => out.extend_from_slice(b"encoded url params"),
            Self::DotSegment => out.extend_from_slice(b"dot segment in url params"),
            Self::Nul => out.extend_from_slice(b"NUL in url params"),
        }
    }
}

/// Checks the values of the path parameters, each decoded once; the first refusal counts.
pub fn check_params<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
    check: Check,
) -> Result<(), ParamRefusal> {
    values.into_iter().try_for_each(|value| check_param(value, check))
}

fn check_param(value: &[u8], check: Check) -> Result<(), ParamRefusal> {
    if check == Check::Encoded {
        // A percent sign either begins a bad escape or changes the value when decoded again.
        let mut encoded = memchr::memchr2(b'?', b'#', value).is_some();
        let mut rest = value;
        while let Some(at) = memchr::memchr(b'%', rest) {
            rest = &rest[at..];
            let window = &rest[..rest.len().min(3)];
            if !(window.len() == 3 && window[1..].iter().all(u8::is_ascii_hexdigit)) {
                let mut text = [0; 3];
                text[..window.len()].copy_from_slice(window);
                return Err(ParamRefusal::BadEscape { text, len: window.len() as u8 });
            }
            encoded = true;
            rest = &rest[3..];
        }
        if encoded {
            return Err(ParamRefusal::Encoded);
        }
    }
    // Also behind `\` and before `;`, and decoded once more: some servers read those so.
    if has_dot_segment(value) {
        return Err(ParamRefusal::DotSegment);
    }
    if memchr::memchr(0, value).is_some() {
        return Err(ParamRefusal::Nul);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (value, checked, hazards) in [
            (&b""[..], "", ""),
            (b"1", "", ""),
            (b"a b+c;d,e:f@g&h\\", "", ""),
            ("caf\u{e9}".as_bytes(), "", ""),
            (b"100%", r#"error: invalid URL escape "%""#, ""),
            (b"1%2", r#"error: invalid URL escape "%2""#, ""),
            (b"1%zz9", r#"error: invalid URL escape "%zz""#, ""),
            (b"%\xff!", r#"error: invalid URL escape "%\xff!""#, ""),
            (b"a%41%4", r#"error: invalid URL escape "%4""#, ""),
            (b"%2e%2e", "error: encoded url params", "error: dot segment in url params"),
            (b"..\\admin", "error: dot segment in url params", "error: dot segment in url params"),
            (b"..;a=b", "error: dot segment in url params", "error: dot segment in url params"),
            (b"x%2fy", "error: encoded url params", ""),
            (b"x?y", "error: encoded url params", ""),
            (b"x#y", "error: encoded url params", ""),
            (b".", "error: dot segment in url params", "error: dot segment in url params"),
            (b"..", "error: dot segment in url params", "error: dot segment in url params"),
            (b"...", "", ""),
            (b"..a", "", ""),
            (b"a\0", "error: NUL in url params", "error: NUL in url params"),
        ] {
            for (check, expected) in [(Check::Encoded, checked), (Check::HazardsOnly, hazards)] {
                let mut out = Vec::new();
                if let Err(why) = check_params([&b"fine"[..], value], check) {
                    why.write(&mut out);
                }
                assert_eq!(String::from_utf8_lossy(&out), expected, "{value:?} {check:?}");
            }
        }
    }
}

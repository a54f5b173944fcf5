//! The two ways in which Go cleans a path: gin's `cleanPath` before a lookup, `path.Clean` before a
//! `Location`. Pure. Source: docs/reference/lura-core.md 2.4.

/// gin's `cleanPath`: a slash in front, one slash between segments, `.` and `..` resolved (never
/// above the root), a slash at the end kept; a last `.` or `..` counts as a slash, as gin has it.
pub(super) fn clean_path(path: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    let trailing = path.len() > 1 && (path.ends_with(b"/") || path.ends_with(b"/."));
    segments(path, out);
    if out.len() == from || (trailing && out.len() > from + 1 && out.last() != Some(&b'/')) {
        out.push(b'/');
    }
}

/// Whether cleaning would leave `path` as it is.
pub(super) fn is_clean(path: &[u8]) -> bool {
    let Some(below_root) = path.strip_prefix(b"/") else { return false };
    let below_root = below_root.strip_suffix(b"/").unwrap_or(below_root);
    let is_plain = |segment: &[u8]| !matches!(segment, b"" | b"." | b"..");
    path == b"/" || below_root.split(|byte| *byte == b'/').all(is_plain)
}

/// `path.Clean` of a rooted path: as above, but no slash at the end. "" for a path without a segment
/// is "/".
pub(super) fn go_clean(path: &str, out: &mut String) {
    let mut bytes = Vec::with_capacity(path.len());
    clean_rooted(path.as_bytes(), &mut bytes);
    out.push_str(&String::from_utf8_lossy(&bytes));
}

/// `go_clean` on bytes.
pub(super) fn clean_rooted(path: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    segments(path, out);
    if out.len() == from {
        out.push(b'/');
    }
}

/// Appends `/segment` for each real segment, going back for `..`.
fn segments(path: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                let parent = out[from..].iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(from + parent);
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_as_gin_does() {
        // The right-hand side is what gin 1.12.0's cleanPath returned.
        for (path, expected) in CASES {
            let mut out = Vec::new();
            clean_path(path.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), *expected, "{path:?}");
            assert_eq!(is_clean(path.as_bytes()), path == expected, "{path:?}");
        }
    }

    const CASES: &[(&str, &str)] = &[
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        ("abc", "/abc"),
        ("abc/", "/abc/"),
        ("/abc", "/abc"),
        ("//abc//def//", "/abc/def/"),
        ("/./abc", "/abc"),
        ("/abc/.", "/abc/"),
        ("/abc/./", "/abc/"),
        ("/abc/..", "/"),
        ("/abc/../", "/"),
        ("/abc/def/..", "/abc"),
        ("/abc/def/../", "/abc/"),
        ("/../../abc", "/abc"),
        ("/a/b/../../../c", "/c"),
        ("/..", "/"),
        ("/.", "/"),
        (".", "/"),
        ("..", "/"),
        ("a/.", "/a/"),
        ("a.", "/a."),
        ("/a./b..", "/a./b.."),
        ("/...", "/..."),
        ("/a/...", "/a/..."),
    ];
}

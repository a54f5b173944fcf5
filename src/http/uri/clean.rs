//! The canonical form of a path that redirects point to, as gin's `cleanPath`
//! (docs/reference/lura-core.md 2.4): one slash between segments, `.` and `..` resolved against the
//! root, a slash at the end kept.

/// Appends the clean form of a decoded path. It always begins with `/`, and cleaning it again
/// changes nothing.
pub fn clean_path(path: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    let mut ends_in_slash = false;
    for segment in path.split(|byte| *byte == b'/') {
        ends_in_slash = segment.is_empty() || segment == b".";
        match segment {
            b"" | b"." => {}
            b".." => {
                let kept = out.get(from..).unwrap_or_default();
                let parent_len = kept.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(from + parent_len);
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    if ends_in_slash || out.len() == from {
        out.push(b'/');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by gin's `cleanPath`.
    #[test]
    fn paths_are_cleaned_as_gin_does() {
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("a", "/a"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("//", "/"),
            ("//a", "/a"),
            ("/a//b", "/a/b"),
            ("/a///b//", "/a/b/"),
            ("/.", "/"),
            ("/./", "/"),
            ("/a/.", "/a/"),
            ("/a/./", "/a/"),
            ("/a/./b", "/a/b"),
            ("/..", "/"),
            ("/../", "/"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/b/..", "/a"),
            ("/a/b/../c", "/a/c"),
            ("/../../a", "/a"),
            ("/a/b/../../..", "/"),
            ("..", "/"),
            ("../a", "/a"),
            (".", "/"),
            ("./a", "/a"),
            ("/...", "/..."),
            ("/a/...", "/a/..."),
            ("/.a", "/.a"),
            ("/a./b", "/a./b"),
            ("/..a", "/..a"),
            ("/a..", "/a.."),
            ("a//b", "/a/b"),
            ("/a/../../b/", "/b/"),
        ] {
            let mut out = b"kept".to_vec();
            clean_path(path.as_bytes(), &mut out);
            assert_eq!(out, format!("kept{expected}").as_bytes(), "{path}");
        }
    }
}

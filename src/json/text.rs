//! Strings of JSON: writing them as Go's encoder does, and reading what they stand for.

/// Which characters beside the necessary ones are escaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// Go's `SetEscapeHTML(false)`.
    #[default]
    Plain,
    /// Also `<`, `>` and `&`: Go's default.
    Html,
}

/// Appends `text` as a JSON string with its quotes; bytes that are no UTF-8 become `\ufffd`.
pub fn quote(text: &[u8], escape: Escape, out: &mut Vec<u8>) {
    let _ = (text, escape, out);
}

/// Appends what a valid JSON string (with its quotes) stands for.
pub fn unquote(string: &[u8], out: &mut Vec<u8>) {
    let _ = (string, out);
}

//! The lookup that ignores case, for redirects to the path as it was registered. Off the hot path:
//! only what matched nothing comes here, and the cost does not grow with the number of routes.
//! Source: docs/reference/lura-core.md 2.4.

use std::collections::HashMap;

use super::params::Walk;
use super::pattern::{Pattern, Piece};
use super::tree::Table;

/// The routes of one method with their literals folded.
#[derive(Default)]
pub(super) struct Folded {
    table: Table,
    patterns: Vec<Pattern>,
}

impl Folded {
    pub fn new<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Self {
        let mut best: HashMap<Vec<Piece>, usize> = HashMap::new();
        let mut kept: Vec<Pattern> = Vec::new();
        let mut folded: Vec<Pattern> = Vec::new();
        for pattern in patterns {
            let pieces: Vec<_> = pattern.shape().into_iter().map(fold_piece).collect();
            match best.get(&pieces) {
                // Two spellings: gin tries the lower-case letter first where they part.
                Some(other) if kept[*other].text < pattern.text => kept[*other] = pattern.clone(),
                Some(_) => {}
                None => {
                    best.insert(pieces.clone(), kept.len());
                    kept.push(pattern.clone());
                    folded.push(Pattern { text: String::new(), pieces });
                }
            }
        }
        let table = Table::new(folded.iter().zip(0..));
        Self { table, patterns: kept }
    }

    /// Writes the registered spelling of `path`, its parameters as they were sent.
    pub fn find(&self, path: &[u8], walk: &mut Walk, out: &mut Vec<u8>) -> bool {
        let (folded, origin) = fold(path);
        let Some(found) = self.table.find(&folded, walk) else { return false };
        let Some(pattern) = self.patterns.get(found as usize) else { return false };
        let mut spans = walk.spans.iter();
        for piece in &pattern.pieces {
            if let Piece::Literal(bytes) = piece {
                out.extend_from_slice(bytes);
                continue;
            }
            let Some(span) = spans.next() else { continue };
            let start = origin[span.start as usize] as usize;
            let end = origin[span.end as usize] as usize;
            // The slash that begins a catch-all's value is the last byte of the literal before it.
            let skip = usize::from(matches!(piece, Piece::Rest(_)));
            out.extend_from_slice(&path[start + skip..end]);
        }
        true
    }
}

fn fold_piece(piece: Piece) -> Piece {
    match piece {
        Piece::Literal(bytes) => Piece::Literal(fold(&bytes).0),
        other => other,
    }
}

/// The folded bytes, and for each of them (and the end) where it came from.
fn fold(text: &[u8]) -> (Vec<u8>, Vec<u32>) {
    let mut folded = Vec::with_capacity(text.len());
    let mut origin = Vec::with_capacity(text.len() + 1);
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let mut bytes = [0; 4];
            folded.extend_from_slice(fold_char(letter).encode_utf8(&mut bytes).as_bytes());
            origin.resize(folded.len(), at);
            at += letter.len_utf8() as u32;
        }
        for byte in chunk.invalid() {
            folded.push(*byte);
            origin.push(at);
            at += 1;
        }
    }
    origin.push(at);
    (folded, origin)
}

/// One letter for all letters that Go's `EqualFold` takes as equal, save where upper or lower case
/// is more than one letter: those stay themselves.
fn fold_char(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    let upper = single(letter.to_uppercase(), letter);
    single(upper.to_lowercase(), upper)
}

fn single(mut letters: impl Iterator<Item = char>, otherwise: char) -> char {
    match (letters.next(), letters.next()) {
        (Some(letter), None) => letter,
        _ => otherwise,
    }
}

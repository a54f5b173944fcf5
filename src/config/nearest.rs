//! Which known word was probably meant by an unknown one.

/// The word with the smallest edit distance, when it is near enough to be a slip of the fingers.
/// The first of equals wins. Linear in the number of words; long words are not compared at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const WORD_MAX: usize = 64;
    let wanted: Vec<char> = word.to_lowercase().chars().take(WORD_MAX + 1).collect();
    if wanted.is_empty() || wanted.len() > WORD_MAX {
        return None;
    }
    let mut best = None;
    for candidate in known {
        let letters: Vec<char> = candidate.to_lowercase().chars().collect();
        // A third of the letters may be wrong, never more than four: "host" is not near "port"
        // by chance more often than that.
        let allowed = (wanted.len().max(letters.len()) / 3).clamp(1, 4);
        if wanted.len().abs_diff(letters.len()) > allowed {
            continue;
        }
        let far = distance(&wanted, &letters);
        if far <= allowed && best.is_none_or(|(least, _)| far < least) {
            best = Some((far, candidate));
        }
    }
    best.map(|(_, word)| word)
}

/// Edits that turn one word into the other: insert, delete, replace, swap neighbours.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = Vec::with_capacity(other.len() + 1);
        row.push(i + 1);
        for (j, b) in other.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b;
            if swapped {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        let known = ["timeout", "cache_ttl", "host", "port", "input_headers", "extra_config"];
        for (word, expected) in [
            ("timout", Some("timeout")),
            ("time_out", Some("timeout")),
            ("hosts", Some("host")),
            ("prot", Some("port")),
            ("header_to_pass", None),
            ("extraconfig", Some("extra_config")),
            ("TIMEOUT", Some("timeout")),
            ("", None),
            ("zz", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}

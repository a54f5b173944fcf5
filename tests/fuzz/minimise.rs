//! Makes a failing input small: pieces are left out, long ones first, then bytes become plain ones,
//! as long as it still fails.

/// Runs of the entry at most: a slow target must not hold up the report.
const TRIES: usize = 4_000;

/// The smallest input found that still fails. `fails` holds for `input`.
pub fn minimise(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut small = input.to_vec();
    let mut tries = 0;
    let mut still_fails = |input: &[u8]| {
        tries += 1;
        tries <= TRIES && fails(input)
    };
    loop {
        let before = small.clone();
        let mut len = small.len().div_ceil(2);
        while len > 0 {
            let mut at = 0;
            while at < small.len() {
                let mut shorter = small.clone();
                shorter.drain(at..(at + len).min(small.len()));
                if still_fails(&shorter) {
                    small = shorter;
                } else {
                    at += len;
                }
            }
            len /= 2;
        }
        for at in 0..small.len() {
            if small[at].is_ascii_lowercase() || small[at] == b'0' {
                continue;
            }
            for plain in [b'a', b'0'] {
                let mut plainer = small.clone();
                plainer[at] = plain;
                if still_fails(&plainer) {
                    small = plainer;
                    break;
                }
            }
        }
        if small == before {
            return small;
        }
    }
}

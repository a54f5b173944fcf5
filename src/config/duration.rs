//! Go's duration grammar: `1h30m`, `1.5s`, `-2ms`, a bare `0`.
//! Source: docs/reference/lura-core.md 1.1.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// Not of the grammar; empty text included.
    Grammar,
    /// Does not fit 64 bits of nanoseconds (about 292 years).
    TooLong,
}

/// Parses Go duration text into nanoseconds, sign included.
pub fn go_duration(text: &str) -> Result<i64, DurationError> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(DurationError::Grammar);
    }
    // Sums of magnitudes below 2^63 stay far inside 128 bits.
    let mut total: u128 = 0;
    let mut rest = rest;
    while !rest.is_empty() {
        let (amount, after) = decimal(rest)?;
        let unit_len = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        let nanoseconds = unit_ns(unit).ok_or(DurationError::Grammar)?;
        total += amount.times(nanoseconds).ok_or(DurationError::TooLong)?;
        if total > 1 << 63 {
            return Err(DurationError::TooLong);
        }
        rest = next;
    }
    let value = i128::try_from(total).map_err(|_| DurationError::TooLong)?;
    i64::try_from(if negative { -value } else { value }).map_err(|_| DurationError::TooLong)
}

/// A non-negative decimal number: whole part, and fraction over a power of ten.
struct Decimal {
    whole: u64,
    fraction: u64,
    scale: u64,
}

impl Decimal {
    fn times(&self, unit: u64) -> Option<u128> {
        let whole = u128::from(self.whole) * u128::from(unit);
        let fraction = u128::from(self.fraction) * u128::from(unit) / u128::from(self.scale);
        (whole <= 1 << 63).then_some(whole + fraction)
    }
}

fn decimal(text: &str) -> Result<(Decimal, &str), DurationError> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole_text, rest) = text.split_at(digits(text));
    let whole = match whole_text {
        "" => 0,
        text => text.parse().map_err(|_| DurationError::TooLong)?,
    };
    let mut number = Decimal { whole, fraction: 0, scale: 1 };
    let Some(after_dot) = rest.strip_prefix('.') else {
        return if whole_text.is_empty() {
            Err(DurationError::Grammar)
        } else {
            Ok((number, rest))
        };
    };
    let (fraction_text, rest) = after_dot.split_at(digits(after_dot));
    if whole_text.is_empty() && fraction_text.is_empty() {
        return Err(DurationError::Grammar);
    }
    for digit in fraction_text.bytes() {
        // Digits beyond the precision of 64 bits are dropped, as Go does.
        let Some(scale) = number.scale.checked_mul(10) else { break };
        let grown = number.fraction.checked_mul(10).map(|f| f.checked_add(u64::from(digit - b'0')));
        let Some(Some(fraction)) = grown else { break };
        number.fraction = fraction;
        number.scale = scale;
    }
    Ok((number, rest))
}

fn unit_ns(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both signs that look like a mu: U+00B5 and U+03BC.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Duration text for messages: the largest unit that divides it.
pub fn shown(time: Duration) -> String {
    let ns = time.as_nanos();
    for (unit, text) in
        [(3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s"), (1_000_000, "ms")]
    {
        if ns != 0 && ns.is_multiple_of(unit) {
            return format!("{}{text}", ns / unit);
        }
    }
    if ns == 0 { "0s".into() } else { format!("{ns}ns") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        use DurationError::{Grammar, TooLong};
        for (text, expected) in [
            ("0", Ok(0)),
            ("+0", Ok(0)),
            ("2s", Ok(2_000_000_000)),
            ("1h30m", Ok(5_400_000_000_000)),
            ("1.5s", Ok(1_500_000_000)),
            (".5s", Ok(500_000_000)),
            ("1.s", Ok(1_000_000_000)),
            ("-2ms", Ok(-2_000_000)),
            ("3us", Ok(3_000)),
            ("3\u{b5}s", Ok(3_000)),
            ("3\u{3bc}s", Ok(3_000)),
            ("7ns", Ok(7)),
            ("1m1m", Ok(120_000_000_000)),
            ("0.1ns", Ok(0)),
            ("0.3333333333333333333333h", Ok(1_199_999_999_999)),
            ("9223372036854775807ns", Ok(i64::MAX)),
            ("", Err(Grammar)),
            ("-", Err(Grammar)),
            ("2", Err(Grammar)),
            ("s", Err(Grammar)),
            (".s", Err(Grammar)),
            ("2 s", Err(Grammar)),
            ("2S", Err(Grammar)),
            ("2d", Err(Grammar)),
            (" 2s", Err(Grammar)),
            ("2s ", Err(Grammar)),
            ("9223372036854775808ns", Err(TooLong)),
            ("99999999999999999999h", Err(TooLong)),
            ("3000000h", Err(TooLong)),
        ] {
            assert_eq!(go_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn texts_for_messages() {
        for (ms, text) in
            [(7_200_000, "2h"), (90_000, "90s"), (1, "1ms"), (0, "0s"), (1500, "1500ms")]
        {
            assert_eq!(shown(Duration::from_millis(ms)), text);
        }
    }
}

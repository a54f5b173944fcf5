//! Points in time and durations as Go prints them. The time zone is UTC: the local offset needs
//! `localtime_r`, which has no safe binding (it reads the environment that another thread may be
//! changing), so a container without a zone file and ours print the same.

use std::time::Duration;

/// A date and a time of day in UTC, from nanoseconds since 1970.
pub struct Stamp {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u64,
}

impl Stamp {
    pub fn new(unix_nanos: u64) -> Self {
        let seconds = unix_nanos / 1_000_000_000;
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        // Years begin in March here, so that the leap day is the last one. 719,468 days lie between
        // 0000-03-01 and 1970-01-01; 146,097 days are 400 years.
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: era * 400 + year + u64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            millisecond: unix_nanos / 1_000_000 % 1_000,
        }
    }

    /// `2006/01/02`, `between`, `15:04:05`.
    pub fn write(&self, between: &str, out: &mut Vec<u8>) {
        self.date(b'/', out);
        out.extend_from_slice(between.as_bytes());
        self.time(out);
    }

    /// `.000`.
    pub fn write_milliseconds(&self, out: &mut Vec<u8>) {
        out.push(b'.');
        digits(self.millisecond, 3, out);
    }

    /// Go's default text of a time: `2006-01-02 15:04:05.99 +0000 UTC`; zeros at the end of the
    /// fraction are left out. `unix_nanos` is what the stamp was made of.
    pub fn write_go(&self, unix_nanos: u64, out: &mut Vec<u8>) {
        self.date(b'-', out);
        out.push(b' ');
        self.time(out);
        let nanos = unix_nanos % 1_000_000_000;
        if nanos > 0 {
            out.push(b'.');
            digits(nanos, 9, out);
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
        out.extend_from_slice(b" +0000 UTC");
    }

    /// `2006-01-02T15:04:05.000+00:00`.
    pub fn write_iso(&self, out: &mut Vec<u8>) {
        self.date(b'-', out);
        out.push(b'T');
        self.time(out);
        self.write_milliseconds(out);
        out.extend_from_slice(b"+00:00");
    }

    fn date(&self, separator: u8, out: &mut Vec<u8>) {
        digits(self.year, 4, out);
        out.push(separator);
        digits(self.month, 2, out);
        out.push(separator);
        digits(self.day, 2, out);
    }

    fn time(&self, out: &mut Vec<u8>) {
        digits(self.hour, 2, out);
        out.push(b':');
        digits(self.minute, 2, out);
        out.push(b':');
        digits(self.second, 2, out);
    }
}

fn digits(value: u64, width: u32, out: &mut Vec<u8>) {
    for at in (0..width).rev() {
        out.push(b'0' + (value / 10_u64.pow(at) % 10) as u8);
    }
}

/// Go's `Duration.String`: `0s`, `999ns`, `1.5µs`, `12.34ms`, `1.2s`, `1m30s`, `2h0m0s`.
pub(super) fn go_duration(took: Duration, out: &mut Vec<u8>) {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let (unit, name, width) = match nanos {
        0 => return out.extend_from_slice(b"0s"),
        1..1_000 => (1, "ns", 0),
        1_000..1_000_000 => (1_000, "µs", 3),
        1_000_000..1_000_000_000 => (1_000_000, "ms", 6),
        _ => (1_000_000_000, "s", 9),
    };
    let mut whole = nanos / unit;
    if unit == 1_000_000_000 && whole >= 60 {
        let (hours, minutes) = (whole / 3_600, whole / 60 % 60);
        if hours > 0 {
            number(hours, out);
            out.push(b'h');
        }
        number(minutes, out);
        out.push(b'm');
        whole %= 60;
    }
    number(whole, out);
    let mut fraction = nanos % unit;
    let mut width = width;
    while fraction > 0 && fraction % 10 == 0 {
        fraction /= 10;
        width -= 1;
    }
    if fraction > 0 {
        out.push(b'.');
        digits(fraction, width, out);
    }
    out.extend_from_slice(name.as_bytes());
}

pub(super) fn number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_prints_them() {
        // Nanoseconds and what Go 1.26 printed.
        for (nanos, expected) in include!("testdata/durations.in") {
            let mut out = Vec::new();
            go_duration(Duration::from_nanos(nanos), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{nanos}");
        }
    }

    #[test]
    fn times_as_go_prints_them() {
        // Nanoseconds since 1970, and what Go 1.26 printed in UTC.
        for (nanos, access, iso) in include!("testdata/times.in") {
            let stamp = Stamp::new(nanos);
            let mut out = Vec::new();
            stamp.write(" - ", &mut out);
            assert_eq!(String::from_utf8_lossy(&out), access, "{nanos}");
            out.clear();
            stamp.write_iso(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), iso, "{nanos}");
        }
    }
}

//! Figures as people read them: 1,234,567 · 180 µs · 1.25 ms · 2.2 KiB.
//!
//! Invariants: three significant digits at least; the unit always stands beside the number.

/// A whole number, in groups of three digits.
pub fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate or another figure of any size, without a unit.
pub fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 999.5 => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", whole(size.round() as u64))
        }
        size if size >= 99.95 || value == 0.0 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A round number with as few characters as can be: 0, 0.25, 400k, 1.5M.
pub fn short(value: f64) -> String {
    let (scaled, sign) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{scaled:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{sign}")
}

/// The same for a time that is given in microseconds: 200 µs, 1 ms.
pub fn time_short_us(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{} s", short(us / 1e6)),
        us if us >= 1e3 => format!("{} ms", short(us / 1e3)),
        us => format!("{} µs", short(us)),
    }
}

/// A time that is given in microseconds.
pub fn time_us(us: f64) -> String {
    match us {
        us if us >= 9_999_500.0 => format!("{} s", figure(us / 1e6)),
        us if us >= 999.5 => format!("{} ms", figure(us / 1e3)),
        us => format!("{} µs", figure(us)),
    }
}

/// Memory.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let step = |value: f64| (value.abs().max(1.0).log2() / 10.0) as usize;
    let power = step(bytes).min(UNITS.len() - 1);
    format!("{} {}", figure(bytes / 1024f64.powi(power as i32)), UNITS[power])
}

/// A length of time that is given in seconds, as a clock shows it.
pub fn clock(seconds: f64) -> String {
    if seconds < 9.995 {
        return format!("{} s", figure(seconds.max(0.0)));
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02} h", whole / 3600, whole / 60 % 60, whole % 60),
    }
}

/// Milliseconds since 1970 as a date and a time of day in UTC (the civil calendar, by eras of 400 years).
pub fn date(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    // Years begin in March here, so that the leap day is the last.
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let time = seconds % 86_400;
    format!(
        "{:04}-{month:02}-{of_month:02} {:02}:{:02}:{:02} UTC",
        era * 400 + year + later,
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_have_three_digits() {
        assert_eq!(
            [whole(0), whole(999), whole(1_000), whole(12_345_678)],
            ["0", "999", "1,000", "12,345,678"]
        );
        assert_eq!(
            [figure(0.8312), figure(1.5), figure(38.26), figure(999.4)],
            ["0.831", "1.50", "38.3", "999"]
        );
        assert_eq!(
            [figure(480_123.4), figure(0.0), figure(-2000.0)],
            ["480,123", "0", "-2,000"]
        );
    }

    #[test]
    fn units_fit_the_size() {
        assert_eq!(
            [time_us(180.2), time_us(1250.0), time_us(12_000_000.0)],
            ["180 µs", "1.25 ms", "12.0 s"]
        );
        assert_eq!([time_us(0.0), time_us(999.9)], ["0 µs", "1.00 ms"]);
        assert_eq!(
            [bytes(0.0), bytes(2253.0), bytes(3e10)],
            ["0 B", "2.20 KiB", "27.9 GiB"]
        );
        assert_eq!([clock(0.412), clock(-1.0)], ["0.412 s", "0 s"]);
        assert_eq!(
            [clock(59.6), clock(75.0), clock(3661.0)],
            ["1:00 min", "1:15 min", "1:01:01 h"]
        );
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_795_500_000_000), "2026-11-24 06:00:00 UTC");
    }
}

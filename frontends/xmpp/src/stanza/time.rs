//! Date and time on the wire: the profile of XEP-0082. Written in UTC with milliseconds; read in any of its forms.

/// Appends `2002-09-10T23:08:25.000Z` for a time in Unix milliseconds. Years beyond 9999 are cut to the last
/// representable moment.
pub(crate) fn write(out: &mut Vec<u8>, unix_ms: u64) {
    const LAST_MS: u64 = 253_402_300_799_999;
    let unix_ms = unix_ms.min(LAST_MS);
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil(days);
    let fields = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (ms / 3_600_000, 2, b':'),
        (ms / 60_000 % 60, 2, b':'),
        (ms / 1_000 % 60, 2, b'.'),
        (ms % 1_000, 3, b'Z'),
    ];
    for (value, digits, separator) in fields {
        let mut divisor = 10u64.pow(digits - 1);
        while divisor > 0 {
            out.push(b'0' + (value / divisor % 10) as u8);
            divisor /= 10;
        }
        out.push(separator);
    }
}

/// Unix milliseconds of a date and time as XEP-0082 section 3.2 has it: `2002-09-10T23:08:25Z`, `...25.123-07:00`. What is finer than a
/// millisecond is cut off. `None` for anything else, and for what was before 1970.
pub(crate) fn read(text: &str) -> Option<u64> {
    let (date, time) = text.trim().split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| digits(part));
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone = time.find(['Z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':').map(|part| digits(part));
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    let in_range = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day) && year <= 9999;
    if !in_range || hours > 24 || minutes > 59 || seconds > 60 {
        return None;
    }
    let seconds = days_since_1970(year, month, day)? * 86_400 + hours * 3_600 + minutes * 60 + seconds;
    let local_ms = i64::try_from(seconds * 1_000 + milliseconds(fraction)?).ok()?;
    u64::try_from(local_ms - offset_minutes(zone)? * 60_000).ok()
}

fn digits(text: &str) -> Option<u64> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn milliseconds(fraction: &str) -> Option<u64> {
    let plain = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let padded: String = fraction.chars().chain("000".chars()).take(3).collect();
    plain.then(|| padded.parse().ok()).flatten()
}

/// Minutes east of Greenwich.
fn offset_minutes(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let minutes = i64::try_from(hours * 60 + minutes)
        .ok()
        .filter(|minutes| *minutes < 24 * 60)?;
    Some(if zone.starts_with('-') { -minutes } else { minutes })
}

fn days_in(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The inverse of [`civil`].
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let year_from_march = if month > 2 { year } else { year.checked_sub(1)? };
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// Days since 1970-01-01 to year, month and day of the proleptic Gregorian calendar: years begin in March, so that the
/// leap day is a year's last, and 400 years are a cycle of 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        let moments = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_031_699_305_000, "2002-09-10T23:08:25.000Z"),
            (4_107_542_399_001, "2100-02-28T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ];
        for (unix_ms, expected) in moments {
            let mut out = Vec::new();
            write(&mut out, unix_ms);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for unix_ms in (0..253_402_300_799_999).step_by(9_876_543_217) {
            let mut out = Vec::new();
            write(&mut out, unix_ms);
            assert_eq!(read(str::from_utf8(&out).unwrap()), Some(unix_ms));
        }
    }

    #[test]
    fn forms_of_a_moment() {
        for text in [
            "1969-07-21T02:56:15Z",
            "2002-09-10",
            "23:08:25Z",
            "2002-09-10T23:08:25",
            "2002-09-10T23:08Z",
            "2002-13-10T23:08:25Z",
            "2002-02-29T23:08:25Z",
            "2002-09-10T25:08:25Z",
            "2002-09-10T23:08:25.Z",
            "2002-09-10T23:08:25+0200",
            "2002-09-10T23:08:25+99:99",
            "+002-09-10T23:08:25Z",
            "T",
            "99999-01-01T00:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for (text, unix_ms) in [
            ("2002-09-10T23:08:25Z", 1_031_699_305_000),
            ("2002-09-10T23:08:25.1Z", 1_031_699_305_100),
            ("2002-09-10T23:08:25.123456Z", 1_031_699_305_123),
            ("2002-09-10T16:08:25-07:00", 1_031_699_305_000),
            ("2002-09-11T01:08:25.000+02:00", 1_031_699_305_000),
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
        ] {
            assert_eq!(read(text), Some(unix_ms), "{text}");
        }
    }
}

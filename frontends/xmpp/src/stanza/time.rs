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

/// Reads such a moment, with a time zone and with or without a fraction (XEP-0082 section 3.2), as Unix milliseconds: what is finer is
/// cut off, and what was before 1970 is 0. `None` if it is not one.
pub(crate) fn read(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let (time, zone_minutes) = match time.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => {
            let sign = time.rfind(['+', '-'])?;
            let (hours, minutes) = time[sign + 1..].split_once(':')?;
            let minutes = number(hours, 2, 0..=23)? * 60 + number(minutes, 2, 0..=59)?;
            let east = time.as_bytes().get(sign) == Some(&b'+');
            (&time[..sign], if east { minutes as i64 } else { -(minutes as i64) })
        }
    };
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let (year, month, day) = (
        number(year, 4, 1..=9999)?,
        number(month, 2, 1..=12)?,
        number(day, 2, 1..=31)?,
    );
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':');
    let (hour, minute, second) = (time.next()?, time.next()?, time.next()?);
    let (hour, minute, second) = (
        number(hour, 2, 0..=23)?,
        number(minute, 2, 0..=59)?,
        number(second, 2, 0..=60)?,
    );
    if date.next().is_some() || time.next().is_some() || fraction.is_empty() {
        return None;
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ms = (fraction.bytes().chain(*b"00").take(3)).fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
    let days = days(year as i64, month as i64, day as i64);
    if u64::try_from(days).is_ok_and(|days| civil(days) != (year, month, day)) {
        return None;
    }
    let seconds = ((days * 24 + hour as i64) * 60 + minute as i64 - zone_minutes) * 60 + second as i64;
    Some(u64::try_from(seconds * 1000 + ms).unwrap_or(0))
}

fn number(digits: &str, length: usize, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let plain = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value = plain.then(|| digits.parse().ok())??;
    range.contains(&value).then_some(value)
}

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
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
            ("1969-07-21T02:56:15Z", 0),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
        ] {
            assert_eq!(read(text), Some(unix_ms), "{text}");
        }
    }
}

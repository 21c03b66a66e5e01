//! Date and time on the wire: the profile of XEP-0082, in UTC, with milliseconds.

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

/// Reads a date and time of XEP-0082, in any offset, as Unix milliseconds; `None` for what is none, or before 1970.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let (date, rest) = text.trim().split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone = rest.find(['Z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone);
    let mut clock = clock.split(':');
    let (hour, minute): (u64, u64) = (clock.next()?.parse().ok()?, clock.next()?.parse().ok()?);
    let second: f64 = clock.next()?.parse().ok()?;
    let sane = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && (0.0..61.0).contains(&second);
    if !sane {
        return None;
    }
    let ms = (days(year, month, day)? * 86_400 + hour * 3_600 + minute * 60) * 1_000 + (second * 1_000.0) as u64;
    let offset = match zone.split_at_checked(1)? {
        ("Z", "") => 0,
        (sign, offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let ms = (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60_000;
            if sign == "-" { ms } else { -ms }
        }
    };
    ms.checked_add_signed(offset)
}

/// Days since 1970-01-01; the other way of [`civil`].
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + day_of_year;
    (year / 400 * 146_097 + day_of_era).checked_sub(719_468)
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
    fn what_was_written_is_read() {
        for unix_ms in [
            0,
            1,
            951_782_400_000,
            1_166_551_115_250,
            1_709_251_199_999,
            253_402_300_799_999,
        ] {
            let mut text = Vec::new();
            write(&mut text, unix_ms);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(parse(&text), Some(unix_ms), "{text}");
        }
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse("1969-12-31T23:00:00-01:00"), None);
        for bad in [
            "",
            "T",
            "2006-12-19",
            "2006-12-19T17:58",
            "2006-13-19T17:58:35Z",
            "2006-12-19T17:58:35",
            "x-y-zTa:b:cZ",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

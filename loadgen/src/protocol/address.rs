//! Users, and whatever else is numbered, as they stand in addresses: `prefix NUMBER @ domain`.
//!
//! Invariant: neither direction allocates.

/// Rooms are called this and a number.
pub const ROOM_PREFIX: &str = "loadgen-room-";

/// Digits of the longest number.
const DIGITS_MAX: usize = 10;

/// A number written out.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: [u8; DIGITS_MAX],
    first: usize,
}

impl Decimal {
    #[inline]
    pub fn of(mut number: u32) -> Self {
        let mut digits = [0; DIGITS_MAX];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Self { digits, first }
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.digits[self.first..]
    }
}

/// The number in `prefix NUMBER @ domain`, perhaps with a resource behind it.
#[inline]
pub fn number(address: &[u8], prefix: &str, domain: &str) -> Option<u32> {
    let (number, rest) = numbered(address, prefix)?;
    let behind = rest.strip_prefix(b"@")?.strip_prefix(domain.as_bytes())?;
    matches!(behind.first(), None | Some(b'/')).then_some(number)
}

/// The number in `prefix NUMBER ...`, and what stands behind it.
#[inline]
pub fn numbered<'a>(address: &'a [u8], prefix: &str) -> Option<(u32, &'a [u8])> {
    let mut rest = address.strip_prefix(prefix.as_bytes())?;
    let (mut number, mut digits) = (0_u64, 0);
    while let Some((digit @ b'0'..=b'9', behind)) = rest.split_first() {
        number = number * 10 + u64::from(digit - b'0');
        digits += 1;
        if digits > DIGITS_MAX {
            return None;
        }
        rest = behind;
    }
    let number = u32::try_from(number).ok().filter(|_| digits > 0)?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 7, 10, 99, 12_345, u32::MAX] {
            let decimal = Decimal::of(number);
            assert_eq!(str::from_utf8(decimal.bytes()).unwrap(), number.to_string());
        }
    }

    #[test]
    fn users_are_known_by_their_addresses() {
        let of = |address: &str| number(address.as_bytes(), "u", "localhost");
        assert_eq!(of("u17@localhost/x"), Some(17));
        assert_eq!(of("u17@localhost"), Some(17));
        assert_eq!(of("u4294967295@localhost"), Some(u32::MAX));
        for other in [
            "u17@localhosts",
            "v17@localhost",
            "u@localhost",
            "localhost",
            "u1x@localhost",
            "u4294967296@localhost",
            "u00000000017@localhost",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}

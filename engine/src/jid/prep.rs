//! Preparation of the parts of an address, as deployed servers do it.
//!
//! - Node: Nodeprep (RFC 6122 appendix A). Case is folded, compatibility forms are replaced, `"&'/:<>@` and spaces are
//!   refused.
//! - Resource: Resourceprep (RFC 6122 appendix B). Case is kept.
//! - Domain: UTS #46 mapping (lower case, NFC), labels in `xn--` form decoded (RFC 7622 section 3.2), one trailing dot
//!   dropped, each label 1 to 63 bytes in its ASCII form; or an IPv6 literal in brackets, in the form of RFC 5952.
//!
//! Invariants:
//! - Prepared text is a fixed point. The profiles rest on Unicode 3.2; the newer normalisation tables in use here can
//!   bring forth a character that folds once more (U+1F130 becomes `A`), so the mapping is repeated until it rests.
//! - Code points unknown to Unicode 3.2 are let through, as in the addresses that other servers route to us; see
//!   [`Jid::has_unassigned`](super::Jid::has_unassigned).

use std::borrow::Cow;
use std::net::Ipv6Addr;

use idna::punycode;
use idna::uts46::{AsciiDenyList, Hyphens, Uts46};
use stringprep::tables;
use unicode_normalization::UnicodeNormalization;

use super::scan::{self, LABEL_BYTES_MAX};
use super::{JID_BYTES_MAX, JidError, PART_BYTES_MAX, Part};

/// A mapping that has not come to rest after so many rounds is refused. Two rounds settle all known text.
const ROUNDS_MAX: usize = 4;

/// Every printable ASCII character that is no letter, digit, hyphen, dot or underscore (which test networks use).
const DOMAIN_DENIED: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// Nodeprep. Borrows when nothing had to change and the text is ASCII.
pub fn node(text: &str) -> Result<Cow<'_, str>, JidError> {
    if scan::node_fits(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    if let Some(lower) = lower_ascii(text).filter(|lower| scan::node_fits(lower.as_bytes())) {
        return Ok(Cow::Owned(lower));
    }
    let prepared = settle(text, Part::Node, fold_and_normalise)?;
    check(&prepared, Part::Node, |c| prohibited(c) || prohibited_in_node(c))?;
    Ok(Cow::Owned(prepared))
}

/// Resourceprep. Borrows when nothing had to change and the text is ASCII.
pub fn resource(text: &str) -> Result<Cow<'_, str>, JidError> {
    if scan::resource_fits(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    let prepared = settle(text, Part::Resource, normalise)?;
    check(&prepared, Part::Resource, prohibited)?;
    Ok(Cow::Owned(prepared))
}

/// Prepares a domain name or an IPv6 literal. Borrows when nothing had to change and the text is ASCII.
pub fn domain(text: &str) -> Result<Cow<'_, str>, JidError> {
    if scan::domain_fits(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    if text.len() > JID_BYTES_MAX {
        return Err(JidError::PartTooLong(Part::Domain));
    }
    if let Some(lower) = lower_ascii(text).filter(|lower| scan::domain_fits(lower.as_bytes())) {
        return Ok(Cow::Owned(lower));
    }
    match text.strip_prefix('[') {
        Some(literal) => address_literal(literal).map(Cow::Owned),
        None => domain_name(text).map(Cow::Owned),
    }
}

/// All that either profile does to ASCII text is to fold its case.
fn lower_ascii(text: &str) -> Option<String> {
    text.is_ascii().then(|| text.to_ascii_lowercase())
}

fn settle(text: &str, part: Part, map: fn(&str) -> String) -> Result<String, JidError> {
    if text.len() > JID_BYTES_MAX {
        return Err(JidError::PartTooLong(part));
    }
    let mut settled = map(text);
    for _ in 1..ROUNDS_MAX {
        let next = map(&settled);
        if next == settled {
            return Ok(settled);
        }
        settled = next;
    }
    Err(JidError::PartForbidden(part))
}

fn fold_and_normalise(text: &str) -> String {
    let kept = text.chars().filter(|&c| !tables::commonly_mapped_to_nothing(c));
    kept.flat_map(tables::case_fold_for_nfkc).nfkc().collect()
}

fn normalise(text: &str) -> String {
    text.chars()
        .filter(|&c| !tables::commonly_mapped_to_nothing(c))
        .nfkc()
        .collect()
}

fn check(prepared: &str, part: Part, prohibited: fn(char) -> bool) -> Result<(), JidError> {
    if prepared.is_empty() {
        return Err(JidError::PartEmpty(part));
    }
    if prepared.len() > PART_BYTES_MAX {
        return Err(JidError::PartTooLong(part));
    }
    if prepared.contains(prohibited) || !direction_is_sound(prepared) {
        return Err(JidError::PartForbidden(part));
    }
    Ok(())
}

/// RFC 6122 appendices A.5 and B.5: what neither a node nor a resource may hold.
fn prohibited(c: char) -> bool {
    tables::non_ascii_space_character(c)
        || tables::ascii_control_character(c)
        || tables::non_ascii_control_character(c)
        || tables::private_use(c)
        || tables::non_character_code_point(c)
        || tables::surrogate_code(c)
        || tables::inappropriate_for_plain_text(c)
        || tables::inappropriate_for_canonical_representation(c)
        || tables::change_display_properties_or_deprecated(c)
        || tables::tagging_character(c)
}

fn prohibited_in_node(c: char) -> bool {
    matches!(c, ' ' | '"' | '&' | '\'' | '/' | ':' | '<' | '>' | '@')
}

/// RFC 3454 section 6: right-to-left text begins and ends with such a character, and has none that runs left to right.
fn direction_is_sound(text: &str) -> bool {
    if !text.contains(tables::bidi_r_or_al) {
        return true;
    }
    text.starts_with(tables::bidi_r_or_al) && text.ends_with(tables::bidi_r_or_al) && !text.contains(tables::bidi_l)
}

fn address_literal(literal: &str) -> Result<String, JidError> {
    let address = literal
        .strip_suffix(']')
        .and_then(|literal| literal.parse::<Ipv6Addr>().ok());
    let address = address.ok_or(JidError::PartForbidden(Part::Domain))?;
    Ok(format!("[{address}]"))
}

pub(super) fn domain_name(text: &str) -> Result<String, JidError> {
    let (mapped, verdict) = Uts46::new().to_unicode(text.as_bytes(), DOMAIN_DENIED, Hyphens::CheckFirstLast);
    verdict.map_err(|_| JidError::PartForbidden(Part::Domain))?;
    let name = mapped.strip_suffix('.').unwrap_or(&mapped);
    if name.is_empty() {
        return Err(JidError::PartEmpty(Part::Domain));
    }
    if name.len() > PART_BYTES_MAX {
        return Err(JidError::PartTooLong(Part::Domain));
    }
    // The mapping has refused these already; a second lock on the door through which separators would enter.
    if name.bytes().any(|byte| byte.is_ascii() && !scan::domain_byte(byte)) {
        return Err(JidError::PartForbidden(Part::Domain));
    }
    name.split('.').try_for_each(check_label)?;
    Ok(name.to_owned())
}

fn check_label(label: &str) -> Result<(), JidError> {
    if label.is_empty() {
        return Err(JidError::PartEmpty(Part::Domain));
    }
    let ascii_bytes = if label.is_ascii() {
        label.len()
    } else {
        let encoded = punycode::encode_str(label).ok_or(JidError::PartForbidden(Part::Domain))?;
        "xn--".len() + encoded.len()
    };
    if ascii_bytes > LABEL_BYTES_MAX {
        return Err(JidError::PartTooLong(Part::Domain));
    }
    Ok(())
}

//! What was on offer, sealed into the exchange (XEP-0474 section 5): who edits the list on its way is found out, because
//! the hash of the list that we sent is part of what both sides sign.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Hash;

/// Between two names of one list.
const BETWEEN_NAMES: &str = "\u{1e}";
/// Between the two lists.
const BETWEEN_LISTS: &str = "\u{1f}";

/// The lists that were sent to the client before this exchange.
#[derive(Debug, Clone)]
pub struct Offer<'a> {
    /// The mechanisms, in any order.
    pub mechanisms: Vec<&'a str>,
    /// The types of channel binding (XEP-0440), in any order; `None` if that list was not sent.
    pub bindings: Option<Vec<&'a str>>,
}

impl Offer<'_> {
    /// The value of the attribute `h`: base64 of the hash of both lists, sorted by octets.
    pub fn digest(&self, hash: Hash) -> String {
        let sorted = |names: &[&str]| {
            let mut names = names.to_vec();
            names.sort_unstable();
            names.join(BETWEEN_NAMES)
        };
        let mut text = sorted(&self.mechanisms);
        if let Some(bindings) = &self.bindings {
            text.push_str(BETWEEN_LISTS);
            text.push_str(&sorted(bindings));
        }
        match hash {
            Hash::Sha1 => STANDARD.encode(Sha1::digest(&text)),
            Hash::Sha256 => STANDARD.encode(Sha256::digest(&text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_has_its_hash() {
        let offer = Offer {
            mechanisms: vec!["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"],
            bindings: Some(vec!["tls-server-end-point", "tls-exporter"]),
        };
        // XEP-0474 section 5.3: the `h` inside of its challenge.
        assert_eq!(offer.digest(Hash::Sha1), "G6k/rBLDqgOhRRaCuuatSDFkJ08=");
    }

    #[test]
    fn every_change_of_a_list_changes_the_hash() {
        let offer = |mechanisms: &[&'static str], bindings: Option<&[&'static str]>| {
            let offer = Offer {
                mechanisms: mechanisms.to_vec(),
                bindings: bindings.map(<[_]>::to_vec),
            };
            offer.digest(Hash::Sha256)
        };
        let all = [
            offer(&["A", "B"], Some(&["x", "y"])),
            offer(&["A"], Some(&["x", "y"])),
            offer(&["A", "B"], Some(&["x"])),
            offer(&["A", "B"], Some(&[])),
            offer(&["A", "B"], None),
            offer(&["AB"], None),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
        assert_eq!(
            offer(&["B", "A"], Some(&["y", "x"])),
            all[0],
            "the order does not count"
        );
    }
}

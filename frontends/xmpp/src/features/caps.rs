//! XEP-0115 Entity Capabilities of the server itself: a hash of what disco#info says of the domain, announced in the
//! stream features, so that a client need not ask. What clients announce passes through in their presence, unread.
//!
//! ```text
//! S = category/type/lang/name<  feature< feature< ...  FORM_TYPE< var< value< ... var< value< ...   all sorted by bytes
//! ver = base64(SHA-1(S))
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::{Feature, Xep};

/// Namespace of `<c/>`.
pub const NS: &str = "http://jabber.org/protocol/caps";
/// What identifies this software; `NODE#ver` is also a disco node of the domain (XEP-0115 section 6.2).
pub const NODE: &str = "urn:x-crosspoint:switch";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(115, "1.6.0")],
    enabled: |_| true,
    domain: &[NS],
    account: &[],
    handlers: &[],
};

/// A data form of disco#info (XEP-0128): its type, and its fields with their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub form_type: &'static str,
    /// Of its fields.
    pub kind: &'static str,
    pub fields: Vec<(&'static str, Vec<String>)>,
}

/// An identity of disco#info. We give no language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub category: &'static str,
    pub kind: &'static str,
    pub name: String,
}

/// The verification string (XEP-0115 section 5.1).
pub(super) fn ver(identities: &[Identity], features: &[&str], forms: &[Form]) -> String {
    let mut text = String::new();
    let mut identities: Vec<&Identity> = identities.iter().collect();
    identities.sort_unstable_by_key(|identity| (identity.category, identity.kind));
    for identity in identities {
        append(
            &mut text,
            [format!("{}/{}//{}", identity.category, identity.kind, identity.name).as_str()],
        );
    }
    let mut features = features.to_vec();
    features.sort_unstable();
    append(&mut text, features.iter().copied());
    let mut forms: Vec<&Form> = forms.iter().collect();
    forms.sort_unstable_by_key(|form| form.form_type);
    for form in forms {
        append(&mut text, [form.form_type]);
        let mut fields: Vec<_> = form.fields.iter().collect();
        fields.sort_unstable();
        for (var, values) in fields {
            append(&mut text, [*var]);
            let mut values: Vec<_> = values.iter().map(String::as_str).collect();
            values.sort_unstable();
            append(&mut text, values);
        }
    }
    STANDARD.encode(Sha1::digest(text.as_bytes()))
}

fn append<'a>(text: &mut String, parts: impl IntoIterator<Item = &'a str>) {
    for part in parts {
        text.push_str(part);
        text.push('<');
    }
}

/// Whether a disco node is the one that [`element`] announces.
pub(super) fn is_own_node(node: &str, ver: &str) -> bool {
    node.strip_prefix(NODE).and_then(|rest| rest.strip_prefix('#')) == Some(ver)
}

/// `<c/>`, for the stream features. Base64 and our own node need no escaping.
pub(super) fn element(ver: &str) -> String {
    format!("<c xmlns='{NS}' hash='sha-1' node='{NODE}' ver='{ver}'/>")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XEP-0115 section 5.2.
    #[test]
    fn the_hash_of_the_specification_comes_out() {
        let identity = Identity {
            category: "client",
            kind: "pc",
            name: "Exodus 0.9.1".to_owned(),
        };
        let features = [
            "http://jabber.org/protocol/muc",
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/caps",
            "http://jabber.org/protocol/disco#items",
        ];
        assert_eq!(ver(&[identity], &features, &[]), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    }

    /// Calculated by another implementation of SHA-1 over
    /// `server/im//Verona<a<b<http://jabber.org/network/serverinfo<abuse-addresses<mailto:a@x<xmpp:b@x<support-addresses<https://x<`.
    #[test]
    fn everything_is_sorted_before_it_is_hashed() {
        let identity = Identity {
            category: "server",
            kind: "im",
            name: "Verona".to_owned(),
        };
        let form = Form {
            form_type: "http://jabber.org/network/serverinfo",
            kind: "list-multi",
            fields: vec![
                ("support-addresses", vec!["https://x".to_owned()]),
                ("abuse-addresses", vec!["xmpp:b@x".to_owned(), "mailto:a@x".to_owned()]),
            ],
        };
        assert_eq!(ver(&[identity], &["b", "a"], &[form]), "MRsVU5qfHs40XBo0Kdq3jwLYnI4=");
    }
}

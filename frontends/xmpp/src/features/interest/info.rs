//! What a client's disco#info says, as its capabilities hash sees it (XEP-0115 sections 5.1 and 5.4).
//!
//! ```text
//! S = category/type/lang/name<  feature< feature< ...  FORM_TYPE< var< value< ... var< value< ...   all sorted by bytes
//! ver = base64(SHA-1(S))
//! ```
//! Invariant: what a hash is trusted to say is read out of S itself, not out of the answer that S was made from. Different
//! answers can give the same S (a feature may pose as the type of a form), but S has one list of parts; so nobody who
//! presents an S of the right hash can change what others with this hash are taken to want.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::super::form;
use crate::codec::Element;

const NS_INFO: &str = "http://jabber.org/protocol/disco#info";
/// At the end of a feature that asks for a node's events (XEP-0163 section 4.2).
const NOTIFY: &str = "+notify";
/// Nodes that one client wants events of.
pub const WANTED_MAX: usize = 128;

/// The string that is hashed; `None` for an answer that is ill-formed (section 5.4, steps 3 to 5).
pub fn hashed(query: &Element<'_>) -> Option<String> {
    let of = |name: &'static str| query.children().filter(move |child| child.is(name, NS_INFO));
    let attribute = |element: &Element<'_>, name| element.attr(name).unwrap_or_default().to_owned();
    let identities = of("identity").map(|identity| {
        let parts = [
            attribute(identity, "category"),
            attribute(identity, "type"),
            identity.lang().unwrap_or_default().to_owned(),
            attribute(identity, "name"),
        ];
        parts.join("/")
    });
    let mut text = String::new();
    append(&mut text, unique(identities.collect())?);
    append(
        &mut text,
        unique(of("feature").map(|feature| attribute(feature, "var")).collect())?,
    );
    let mut forms = Vec::new();
    for x in query.children().filter(|child| child.is("x", form::NS)) {
        forms.extend(form_parts(x)?);
    }
    forms.sort_unstable();
    if forms.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return None;
    }
    for (form_type, fields) in forms {
        append(&mut text, vec![form_type]);
        for (var, values) in fields {
            append(&mut text, vec![var]);
            append(&mut text, values);
        }
    }
    Some(text)
}

/// `ver` of an answer.
pub fn ver(hashed: &str) -> String {
    STANDARD.encode(Sha1::digest(hashed.as_bytes()))
}

/// The nodes whose events are wanted, sorted: all parts of the hashed string that say so.
pub fn wanted(hashed: &str) -> Vec<String> {
    let parts = hashed.split('<').filter_map(|part| part.strip_suffix(NOTIFY));
    let mut wanted: Vec<String> = parts.filter(|node| !node.is_empty()).map(str::to_owned).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted.truncate(WANTED_MAX);
    wanted
}

/// A form's type, and its fields with their values.
type FormParts = (String, Vec<(String, Vec<String>)>);

/// `Some(None)` is a form that does not count: its type is not hidden, or there is none.
fn form_parts(x: &Element<'_>) -> Option<Option<FormParts>> {
    let (mut form_type, mut fields) = (None, Vec::new());
    for field in x.children().filter(|child| child.is("field", form::NS)) {
        let var = field.attr("var").unwrap_or_default();
        let values = field.children().filter(|child| child.is("value", form::NS));
        let mut values: Vec<String> = values.map(|value| value.text().into_owned()).collect();
        values.sort_unstable();
        if var != "FORM_TYPE" {
            fields.push((var.to_owned(), values));
            continue;
        }
        if values.windows(2).any(|pair| pair[0] != pair[1]) {
            return None;
        }
        form_type = values.pop().filter(|_| field.attr("type") == Some("hidden"));
    }
    fields.sort_unstable();
    Some(form_type.map(|form_type| (form_type, fields)))
}

/// Sorted; `None` if one is there twice.
fn unique(mut parts: Vec<String>) -> Option<Vec<String>> {
    parts.sort_unstable();
    let twice = parts.windows(2).any(|pair| pair[0] == pair[1]);
    (!twice).then_some(parts)
}

fn append(text: &mut String, parts: Vec<String>) {
    for part in parts {
        text.push_str(&part);
        text.push('<');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(children: &str) -> Option<String> {
        let xml = format!("<query xmlns='{NS_INFO}'>{children}</query>");
        hashed(&Element::parse(&xml, "").expect("well-formed"))
    }

    /// XEP-0115 section 5.2.
    #[test]
    fn the_simple_example_has_its_hash() {
        let text = read(
            "<identity category='client' name='Exodus 0.9.1' type='pc'/>\
             <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
             <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>",
        );
        assert_eq!(ver(&text.expect("well-formed")), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    }

    /// XEP-0115 section 5.3.
    #[test]
    fn the_complex_example_has_its_hash() {
        let text = read(
            "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>\
             <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>\
             <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
             <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>\
             <x xmlns='jabber:x:data' type='result'>\
             <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>\
             <field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field>\
             <field var='os'><value>Mac</value></field><field var='os_version'><value>10.5.1</value></field>\
             <field var='software'><value>Psi</value></field><field var='software_version'><value>0.11</value></field></x>",
        );
        assert_eq!(ver(&text.expect("well-formed")), "q07IKJEyjvHSyhy//CH0CxmKi8w=");
    }

    #[test]
    fn ill_formed_answers_have_no_hash() {
        let twice = "<feature var='a'/><feature var='a'/>";
        let identity = "<identity category='client' type='pc' name='A'/>";
        let form = "<x xmlns='jabber:x:data'><field var='FORM_TYPE' type='hidden'><value>t</value></field></x>";
        let torn = "<x xmlns='jabber:x:data'><field var='FORM_TYPE' type='hidden'><value>t</value><value>u</value></field></x>";
        for answer in [twice, &identity.repeat(2), &form.repeat(2), torn] {
            assert_eq!(read(answer), None, "{answer}");
        }
    }

    /// Another answer with the same hash: a feature poses as the type of a form. It is wanted all the same.
    #[test]
    fn caps_cache_poisoning_by_another_answer_of_the_same_hash_changes_nothing() {
        let honest =
            read("<identity category='client' type='pc' name='A'/><feature var='a'/><feature var='b+notify'/>");
        let forged = read(
            "<identity category='client' type='pc' name='A'/><feature var='a'/>\
             <x xmlns='jabber:x:data'><field var='FORM_TYPE' type='hidden'><value>b+notify</value></field></x>",
        );
        assert_eq!(honest, forged, "the weakness of the hash");
        assert_eq!(wanted(&forged.expect("well-formed")), ["b"]);
    }
}

//! XEP-0157 Contact Addresses: a form in the domain's disco#info, if the installation names any.

use super::caps::Form;
use super::config::Contacts;

const FORM_TYPE: &str = "http://jabber.org/network/serverinfo";

/// The form, or `None` when there is nothing to say.
pub(super) fn form(contacts: &Contacts) -> Option<Form> {
    let fields: Vec<_> = [
        ("abuse-addresses", &contacts.abuse),
        ("admin-addresses", &contacts.admin),
        ("feedback-addresses", &contacts.feedback),
        ("sales-addresses", &contacts.sales),
        ("security-addresses", &contacts.security),
        ("status-addresses", &contacts.status),
        ("support-addresses", &contacts.support),
    ]
    .into_iter()
    .filter(|(_, values)| !values.is_empty())
    .map(|(var, values)| (var, values.clone()))
    .collect();
    (!fields.is_empty()).then_some(Form {
        form_type: FORM_TYPE,
        kind: "list-multi",
        fields,
    })
}

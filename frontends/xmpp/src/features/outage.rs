//! XEP-0455 Service Outage Status: where it is published how the service is, outside of it. Outages that are planned are told by
//! announcements as well (`administration/texts.rs`).

use super::caps::Form;
use super::{Feature, Xep};

const NS: &str = "urn:xmpp:sos:0";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(455, "0.4.0")],
    enabled: |_| true,
    domain: &[],
    account: &[],
    handlers: &[],
};

/// The form in the domain's disco#info (section 2.1), or `None` when there is nothing to say.
pub(super) fn form(urls: &[String]) -> Option<Form> {
    (!urls.is_empty()).then(|| Form {
        kind: "list-multi",
        form_type: NS,
        fields: vec![("external-status-addresses", urls.to_vec())],
    })
}

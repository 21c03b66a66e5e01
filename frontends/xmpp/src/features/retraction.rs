//! XEP-0424 Message Retraction: what retracts a message is kept in the archive, so that a client which was away hears of it.
//!
//! The message that is retracted stays, since its addressee may have it already, and its archive is the addressee's; there are no
//! tombstones there (section 5 leaves them to the service, and accounts do not announce them). Rooms remove messages for all (XEP-0425), and
//! their archives show where one was.

use super::{Feature, Xep};

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(424, "0.4.2")],
    enabled: |config| config.archive,
    domain: &[],
    account: &["urn:xmpp:message-retract:1"],
    handlers: &[],
};

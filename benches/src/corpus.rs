//! Stanzas as real clients send them, one a file in `corpus/`.

macro_rules! stanza {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../corpus/", $name, ".xml")).trim_ascii_end(),
        )
    };
}

/// Name and text of each; the text has no line break at its end.
pub const CORPUS: &[(&str, &str)] = &[
    stanza!("archive-result"),
    stanza!("avatar"),
    stanza!("bind"),
    stanza!("carbon"),
    stanza!("chat-huge"),
    stanza!("chat-long"),
    stanza!("chat-receipt"),
    stanza!("chat-short"),
    stanza!("disco-info"),
    stanza!("emoji"),
    stanza!("encrypted"),
    stanza!("entities"),
    stanza!("iq-result"),
    stanza!("marker"),
    stanza!("muc-join"),
    stanza!("muc-message"),
    stanza!("non-ascii"),
    stanza!("paused"),
    stanza!("ping"),
    stanza!("presence-caps"),
    stanza!("presence-initial"),
    stanza!("pubsub-publish"),
    stanza!("receipt"),
    stanza!("roster-get"),
    stanza!("roster-result"),
    stanza!("sm-answer"),
    stanza!("sm-request"),
    stanza!("subscribe"),
    stanza!("typing"),
];

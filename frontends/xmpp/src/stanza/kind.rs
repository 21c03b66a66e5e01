//! The `type` attribute, both ways (RFC 6120 section 8.2.3, RFC 6121 sections 4.7.1 and 5.2.2).

use crosspoint_engine::envelope::{Kind, MessageKind, PresenceKind, QueryKind};

/// An unknown type of message is `normal` (RFC 6121 section 5.2.2).
pub(crate) fn message(kind: Option<&str>) -> MessageKind {
    match kind {
        Some("chat") => MessageKind::Chat,
        Some("groupchat") => MessageKind::Groupchat,
        Some("headline") => MessageKind::Headline,
        Some("error") => MessageKind::Error,
        _ => MessageKind::Normal,
    }
}

/// No type is `Available`; an unknown one is a bad request (RFC 6121 section 4.7.1).
pub(crate) fn presence(kind: Option<&str>) -> Option<PresenceKind> {
    Some(match kind {
        None => PresenceKind::Available,
        Some("unavailable") => PresenceKind::Unavailable,
        Some("subscribe") => PresenceKind::Subscribe,
        Some("subscribed") => PresenceKind::Subscribed,
        Some("unsubscribe") => PresenceKind::Unsubscribe,
        Some("unsubscribed") => PresenceKind::Unsubscribed,
        Some("probe") => PresenceKind::Probe,
        Some("error") => PresenceKind::Error,
        Some(_) => return None,
    })
}

/// The type of a query is required and one of four (RFC 6120 section 8.2.3).
pub(crate) fn query(kind: Option<&str>) -> Option<QueryKind> {
    Some(match kind? {
        "get" => QueryKind::Get,
        "set" => QueryKind::Set,
        "result" => QueryKind::Result,
        "error" => QueryKind::Error,
        _ => return None,
    })
}

/// The element's name.
pub(crate) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Message(_) => "message",
        Kind::Presence(_) => "presence",
        Kind::Query(_) => "iq",
    }
}

/// The value of `type`; empty where the attribute is left out.
pub(crate) fn value(kind: Kind) -> &'static str {
    match kind {
        Kind::Message(MessageKind::Normal) | Kind::Presence(PresenceKind::Available) => "",
        Kind::Message(MessageKind::Chat) => "chat",
        Kind::Message(MessageKind::Groupchat) => "groupchat",
        Kind::Message(MessageKind::Headline) => "headline",
        Kind::Presence(PresenceKind::Unavailable) => "unavailable",
        Kind::Presence(PresenceKind::Subscribe) => "subscribe",
        Kind::Presence(PresenceKind::Subscribed) => "subscribed",
        Kind::Presence(PresenceKind::Unsubscribe) => "unsubscribe",
        Kind::Presence(PresenceKind::Unsubscribed) => "unsubscribed",
        Kind::Presence(PresenceKind::Probe) => "probe",
        Kind::Query(QueryKind::Get) => "get",
        Kind::Query(QueryKind::Set) => "set",
        Kind::Query(QueryKind::Result) => "result",
        Kind::Message(MessageKind::Error) | Kind::Presence(PresenceKind::Error) | Kind::Query(QueryKind::Error) => {
            "error"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_as_it_is_written() {
        for text in ["", "chat", "groupchat", "headline", "error"] {
            let read = message(Some(text));
            assert_eq!(value(Kind::Message(read)), text);
        }
        for text in [
            "unavailable",
            "subscribe",
            "subscribed",
            "unsubscribe",
            "unsubscribed",
            "probe",
            "error",
        ] {
            let read = presence(Some(text)).unwrap();
            assert_eq!(value(Kind::Presence(read)), text);
        }
        for text in ["get", "set", "result", "error"] {
            let read = query(Some(text)).unwrap();
            assert_eq!(value(Kind::Query(read)), text);
        }
    }

    #[test]
    fn what_is_unknown() {
        assert_eq!(message(Some("gossip")), MessageKind::Normal);
        assert_eq!(message(None), MessageKind::Normal);
        assert_eq!(presence(Some("")), None);
        assert_eq!(presence(Some("available")), None);
        assert_eq!(query(None), None);
        assert_eq!(query(Some("GET")), None);
    }
}

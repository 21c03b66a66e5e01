//! How a node is configured: its form (XEP-0060 section 16.4.4), defaults, and preconditions of a publisher.
//!
//! Invariant: a form is taken whole or not at all.

use crosspoint_engine::envelope::Condition;

use super::super::form::{Field, Form};
use super::error::{Detail, Fault};
use super::{ITEMS_PER_NODE_MAX, ROSTER_GROUPS_MAX, TEXT_BYTES_MAX};

/// The type of the form of a node's configuration.
pub const NODE_CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
/// The type of the form of a publisher's preconditions.
pub const PUBLISH_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";

/// Nodes that are nobody else's business, or everybody's, whatever a client forgets to say (XEP-0223, XEP-0402, XEP-0490
/// section 5.2; XEP-0292 section 3.1).
const KNOWN_NODES: [(&str, Access, u32); 5] = [
    ("urn:xmpp:bookmarks:1", Access::Whitelist, ITEMS_PER_NODE_MAX),
    ("urn:xmpp:mds:displayed:0", Access::Whitelist, ITEMS_PER_NODE_MAX),
    ("urn:xmpp:contacts", Access::Whitelist, ITEMS_PER_NODE_MAX),
    ("storage:bookmarks", Access::Whitelist, 1),
    ("urn:xmpp:vcard4", Access::Open, 1),
];

/// The types that events may have.
const EVENT_KINDS: [&str; 2] = ["headline", "normal"];
/// What is or is not done, in the order of its bits but for the last one, which is a choice in the form.
const FLAG_NAMES: [&str; 6] = [
    "pubsub#persist_items",
    "pubsub#deliver_notifications",
    "pubsub#deliver_payloads",
    "pubsub#notify_retract",
    "pubsub#notify_delete",
    "pubsub#notify_config",
];

/// Declares an enumeration whose numbers are on disk and whose names are on the wire.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $wire:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$inner])* $variant,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $wire,)* }
            }

            pub fn from_name(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|known| known.name() == name)
            }

            pub fn names() -> Vec<&'static str> {
                $name::ALL.iter().map(|known| known.name()).collect()
            }

            pub fn from_number(number: u8) -> Option<$name> {
                $name::ALL.get(usize::from(number)).copied()
            }
        }
    };
}

named! {
    /// Who may read and subscribe (XEP-0060 section 4.5).
    Access {
        /// Everybody.
        Open = "open",
        /// Whoever is subscribed to the owner's presence.
        Presence = "presence",
        /// Contacts in certain groups.
        Roster = "roster",
        /// Whoever is named.
        Whitelist = "whitelist",
    }
}

named! {
    /// Who may publish beside owner and publishers.
    PublishModel {
        /// Nobody.
        Publishers = "publishers",
        /// Whoever has subscribed.
        Subscribers = "subscribers",
        /// Everybody.
        Open = "open",
    }
}

named! {
    /// When the last item is sent unasked.
    SendLast {
        /// Never.
        Never = "never",
        /// To new subscribers.
        OnSub = "on_sub",
        /// To these, and to subscribers that become available.
        OnSubAndPresence = "on_sub_and_presence",
    }
}

/// What is or is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    pub persist_items: bool,
    pub deliver_notifications: bool,
    pub deliver_payloads: bool,
    pub notify_retract: bool,
    pub notify_delete: bool,
    pub notify_config: bool,
    /// Events are normal messages instead of headlines: they wait for who is away.
    pub normal_messages: bool,
}

/// A node's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub access: Access,
    pub publish: PublishModel,
    pub send_last: SendLast,
    pub flags: Flags,
    pub items_max: u32,
    pub title: String,
    pub description: String,
    /// The namespace of the payloads, for information.
    pub kind: String,
    /// With `Access::Roster`.
    pub groups: Vec<String>,
}

impl Default for Config {
    /// XEP-0163 section 3 and XEP-0060 section 9: for contacts, one item, shown to who comes.
    fn default() -> Config {
        Config {
            access: Access::Presence,
            publish: PublishModel::Publishers,
            send_last: SendLast::OnSubAndPresence,
            flags: Flags {
                persist_items: true,
                deliver_notifications: true,
                deliver_payloads: true,
                notify_retract: true,
                notify_delete: true,
                notify_config: false,
                normal_messages: false,
            },
            items_max: 1,
            title: String::new(),
            description: String::new(),
            kind: String::new(),
            groups: Vec::new(),
        }
    }
}

impl Flags {
    pub fn bits(self) -> u8 {
        let flags = self.in_order();
        (0..)
            .zip(flags)
            .fold(0, |bits, (index, set)| bits | (u8::from(set) << index))
    }

    pub fn from_bits(bits: u8) -> Flags {
        let bit = |index: u8| bits & (1 << index) != 0;
        Flags {
            persist_items: bit(0),
            deliver_notifications: bit(1),
            deliver_payloads: bit(2),
            notify_retract: bit(3),
            notify_delete: bit(4),
            notify_config: bit(5),
            normal_messages: bit(6),
        }
    }

    fn in_order(self) -> [bool; 7] {
        [
            self.persist_items,
            self.deliver_notifications,
            self.deliver_payloads,
            self.notify_retract,
            self.notify_delete,
            self.notify_config,
            self.normal_messages,
        ]
    }
}

impl Config {
    /// What a node is made with, unless its maker says otherwise.
    pub fn of_new(name: &str) -> Config {
        let known = KNOWN_NODES.iter().find(|(known, ..)| *known == name);
        let Some((_, access, items_max)) = known.copied() else {
            return Config::default();
        };
        let send_last = match access {
            Access::Whitelist => SendLast::Never,
            _ => SendLast::OnSubAndPresence,
        };
        Config {
            access,
            send_last,
            items_max,
            ..Config::default()
        }
    }

    /// With what a submitted form changes.
    pub fn with(&self, form: &Form<'_>) -> Result<Config, Fault> {
        let mut next = self.clone();
        for field in &form.fields {
            next.set(field)?;
        }
        Ok(next)
    }

    /// Whether it is as a publisher demands (XEP-0060 section 7.1.5).
    pub fn meets(&self, options: &Form<'_>) -> Result<(), Fault> {
        let missed = Fault::new(Condition::Conflict, Detail::PreconditionNotMet);
        match self.with(options) {
            Ok(demanded) if demanded == *self => Ok(()),
            _ => Err(missed),
        }
    }

    fn set(&mut self, field: &Field<'_>) -> Result<(), Fault> {
        let wrong = || Fault::from(Condition::NotAcceptable);
        let value = field.value();
        let name = field.var.strip_prefix("pubsub#").ok_or_else(wrong)?;
        let flags = &mut self.flags;
        match name {
            "access_model" => self.access = Access::from_name(value).ok_or_else(wrong)?,
            "publish_model" => self.publish = PublishModel::from_name(value).ok_or_else(wrong)?,
            "send_last_published_item" => self.send_last = SendLast::from_name(value).ok_or_else(wrong)?,
            "persist_items" => flags.persist_items = boolean(value)?,
            "deliver_notifications" => flags.deliver_notifications = boolean(value)?,
            "deliver_payloads" => flags.deliver_payloads = boolean(value)?,
            "notify_retract" => flags.notify_retract = boolean(value)?,
            "notify_delete" => flags.notify_delete = boolean(value)?,
            "notify_config" => flags.notify_config = boolean(value)?,
            "notification_type" => flags.normal_messages = one_of(value, EVENT_KINDS)?,
            "max_items" => self.items_max = items_max(value)?,
            "title" => self.title = short(value)?,
            "description" => self.description = short(value)?,
            "type" => self.kind = short(value)?,
            "roster_groups_allowed" => self.groups = groups(field)?,
            _ => only_as_it_is(name, value)?,
        }
        Ok(())
    }

    /// The form, for whom it is to be changed by or told to.
    pub fn form(&self, kind: &'static str, form_type: &'static str) -> Form<'_> {
        let items_max = match self.items_max {
            ITEMS_PER_NODE_MAX => "max".into(),
            some => some.to_string().into(),
        };
        let groups = self.groups.iter().map(|group| group.as_str().into()).collect();
        let event_kind = EVENT_KINDS[usize::from(self.flags.normal_messages)];
        let mut fields = vec![
            Field::text("pubsub#title", &self.title),
            Field::text("pubsub#description", &self.description),
            Field::text("pubsub#type", &self.kind),
            Field::choice("pubsub#access_model", self.access.name(), Access::names()),
            Field::list("pubsub#roster_groups_allowed", groups),
            Field::choice("pubsub#publish_model", self.publish.name(), PublishModel::names()),
            Field::choice(
                "pubsub#send_last_published_item",
                self.send_last.name(),
                SendLast::names(),
            ),
            Field::choice("pubsub#notification_type", event_kind, EVENT_KINDS.to_vec()),
            Field::text_owned("pubsub#max_items", items_max),
        ];
        let flags = FLAG_NAMES.into_iter().zip(self.flags.in_order());
        fields.extend(flags.map(|(var, set)| Field::boolean(var, if set { "1" } else { "0" })));
        Form {
            kind: kind.into(),
            form_type: form_type.into(),
            fields,
        }
    }
}

/// Options that a node cannot be given, but may be said to have.
fn only_as_it_is(name: &str, value: &str) -> Result<(), Fault> {
    let as_it_is = match name {
        "purge_offline" | "presence_based_delivery" | "subscribe" | "notify_sub" => boolean(value).is_ok(),
        "node_type" => value == "leaf",
        "itemreply" | "max_payload_size" | "item_expire" | "language" | "contact" | "creator" | "tempsub"
        | "body_xslt" | "dataform_xslt" | "children_max" => true,
        _ => false,
    };
    if as_it_is {
        Ok(())
    } else {
        Err(Condition::NotAcceptable.into())
    }
}

fn boolean(value: &str) -> Result<bool, Fault> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Condition::NotAcceptable.into()),
    }
}

/// Whether it is the second of the two.
fn one_of(value: &str, names: [&str; 2]) -> Result<bool, Fault> {
    let found = names.iter().position(|name| *name == value);
    found.map(|index| index == 1).ok_or(Condition::NotAcceptable.into())
}

/// `max`, or a number; what is beyond the bound is the bound.
fn items_max(value: &str) -> Result<u32, Fault> {
    if value == "max" {
        return Ok(ITEMS_PER_NODE_MAX);
    }
    match value.parse::<u32>() {
        Ok(0) | Err(_) => Err(Condition::NotAcceptable.into()),
        Ok(number) => Ok(number.min(ITEMS_PER_NODE_MAX)),
    }
}

fn short(value: &str) -> Result<String, Fault> {
    if value.len() > TEXT_BYTES_MAX {
        return Err(Condition::NotAcceptable.into());
    }
    Ok(value.to_owned())
}

fn groups(field: &Field<'_>) -> Result<Vec<String>, Fault> {
    if field.values.len() > ROSTER_GROUPS_MAX {
        return Err(Condition::NotAcceptable.into());
    }
    field.values.iter().map(|group| short(group)).collect()
}

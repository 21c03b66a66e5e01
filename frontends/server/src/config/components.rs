//! The `[components]` table: what may attach itself to the switch under a domain of its own (XEP-0114), and what else each may
//! do (XEP-0356).
//!
//! Invariant: a secret is shown by nothing: neither by `Debug` nor when the configuration is written down.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crosspoint_xmpp::config as xmpp;
use serde::{Deserialize, Serialize};

/// Most components: more are a slip of the finger.
pub const COMPONENTS_MAX: usize = 256;

/// The `[components]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Components {
    /// Where components connect, in the clear; nothing listens while there is no component.
    pub listen: Vec<SocketAddr>,
    /// Whether `listen` may name addresses other than loopback.
    pub allow_remote: bool,
    /// Each of them.
    pub component: Vec<Component>,
}

/// One component: a `[[components.component]]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Component {
    /// The domain that it answers for.
    pub name: String,
    /// What it proves to know...
    #[serde(skip_serializing)]
    pub secret: Hidden,
    /// ...or the file that holds it, without the line's end...
    pub secret_file: PathBuf,
    /// ...or the variable of the environment that does.
    pub secret_env: String,
    /// What it may do with users' rosters (XEP-0356 section 4).
    pub roster: Access,
    /// Whether it is told of changes of rosters that it may read.
    pub roster_push: bool,
    /// Whether it may send messages in the name of users (section 5).
    pub message: Message,
    /// What it may ask in the name of users, by the payload's namespace (section 6).
    pub iq: BTreeMap<String, Access>,
    /// What it sees of users' presence (section 7).
    pub presence: Presence,
}

/// Kinds of queries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Neither.
    #[default]
    None,
    /// Reads.
    Get,
    /// Changes.
    Set,
    /// Both.
    Both,
}

/// Messages in the name of users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Message {
    /// None.
    #[default]
    None,
    /// May be sent.
    Outgoing,
}

/// What is seen of presence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Nothing.
    #[default]
    None,
    /// Which sessions of users come and go.
    ManagedEntity,
}

impl Access {
    fn access(self) -> xmpp::Access {
        match self {
            Access::None => xmpp::Access::None,
            Access::Get => xmpp::Access::Get,
            Access::Set => xmpp::Access::Set,
            Access::Both => xmpp::Access::Both,
        }
    }
}

/// A text that is not shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(hidden)")
    }
}

impl Default for Component {
    fn default() -> Self {
        Component {
            name: String::new(),
            secret: Hidden::default(),
            secret_file: PathBuf::new(),
            secret_env: String::new(),
            roster: Access::None,
            roster_push: true,
            message: Message::None,
            iq: BTreeMap::new(),
            presence: Presence::None,
        }
    }
}

impl Default for Components {
    fn default() -> Self {
        Components {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5347))],
            allow_remote: false,
            component: Vec::new(),
        }
    }
}

impl Component {
    /// Whether the switch lets it send in the name of users.
    pub fn speaks_for_users(&self) -> bool {
        self.message == Message::Outgoing
    }

    /// What it may do, for the front-end.
    pub fn privileges(&self) -> xmpp::Privileges {
        xmpp::Privileges {
            roster: self.roster.access(),
            roster_pushes: self.roster_push,
            message: self.message == Message::Outgoing,
            queries: self
                .iq
                .iter()
                .map(|(namespace, access)| (namespace.clone(), access.access()))
                .collect(),
            presence: self.presence == Presence::ManagedEntity,
        }
    }

    /// Its secret, wherever that is kept.
    ///
    /// # Errors
    /// Says why there is none, without saying what was read.
    pub fn secret(&self) -> Result<String, String> {
        let sources = [
            !self.secret.0.is_empty(),
            !self.secret_file.as_os_str().is_empty(),
            !self.secret_env.is_empty(),
        ];
        let secret = match sources {
            [true, false, false] => self.secret.0.clone(),
            [false, true, false] => {
                let path = &self.secret_file;
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            [false, false, true] => {
                let name = &self.secret_env;
                std::env::var(name).map_err(|_| format!("the environment has no {name}"))?
            }
            _ => return Err("name exactly one of secret, secret_file and secret_env".to_owned()),
        };
        match secret.is_empty() {
            true => Err("the secret is empty".to_owned()),
            false => Ok(secret),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let component = Component {
            name: "irc.example.org".into(),
            secret: Hidden("wherefore".into()),
            ..Component::default()
        };
        assert!(!format!("{component:?}").contains("wherefore"));
        let written = toml::to_string(&component).unwrap();
        assert!(!written.contains("wherefore"), "{written}");
        assert_eq!(component.secret().unwrap(), "wherefore");
    }

    #[test]
    fn a_secret_has_one_source() {
        let none = Component::default();
        assert!(none.secret().is_err());
        let two = Component {
            secret: Hidden("wherefore".into()),
            secret_env: "PATH".into(),
            ..Component::default()
        };
        assert!(two.secret().is_err());
        let environment = Component {
            secret_env: "PATH".into(),
            ..Component::default()
        };
        assert_eq!(environment.secret().unwrap(), std::env::var("PATH").unwrap());
    }
}

//! The accounts: how they are called, where they come from, who knows whom, and what they ask for at login.

use serde::{Deserialize, Serialize};

/// Accounts `prefix` + `first` .. `prefix` + (`first` + `count` - 1), all with the same password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Users {
    pub prefix: String,
    pub first: u32,
    pub count: u32,
    pub password: String,
    pub make: Make,
    pub roster: Roster,
}

/// Where the accounts come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Make {
    /// They exist.
    #[default]
    Beforehand,
    /// In-band registration (XEP-0077); an account that exists already is good.
    InBand,
    /// A command for each, without a shell; `{user}`, `{domain}`, `{password}` and `{jid}` are replaced.
    /// `"ejabberdctl register {user} {domain} {password}"`
    Command(String),
}

/// Who has whom in the roster. User `n`'s contacts are known by number, so that everybody can compute who must hear what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roster {
    /// Contacts of each user, all mutual: half of them before him, half after, in a ring of all users. Even.
    pub size: u32,
    pub make: RosterMake,
}

/// Where the rosters come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RosterMake {
    /// They are made through the protocol before the run (RFC 6121 section 3); what exists already is kept.
    #[default]
    Protocol,
    /// They exist.
    Beforehand,
}

/// What every session asks for when it has logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Send available presence.
    pub presence: bool,
    /// Fetch the roster first (RFC 6121 section 2.2).
    pub roster: bool,
    /// Message carbons (XEP-0280).
    pub carbons: bool,
    /// Say active and inactive (XEP-0352).
    pub client_state: bool,
    /// Stream management (XEP-0198): acknowledge what arrives.
    pub acks: bool,
    /// Ask for a session that can be resumed (XEP-0198 section 5); implies `acks`.
    pub resume: bool,
    /// Messages of the archive to ask for (XEP-0313); 0: none.
    pub archive: u32,
}

impl Default for Users {
    fn default() -> Self {
        Self {
            prefix: "u".to_owned(),
            first: 0,
            count: 200,
            password: "secret".to_owned(),
            make: Make::default(),
            roster: Roster::default(),
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            presence: true,
            roster: false,
            carbons: false,
            client_state: false,
            acks: false,
            resume: false,
            archive: 0,
        }
    }
}

impl Users {
    /// The node part of the user at a place, 0 being the first.
    pub fn name(&self, place: u32) -> String {
        format!("{}{}", self.prefix, self.first + place)
    }
}

impl Roster {
    /// Places of the contacts of the user at `place`, of `count` users in all. Symmetric: who is a contact has this one
    /// for a contact. At most `count - 1`, each once.
    pub fn contacts(&self, place: u32, count: u32) -> impl Iterator<Item = u32> + use<> {
        let half = (self.size / 2).min(count.saturating_sub(1) / 2);
        let after = (1..=half).map(move |step| (place + step) % count);
        let before = (1..=half).map(move |step| (place + count - step) % count);
        after.chain(before)
    }
}

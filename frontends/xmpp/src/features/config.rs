//! What an installation decides about its features.

use crosspoint_engine::jid::Jid;

use super::external::External;
use super::upload::SharedUploads;

/// The features' part of the front-end's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureConfig {
    /// What the server calls itself.
    pub software: Software,
    /// Whom to write to about this server; empty: nothing is said.
    pub contacts: Contacts,
    /// Domains of services that belong to this server, listed by disco#items of the domain (XEP-0030 section 4).
    pub items: Vec<String>,
    /// Where it is published how the service is (XEP-0455): URLs outside of it.
    pub status_urls: Vec<String>,
    /// To whom reports of abuse are sent (XEP-0377).
    pub reports_to: Option<Jid>,
    /// Relays for calls (XEP-0215).
    pub external: External,
    /// What notifications to push services show (XEP-0357 section 9).
    pub push: PushShows,
    /// Whether users may change their password in band (XEP-0077 section 3.3).
    pub password_change: bool,
    /// Whether users may remove their account in band (XEP-0077 section 3.2).
    pub account_removal: bool,
    /// Whether messages are kept after they were delivered (XEP-0313).
    pub archive: bool,
    /// Where files can be put (XEP-0363); `None`: nowhere.
    pub uploads: Option<SharedUploads>,
}

/// How much of a message a push service learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushShows {
    /// There are no notifications.
    Nothing,
    /// How many messages wait.
    Count,
    /// Also who wrote the last one.
    Sender,
    /// Also what it says, or how it begins.
    Body,
}

/// XEP-0092, and the name of the server's identity (XEP-0030).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Software {
    /// The product's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The operating system; `None` keeps it to ourselves.
    pub os: Option<String>,
}

/// XEP-0157: URIs (`mailto:`, `xmpp:`, `https:`) by purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contacts {
    /// Reports of abuse.
    pub abuse: Vec<String>,
    /// Who runs the server.
    pub admin: Vec<String>,
    /// Opinions.
    pub feedback: Vec<String>,
    /// Business.
    pub sales: Vec<String>,
    /// Vulnerabilities.
    pub security: Vec<String>,
    /// Where the server's state is published.
    pub status: Vec<String>,
    /// Help.
    pub support: Vec<String>,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        FeatureConfig {
            software: Software::default(),
            contacts: Contacts::default(),
            items: Vec::new(),
            status_urls: Vec::new(),
            reports_to: None,
            external: External::default(),
            push: PushShows::Count,
            password_change: true,
            account_removal: true,
            archive: false,
            uploads: None,
        }
    }
}

impl Default for Software {
    fn default() -> Self {
        Software {
            name: "Crosspoint".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            os: None,
        }
    }
}

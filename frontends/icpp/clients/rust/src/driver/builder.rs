//! How a client begins.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crosspoint_icpp::codec::presence::Show;
use tokio::sync::watch;
use tokio::time::timeout;

use super::client::Client;
use super::socket::{Trust, TrustError, is_built_in};
use super::{Shared, run};
use crate::core::limits::URLS_MAX;
use crate::core::{Core, Ending, Endpoint, Final, Settings, UrlError};
use crate::store::{MemoryStore, StateStore};

/// How long [`Builder::connect`] goes on trying, if nothing else is said.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A URL cannot be read.
    #[error("{0}: {1}")]
    Url(String, UrlError),
    /// No URL was named, or too many were.
    #[error("between 1 and {URLS_MAX} URLs are needed")]
    Urls,
    /// A transport that this build does not have.
    #[error("{0}: this transport is not built in")]
    Transport(Endpoint),
    /// The account is not of the form `user@domain`.
    #[error("the account {0:?} is not of the form user@domain")]
    Account(String),
    /// Certificates to be trusted cannot be read.
    #[error("certificates to be trusted: {0}")]
    Trust(#[from] TrustError),
    /// What the last run kept cannot be read.
    #[error("the state store: {0}")]
    Store(#[from] io::Error),
    /// No session in time; the last attempt says why. [`Builder::start`] does not wait, and goes on trying.
    #[error("no session within {} s: {}", .0.as_secs_f32(), .1.as_ref().map_or("no attempt has ended".to_owned(), Ending::to_string))]
    InVain(Duration, Option<Ending>),
    /// The server refused the login for good.
    #[error(transparent)]
    Ended(#[from] Final),
}

/// Says who the client is, and where it connects. Made by [`Client::builder`].
pub struct Builder {
    urls: Vec<String>,
    settings: Settings,
    store: Box<dyn StateStore>,
    trust_files: Vec<PathBuf>,
    background: bool,
    patience: Duration,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            urls: Vec::new(),
            settings: Settings::new("", "", Vec::new()),
            store: Box::new(MemoryStore::new()),
            trust_files: Vec::new(),
            background: false,
            patience: PATIENCE,
        }
    }
}

impl Builder {
    /// Servers, to be tried in turn: `icpp://host:port`, `icpps://host:port`; with the feature `websocket` also `ws://host:port/path` and
    /// `wss://host:port/path`.
    #[must_use]
    pub fn urls<U: AsRef<str>>(mut self, urls: impl IntoIterator<Item = U>) -> Builder {
        self.urls.extend(urls.into_iter().map(|url| url.as_ref().to_owned()));
        self
    }

    /// The account: `user@domain`.
    #[must_use]
    pub fn account(mut self, account: &str) -> Builder {
        account.clone_into(&mut self.settings.account);
        self
    }

    /// Its password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Builder {
        password.clone_into(&mut self.settings.password);
        self
    }

    /// The resource that the client would like. Without it the server chooses.
    #[must_use]
    pub fn resource(mut self, resource: &str) -> Builder {
        resource.clone_into(&mut self.settings.resource);
        self
    }

    /// Name and version of the program, for the server's logs.
    #[must_use]
    pub fn agent(mut self, agent: &str) -> Builder {
        agent.clone_into(&mut self.settings.agent);
        self
    }

    /// Where the client keeps what must outlive it. Without it, nothing does.
    #[must_use]
    pub fn state(mut self, store: impl StateStore + 'static) -> Builder {
        self.store = Box::new(store);
        self
    }

    /// Certificates to be trusted, a PEM file, instead of those of the operating system. May be called several times.
    #[must_use]
    pub fn trust(mut self, pem_file: impl Into<PathBuf>) -> Builder {
        self.trust_files.push(pem_file.into());
        self
    }

    /// Shows nothing until [`Client::set_presence`] is called: no messages to the bare address arrive before.
    #[must_use]
    pub fn invisible(mut self) -> Builder {
        self.settings.presence = None;
        self
    }

    /// What is shown once connected: available, with priority 0, if nothing is said.
    #[must_use]
    pub fn presence(mut self, show: Show, priority: i8, status: &str) -> Builder {
        if let Some(shown) = &mut self.settings.presence {
            (shown.show, shown.priority) = (show, priority);
            status.clone_into(&mut shown.status);
        }
        self
    }

    /// How long [`Builder::connect`] goes on trying; half a minute if nothing is said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Builder {
        self.patience = patience;
        self
    }

    /// Begins in the background.
    #[must_use]
    pub fn background(mut self) -> Builder {
        self.background = true;
        self
    }

    /// Starts the client, and does not wait for a connection: messages can be sent at once, and go when there is one.
    ///
    /// Errors: whatever is wrong with what was said here. To be called within a tokio runtime.
    pub fn start(mut self) -> Result<Client, ConnectError> {
        if self.urls.is_empty() || self.urls.len() > URLS_MAX {
            return Err(ConnectError::Urls);
        }
        let (user, domain) = self.settings.account.split_once('@').unwrap_or_default();
        if user.is_empty() || domain.is_empty() || domain.contains('/') || self.settings.account.len() > 1_024 {
            return Err(ConnectError::Account(self.settings.account));
        }
        self.settings.urls = self.endpoints()?;
        let encrypted = self.settings.urls.iter().any(|url| url.transport.is_secure());
        let trust = Trust::new(&self.trust_files, encrypted)?;
        let kept = self.store.load()?;
        let mut core = Core::new(self.settings, kept);
        core.set_background(self.background);
        let shared = Arc::new(Shared::new(core, self.store));
        let (handles, alive) = watch::channel(());
        tokio::spawn(run::run(shared.clone(), trust, alive));
        Ok(Client::new(shared, handles))
    }

    /// Starts the client, and waits for its first session. It goes on trying for as long as [`Builder::patience`] says.
    ///
    /// Errors: as [`Builder::start`]; [`ConnectError::Ended`] if the server refuses the login; [`ConnectError::InVain`] with the reason of the
    /// last attempt.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let patience = self.patience;
        let client = self.start()?;
        match timeout(patience, client.wait_for_session()).await {
            Ok(ended) => ended?,
            Err(_) => {
                let why = client.last_ending();
                client.close().await;
                return Err(ConnectError::InVain(patience, why));
            }
        }
        Ok(client)
    }

    fn endpoints(&self) -> Result<Vec<Endpoint>, ConnectError> {
        let read = |url: &String| {
            let endpoint: Endpoint = url.parse().map_err(|error| ConnectError::Url(url.clone(), error))?;
            match is_built_in(endpoint.transport) {
                true => Ok(endpoint),
                false => Err(ConnectError::Transport(endpoint)),
            }
        };
        self.urls.iter().map(read).collect()
    }
}

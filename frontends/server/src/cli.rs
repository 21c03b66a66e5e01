//! The command line: what can be asked of the binary.
//!
//! Flags that change a setting of the configuration only carry its text to [`layers`](crate::config::layers), which
//! knows the keys; so a flag's value is judged, and its error worded, in the same place as the file's and the
//! environment's.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::layers::FlagSetting;

/// Crosspoint: a switch for instant messages, spoken to by XMPP clients.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "crosspoint", version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`.
    #[command(flatten)]
    pub serve: Settings,
}

/// The exit codes, for people and scripts.
const EXIT_CODES: &str = "Exit codes:
  0  done; for serve: drained, everything acknowledged is on the disk
  1  failed; the message says what, where and what to do
  2  wrong use of the command line, or a wrong configuration
  3  some rows of an import, or some parts of a status, were not good
  4  drained, but some sessions had not ended at the deadline
  130  ended at once by a second signal";

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (the default).
    Serve(Settings),
    /// Manage accounts, whether the server runs or not.
    #[command(subcommand)]
    User(User),
    /// Read the configuration, say which key and line is wrong, or OK.
    CheckConfig(Settings),
    /// Ask a running server how it is.
    Status {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Watch what the shards of a server do, also of one that is wedged or was killed.
    Top(crate::top::Options),
    /// Let a running server end gracefully: no new connections, goodbyes, everything on the disk.
    Drain {
        /// Which server.
        #[command(flatten)]
        place: Place,
    },
}

/// Settings of the server. Each can also be in the file, or in the environment as CROSSPOINT_ and the key's name.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// Read this configuration; crosspoint.example.toml documents every key.
    #[arg(long, value_name = "FILE", env = "CROSSPOINT_CONFIG")]
    pub config: Option<PathBuf>,
    /// The domain to serve: what stands after the @ [default: localhost].
    #[arg(long, value_name = "D")]
    pub domain: Option<String>,
    /// The folder for everything that must survive [default: ./crosspoint-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Listen for XMPP with STARTTLS; repeat it, or use commas; `off` for none [default: 127.0.0.1:5222].
    #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',')]
    pub xmpp: Vec<String>,
    /// Listen for XMPP with direct TLS [default: 127.0.0.1:5223].
    #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',')]
    pub xmpps: Vec<String>,
    /// Listen for ICPP in the clear (loopback) [default: 127.0.0.1:5299].
    #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',')]
    pub icpp: Vec<String>,
    /// Listen for ICPP with TLS [default: 127.0.0.1:5300].
    #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',')]
    pub icpps: Vec<String>,
    /// Encryption on the STARTTLS listeners: off (loopback only), optional, required [default: required].
    #[arg(long, value_name = "MODE")]
    pub xmpp_tls: Option<String>,
    /// Number of shards; 0 is one for each core [default: 0].
    #[arg(long, value_name = "N")]
    pub shards: Option<String>,
    /// Serve /metrics, /healthz and /readyz here; `off` for nowhere [default: 127.0.0.1:5280].
    #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',')]
    pub admin: Vec<String>,
    /// Whether clients may make their own accounts: open or closed [default: closed].
    #[arg(long, value_name = "POLICY")]
    pub registration: Option<String>,
    /// Form of the server's log: human or json [default: human].
    #[arg(long, value_name = "FORM")]
    pub log: Option<String>,
    /// Set any key of the configuration: --set limits.sessions_per_user=8
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Which server, by its data folder.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The server's data folder [default: the configuration's, or ./crosspoint-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The server's configuration, to find its data folder and domain.
    #[arg(long, value_name = "FILE", env = "CROSSPOINT_CONFIG")]
    pub config: Option<PathBuf>,
}

/// Account management.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Make an account. The password is asked for, or read as one line from standard input.
    Add {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// The account's address, user@domain.
        jid: String,
    },
    /// Remove an account and everything that belongs to it.
    Del {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// The account's address.
        jid: String,
    },
    /// Set a new password; sessions of the account end.
    Passwd {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// The account's address.
        jid: String,
    },
    /// List the accounts, in order.
    List {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// Begin after this address.
        #[arg(long, value_name = "JID", default_value = "")]
        after: String,
        /// At most so many; 0 for all.
        #[arg(long, value_name = "N", default_value_t = 0)]
        limit: usize,
        /// How to print them.
        #[arg(long, value_enum, default_value_t = ListForm::Plain)]
        format: ListForm,
    },
    /// Print the slots of accounts, which say at which back-end they live (edge.back_ends, edge.homes). None need exist.
    Slot {
        /// Their addresses.
        #[arg(required = true)]
        jids: Vec<String>,
    },
    /// Write all accounts, with everything that belongs to them, to a file or folder (XEP-0227). The server must not run.
    Export {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// FILE.xml for one file; anything else is a folder, with a file for each user. Nothing is overwritten.
        to: PathBuf,
    },
    /// Make many accounts from a CSV file of `jid,password` rows (RFC 4180), or from a file of XEP-0227 (*.xml; the server
    /// must not run then).
    Import {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// The file; `-` for standard input.
        file: PathBuf,
        /// Stop at the first bad row (what was imported before it stays).
        #[arg(long)]
        strict: bool,
        /// Threads that derive keys; 0 is one for each core.
        #[arg(long, value_name = "N", default_value_t = 0)]
        threads: usize,
    },
}

/// Forms of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListForm {
    /// One address a line.
    Plain,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// The flags that were given, as settings by key.
    ///
    /// # Errors
    /// A `--set` that is not KEY=VALUE.
    pub fn flags(&self) -> Result<Vec<FlagSetting>, String> {
        let data = self.data.as_ref().map(|path| path.to_string_lossy().into_owned());
        let single = [
            ("--domain", "domain", self.domain.clone()),
            ("--data", "data", data),
            ("--xmpp", "xmpp.listen", joined(&self.xmpp)),
            ("--xmpps", "xmpp.listen_tls", joined(&self.xmpps)),
            ("--icpp", "icpp.listen", joined(&self.icpp)),
            ("--icpps", "icpp.listen_tls", joined(&self.icpps)),
            ("--xmpp-tls", "xmpp.tls", self.xmpp_tls.clone()),
            ("--shards", "shards", self.shards.clone()),
            ("--admin", "admin.listen", joined(&self.admin)),
            ("--registration", "accounts.registration", self.registration.clone()),
            ("--log", "log.format", self.log.clone()),
        ];
        let mut flags: Vec<_> = single
            .into_iter()
            .filter_map(|(flag, key, value)| {
                Some(FlagSetting {
                    flag: flag.to_owned(),
                    key: key.to_owned(),
                    value: value?,
                })
            })
            .collect();
        for setting in &self.set {
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| format!("--set {setting}: write --set KEY=VALUE"))?;
            flags.push(FlagSetting {
                flag: format!("--set {key}"),
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
        Ok(flags)
    }
}

impl Place {
    /// As settings, for the commands that need to know no more than where the server is.
    pub fn settings(&self) -> Settings {
        Settings {
            config: self.config.clone(),
            data: self.data.clone(),
            ..Settings::default()
        }
    }
}

fn joined(list: &[String]) -> Option<String> {
    if list.is_empty() { None } else { Some(list.join(",")) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Cli {
        Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_what_nothing_means() {
        assert!(parse("crosspoint").command.is_none());
        assert_eq!(
            parse("crosspoint --domain x.example").serve.domain.as_deref(),
            Some("x.example")
        );
    }

    #[test]
    fn the_flags_that_scripts_rely_on() {
        let line = "crosspoint serve --domain D --data DIR --xmpp 127.0.0.1:1 --xmpps 127.0.0.1:2 --xmpp-tls off --shards 3 \
                    --admin 127.0.0.1:4 --registration open --config F --log json";
        let Some(Command::Serve(settings)) = parse(line).command else {
            panic!("not serve")
        };
        let flags = settings.flags().unwrap();
        let value = |key: &str| {
            flags
                .iter()
                .find(|flag| flag.key == key)
                .map(|flag| flag.value.as_str())
        };
        assert_eq!(value("domain"), Some("D"));
        assert_eq!(value("data"), Some("DIR"));
        assert_eq!(value("xmpp.listen"), Some("127.0.0.1:1"));
        assert_eq!(value("xmpp.listen_tls"), Some("127.0.0.1:2"));
        assert_eq!(value("xmpp.tls"), Some("off"));
        assert_eq!(value("shards"), Some("3"));
        assert_eq!(value("admin.listen"), Some("127.0.0.1:4"));
        assert_eq!(value("accounts.registration"), Some("open"));
        assert_eq!(value("log.format"), Some("json"));
        assert_eq!(settings.config, Some(PathBuf::from("F")));
    }

    #[test]
    fn every_flag_names_a_key_that_exists() {
        let known = crate::config::layers::leaves(&crate::config::Config::default());
        let line = "crosspoint serve --domain D --data D --xmpp 1 --xmpps 1 --xmpp-tls o --shards 1 --admin 1 --registration o --log j";
        let Some(Command::Serve(settings)) = parse(line).command else {
            panic!("not serve")
        };
        for flag in settings.flags().unwrap() {
            assert!(known.contains_key(&flag.key), "{} sets {}", flag.flag, flag.key);
        }
    }

    #[test]
    fn users_and_the_rest() {
        let Some(Command::User(User::Add { place, jid })) = parse("crosspoint user add --data DIR romeo@x").command
        else {
            panic!("not user add")
        };
        assert_eq!((place.data, jid.as_str()), (Some(PathBuf::from("DIR")), "romeo@x"));
        let imported = parse("crosspoint user import --data DIR FILE.csv --strict").command;
        assert!(matches!(
            imported,
            Some(Command::User(User::Import { strict: true, .. }))
        ));
        assert!(matches!(
            parse("crosspoint status --json").command,
            Some(Command::Status { json: true, .. })
        ));
        assert!(matches!(parse("crosspoint drain").command, Some(Command::Drain { .. })));
        assert!(matches!(
            parse("crosspoint check-config --config F").command,
            Some(Command::CheckConfig(_))
        ));
    }

    #[test]
    fn a_set_without_a_value_is_refused() {
        assert!(parse("crosspoint --set shards").serve.flags().is_err());
    }
}

//! Laying the four sources of settings over each other: defaults, file, environment, flags.
//!
//! The environment can set every key: `CROSSPOINT_` and the key in capitals, dots as underscores, lists by commas
//! (`CROSSPOINT_XMPP_LISTEN=127.0.0.1:5222,[::1]:5222`).
//!
//! Invariants:
//! - An error names the source of the bad setting: the file's line, the variable, or the flag; and its key.
//! - A value is never shown beyond what the source's own parser shows.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, place};

/// What the environment's variables begin with.
pub const ENVIRONMENT_PREFIX: &str = "CROSSPOINT_";

/// Variables that set something else than a key of the configuration.
const NOT_KEYS: &[&str] = &["CROSSPOINT_CONFIG"];

/// The sources, as they were found.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file: its path and its text.
    pub file: Option<(PathBuf, String)>,
    /// Variables that begin with [`ENVIRONMENT_PREFIX`].
    pub environment: Vec<(String, String)>,
    /// Settings from the command line.
    pub flags: Vec<FlagSetting>,
}

/// A setting from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagSetting {
    /// The flag, with its dashes.
    pub flag: String,
    /// The key that it sets.
    pub key: String,
    /// Its value as text; lists by commas.
    pub value: String,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the file.
    File {
        /// Which file.
        path: PathBuf,
        /// One-based.
        line: usize,
    },
    /// A variable of the environment.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => write!(out, "default"),
            Origin::File { path, line } => write!(out, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(out, "environment, {name}"),
            Origin::Flag(flag) => write!(out, "command line, {flag}"),
        }
    }
}

/// A wrong setting: where, which key (empty if the text is no TOML), what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Where it was set.
    pub origin: Origin,
    /// The dotted key.
    pub key: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(out, "{}: {}", self.origin, self.what),
            key => write!(out, "{}: {key}: {}", self.origin, self.what),
        }
    }
}

impl std::error::Error for Wrong {}

/// A configuration, and where each of its settings comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings in force.
    pub config: Config,
    /// Variables that look like settings but name no key.
    pub strangers: Vec<String>,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Where a key's value comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}

/// Lays the sources over each other.
///
/// # Errors
/// The first setting that is unknown or has a value of the wrong kind.
pub fn load(sources: &Sources) -> Result<Loaded, Wrong> {
    let known = leaves(&Config::default());
    let mut layers = Layers {
        table: Table::new(),
        origins: BTreeMap::new(),
        known: &known,
    };
    if let Some((path, text)) = &sources.file {
        layers.file(path, text)?;
    }
    let mut strangers = Vec::new();
    for (name, value) in &sources.environment {
        match known.keys().find(|key| variable(key) == *name) {
            Some(key) => layers.set(key, value, Origin::Environment(name.clone()))?,
            None if NOT_KEYS.contains(&name.as_str()) => {}
            None => strangers.push(name.clone()),
        }
    }
    for setting in &sources.flags {
        layers.set(&setting.key, &setting.value, Origin::Flag(setting.flag.clone()))?;
    }
    let config = parse(&layers.table).map_err(|what| Wrong {
        origin: Origin::Default,
        key: String::new(),
        what,
    })?;
    Ok(Loaded {
        config,
        strangers,
        origins: layers.origins,
    })
}

/// The variable that sets a key.
pub fn variable(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Every key of a configuration, dotted, with its value.
pub fn leaves(config: &Config) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    // The structs hold nothing that TOML cannot say; should that change, the tests find no keys and fail.
    if let Ok(Value::Table(table)) = Value::try_from(config) {
        collect(&table, "", &mut found);
    }
    found
}

fn collect(table: &Table, prefix: &str, found: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => collect(inner, &format!("{prefix}{name}."), found),
            value => {
                found.insert(format!("{prefix}{name}"), value.clone());
            }
        }
    }
}

/// Settings so far. After each one the whole still parses, so that an error belongs to the one just laid.
struct Layers<'a> {
    table: Table,
    origins: BTreeMap<String, Origin>,
    known: &'a BTreeMap<String, Value>,
}

impl Layers<'_> {
    fn file(&mut self, path: &Path, text: &str) -> Result<(), Wrong> {
        let at = |offset| Origin::File {
            path: path.to_owned(),
            line: place::line_of(text, offset),
        };
        toml::from_str::<Config>(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            Wrong {
                origin: at(offset),
                key: place::key_at(text, offset).unwrap_or_default(),
                what: first_line(error.message()),
            }
        })?;
        self.table = text.parse().unwrap_or_default();
        for key in self.known.keys() {
            if let Some(line) = place::line_of_key(text, key) {
                self.origins.insert(
                    key.clone(),
                    Origin::File {
                        path: path.to_owned(),
                        line,
                    },
                );
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), Wrong> {
        let wrong = |what| Wrong {
            origin: origin.clone(),
            key: key.to_owned(),
            what,
        };
        let shape = self.known.get(key).ok_or_else(|| wrong(unknown(key, self.known)))?;
        let value = shaped(shape, text).map_err(wrong)?;
        insert(&mut self.table, key, value);
        parse(&self.table).map_err(wrong)?;
        self.origins.insert(key.to_owned(), origin);
        Ok(())
    }
}

/// Reads a text as a value of the same kind as `shape`.
fn shaped(shape: &Value, text: &str) -> Result<Value, String> {
    match shape {
        Value::Integer(_) => text
            .parse()
            .map(Value::Integer)
            .map_err(|_| format!("`{text}` is not a whole number")),
        Value::Boolean(_) => text
            .parse()
            .map(Value::Boolean)
            .map_err(|_| format!("`{text}` is neither true nor false")),
        Value::Array(_) if matches!(text, "" | "off") => Ok(Value::Array(Vec::new())),
        Value::Array(_) => Ok(Value::Array(
            text.split(',')
                .map(|part| Value::String(part.trim().to_owned()))
                .collect(),
        )),
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn parse(table: &Table) -> Result<Config, String> {
    Config::deserialize(Value::Table(table.clone())).map_err(|error| first_line(error.message()))
}

fn unknown(key: &str, known: &BTreeMap<String, Value>) -> String {
    let keys: Vec<_> = known.keys().map(String::as_str).collect();
    format!("there is no key `{key}`; the keys are: {}", keys.join(", "))
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

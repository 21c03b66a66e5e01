//! The flags that every run understands. Each but the last few is another name for a key of the scenario.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use toml::Value;

use super::rate::Goal;
use super::{Output, UsageError};
use crate::plan::{Mechanism, Override, Protocol, Security};

/// For any scenario.
#[derive(Debug, Default, Args)]
pub struct Flags {
    /// What to speak: xmpp if nothing is said [target.protocol]
    #[arg(long, value_enum, help_heading = "Server")]
    protocol: Option<Protocol>,
    /// Where the server listens; may be given more than once, used in turn. 127.0.0.1 if nothing is said; without a port
    /// 5222, over ICPP 5299, or 5300 with --tls [target.addresses]
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "Server")]
    addr: Vec<String>,
    /// Over ICPP: where the same server speaks XMPP, for accounts and rosters that are to be made [target.xmpp]
    #[arg(long, value_name = "HOST:PORT", help_heading = "Server")]
    xmpp: Option<String>,
    /// Domain of the accounts [target.domain]
    #[arg(long, help_heading = "Server")]
    domain: Option<String>,
    /// Encrypt; `starttls` unless another form is named, over ICPP always from the first byte [target.security]
    #[arg(long, value_enum, value_name = "FORM", num_args = 0..=1, default_missing_value = "starttls", help_heading = "Server")]
    tls: Option<Security>,
    /// Check the server's certificate by the authorities in this PEM file [target.ca]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    ca: Option<PathBuf>,
    /// Do not check the server's certificate, which is what happens without --ca
    #[arg(long, hide = true)]
    #[allow(dead_code, reason = "scripts of the first edition give it")]
    insecure: bool,
    /// How to prove the password [target.mechanism]
    #[arg(long, value_enum, help_heading = "Server")]
    mechanism: Option<Mechanism>,
    /// Resource to bind [target.resource]
    #[arg(long, help_heading = "Server")]
    resource: Option<String>,
    /// Source addresses, or a range of them; may be given more than once [target.sources]
    #[arg(long, value_name = "IP|IP-IP", help_heading = "Server")]
    source: Vec<String>,

    /// Users are called this and a number [users.prefix]
    #[arg(long, value_name = "PREFIX", help_heading = "Accounts")]
    users_prefix: Option<String>,
    /// Number of the first user [users.first]
    #[arg(long, value_name = "N", help_heading = "Accounts")]
    from: Option<u32>,
    /// How many users [users.count]
    #[arg(long, value_name = "N", help_heading = "Accounts")]
    users: Option<u32>,
    /// Password of all of them [users.password]
    #[arg(long, env = "LOADGEN_PASSWORD", hide_env_values = true, help_heading = "Accounts")]
    password: Option<String>,
    /// Where accounts come from: `beforehand`, `in-band`, or a command in which {user}, {domain}, {password} and {jid}
    /// are replaced [users.make]
    #[arg(long, value_name = "HOW", help_heading = "Accounts")]
    make: Option<String>,

    /// Logins under way at a time [load.concurrency]
    #[arg(long, value_name = "N", help_heading = "Load")]
    concurrency: Option<u32>,
    /// Logins begun in a second [load.logins_per_s]
    #[arg(long, value_name = "RATE", help_heading = "Load")]
    logins_per_s: Option<f64>,
    /// Seconds before the measured part [load.warmup_s]
    #[arg(long, value_name = "SECONDS", help_heading = "Load")]
    warmup: Option<f64>,
    /// Seconds of measuring [load.duration_s]
    #[arg(long, value_name = "SECONDS", help_heading = "Load")]
    seconds: Option<f64>,
    /// Seconds that the last deliveries may take [load.drain_s]
    #[arg(long, value_name = "SECONDS", help_heading = "Load")]
    drain: Option<f64>,
    /// Keep to this core; may be given more than once [load.cores]
    #[arg(long, alias = "shards-core", value_name = "N", help_heading = "Load")]
    core: Vec<u32>,
    /// Threads of each process [load.threads]
    #[arg(long, value_name = "N", help_heading = "Load")]
    threads: Option<u32>,
    /// Processes, each with a part of the users [load.processes]
    #[arg(long, value_name = "N", help_heading = "Load")]
    processes: Option<u32>,
    /// Whatever is drawn by lot follows from this [load.seed]
    #[arg(long, value_name = "N", help_heading = "Load")]
    seed: Option<u32>,
    /// Users, rooms and overall rates times this: 0.01 runs a large preset on a small machine
    #[arg(long, value_name = "FACTOR", help_heading = "Load")]
    pub scale: Option<f64>,
    /// Search for the highest rate that holds this, as in "p99<10ms" [search]
    #[arg(long, value_name = "GOAL", help_heading = "Load")]
    find_rate: Option<Goal>,

    /// A process of the server, for its CPU and memory; may be given more than once [watch.server_pids]
    #[arg(long, value_name = "PID", help_heading = "Observation")]
    pid: Vec<u32>,
    /// The server's own figures in the text format of Prometheus [watch.metrics_url]
    #[arg(long, value_name = "URL", help_heading = "Observation")]
    metrics: Option<String>,
    /// Print the result as one JSON document
    #[arg(long, help_heading = "Observation")]
    json: bool,
    /// Show no progress
    #[arg(short, long, help_heading = "Observation")]
    quiet: bool,
    /// Write the result as JSON, for `compare` and `report`
    #[arg(long, value_name = "FILE.json", help_heading = "Observation")]
    save: Option<PathBuf>,
    /// Write a page with plots
    #[arg(long, value_name = "FILE.html", help_heading = "Observation")]
    html: Option<PathBuf>,

    /// Any key of the scenario, as in users.roster.size=20; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the plan with all its keys, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Flags {
    /// What the flags change in a scenario; `--set` wins over the flags that have names.
    pub fn overrides(&self) -> Result<Vec<Override>, UsageError> {
        let mut changes = Changes::default();
        self.server(&mut changes);
        self.accounts(&mut changes);
        self.load(&mut changes);
        changes.list("watch.server_pids", "--pid", &self.pid);
        changes.text("watch.metrics_url", "--metrics", self.metrics.as_deref());
        for text in &self.set {
            changes.0.push(Override::parse(text).map_err(UsageError::Flag)?);
        }
        Ok(changes.0)
    }

    /// Whether a rate is searched for.
    pub fn searches(&self) -> bool {
        self.find_rate.is_some()
    }

    pub fn output(self) -> Output {
        Output {
            json: self.json,
            quiet: self.quiet,
            save: self.save,
            page: self.html,
        }
    }

    fn server(&self, changes: &mut Changes) {
        let texts = |texts: &[String]| texts.iter().cloned().map(Value::String).collect::<Vec<_>>();
        if !self.addr.is_empty() {
            changes.set("target.addresses", "--addr", texts(&self.addr));
        }
        if !self.source.is_empty() {
            changes.set("target.sources", "--source", texts(&self.source));
        }
        changes.choice("target.protocol", "--protocol", self.protocol);
        changes.text("target.xmpp", "--xmpp", self.xmpp.as_deref());
        changes.text("target.domain", "--domain", self.domain.as_deref());
        changes.choice("target.security", "--tls", self.tls);
        changes.choice("target.mechanism", "--mechanism", self.mechanism);
        changes.text("target.resource", "--resource", self.resource.as_deref());
        let ca = self.ca.as_ref().map(|path| path.to_string_lossy().into_owned());
        changes.text("target.ca", "--ca", ca.as_deref());
    }

    fn accounts(&self, changes: &mut Changes) {
        changes.text("users.prefix", "--users-prefix", self.users_prefix.as_deref());
        changes.number("users.first", "--from", self.from);
        changes.number("users.count", "--users", self.users);
        changes.text("users.password", "--password", self.password.as_deref());
        match self.make.as_deref() {
            None => {}
            Some(how @ ("beforehand" | "in-band")) => changes.set("users.make", "--make", how),
            Some(command) => changes.set("users.make.command", "--make", command),
        }
    }

    fn load(&self, changes: &mut Changes) {
        changes.number("load.concurrency", "--concurrency", self.concurrency);
        changes.number("load.logins_per_s", "--logins-per-s", self.logins_per_s);
        changes.number("load.warmup_s", "--warmup", self.warmup);
        changes.number("load.duration_s", "--seconds", self.seconds);
        changes.number("load.drain_s", "--drain", self.drain);
        changes.list("load.cores", "--core", &self.core);
        changes.number("load.threads", "--threads", self.threads);
        changes.number("load.processes", "--processes", self.processes);
        changes.number("load.seed", "--seed", self.seed);
        if let Some(goal) = self.find_rate {
            changes.number("search.percentile", "--find-rate", Some(goal.percentile));
            changes.number("search.max_ms", "--find-rate", Some(goal.max_ms));
            changes.text(
                "search.latency",
                "--find-rate",
                goal.latency.map(|latency| latency.name()),
            );
        }
    }
}

/// Overrides under way. A flag that was not given changes nothing.
#[derive(Debug, Default)]
pub struct Changes(pub Vec<Override>);

impl Changes {
    pub fn set(&mut self, key: &str, flag: &str, value: impl Into<Value>) {
        self.0.push(Override::new(key, value, flag));
    }

    pub fn number(&mut self, key: &str, flag: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, flag, value);
        }
    }

    pub fn text(&mut self, key: &str, flag: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.set(key, flag, value);
        }
    }

    pub fn list(&mut self, key: &str, flag: &str, values: &[u32]) {
        if !values.is_empty() {
            self.set(key, flag, values.to_vec());
        }
    }

    /// The name of the choice on the command line is its name in files.
    pub fn choice(&mut self, key: &str, flag: &str, value: Option<impl ValueEnum>) {
        if let Some(value) = value.and_then(|value| value.to_possible_value()) {
            self.set(key, flag, value.get_name());
        }
    }
}

//! A server of the built binary, in a folder that goes away.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// A command of the built binary that takes nothing from this process's environment or folder.
pub fn crosspoint(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crosspoint"));
    command.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CROSSPOINT_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end, with this on its standard input.
pub fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = crosspoint(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // A command that fails early does not read its input.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    child.wait_with_output().expect("the binary ends")
}

/// Runs a command that must succeed; returns its standard output.
pub fn done(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs a command that must fail with this exit code; returns its standard error.
pub fn fails(arguments: &[&str], code: i32) -> String {
    let output = run(arguments, "");
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stderr)
}

/// What a program has written.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A new folder that is removed when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it.
    pub fn new() -> Scratch {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "crosspoint-play-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Scratch(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path within it, as text.
    pub fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Any port of the loopback; the banner says which it became.
pub const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The address in front of these words of the banner.
pub fn address(banner: &str, words: &str) -> SocketAddr {
    let before = banner
        .split(words)
        .next()
        .and_then(|before| before.split([' ', '/']).next_back());
    before
        .and_then(|address| address.parse().ok())
        .unwrap_or_else(|| panic!("{words} in {banner}"))
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// What it said before it was ready.
    pub banner: String,
    /// Where it listens for STARTTLS.
    pub xmpp: SocketAddr,
    /// Where it listens for direct TLS.
    pub xmpps: SocketAddr,
    /// Its data folder.
    pub data: PathBuf,
}

impl Server {
    /// Starts one, and waits until it listens. Two shards, so that sessions have to move.
    pub fn start(data: &Path, xmpp: SocketAddr, xmpps: SocketAddr, more: &[&str]) -> Server {
        let (xmpp_text, xmpps_text) = (xmpp.to_string(), xmpps.to_string());
        let mut command = crosspoint(&["serve", "--shards", "2", "--xmpp", &xmpp_text, "--xmpps", &xmpps_text]);
        command.arg("--data").arg(data).args(["--set", "pin=false"]);
        if !more.contains(&"--icpp") {
            command.args(["--icpp", "off", "--icpps", "off"]);
        }
        if !more.contains(&"--admin") {
            command.args(["--admin", "off"]);
        }
        let mut child = command
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut banner = String::new();
        while !banner.contains("Next:") {
            let count = output.read_line(&mut banner).expect("the server speaks");
            assert_ne!(count, 0, "the server ended: {banner}");
        }
        // What it says later is read by nobody, and must not stop it.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let clear = if banner.contains(", STARTTLS") {
            ", STARTTLS"
        } else {
            ", in the clear"
        };
        let (xmpp, xmpps) = (address(&banner, clear), address(&banner, ", direct TLS"));
        Server {
            child,
            banner,
            xmpp,
            xmpps,
            data: data.to_owned(),
        }
    }

    /// On any ports.
    pub fn anywhere(data: &Path, more: &[&str]) -> Server {
        Server::start(data, ANY, ANY, more)
    }

    /// Its data folder, for commands.
    pub fn data(&self) -> String {
        self.data.display().to_string()
    }

    /// Makes an account.
    pub fn add_user(&self, jid: &str, password: &str) {
        done(&["user", "add", "--data", &self.data(), jid], &format!("{password}\n"));
    }

    /// The end without a warning: SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; the exit code.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

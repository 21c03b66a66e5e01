//! The data folder: what is where, made on first start for its owner only.
//!
//! ```text
//!   crosspoint-data/          0700
//!     book.redb  log/         storage's
//!     tls/cert.pem            the self-signed certificate, when none is configured
//!     tls/key.pem             0600
//!     uploads/                files that users share, in a folder for each day
//!     domain                  what was served from here last, so that a later `user add` knows
//!     admin.sock              0600, while the server runs
//!     stats                   0600, figures in shared memory, also of a server that is wedged or was killed
//! ```
//!
//! Invariant: nothing in here is ever readable by others than its owner.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Rights of the folder and those inside it.
const FOLDER_MODE: u32 = 0o700;

/// Rights of files that hold secrets.
const SECRET_MODE: u32 = 0o600;

/// A data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The folder at this path, whether it exists or not.
    pub fn at(root: &Path) -> Home {
        Home { root: root.to_owned() }
    }

    /// Makes the folder if there is none. `true`: it is new.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(&self) -> io::Result<bool> {
        let new = !self.root.exists();
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.root)?;
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(self.root.join("tls"))?;
        Ok(new)
    }

    /// Whether others than the owner may look inside: worth a warning.
    pub fn open_to_others(&self) -> bool {
        fs::metadata(&self.root).is_ok_and(|folder| folder.permissions().mode() & 0o077 != 0)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it exists.
    pub fn exists(&self) -> bool {
        self.root.is_dir()
    }

    /// Where the self-signed certificate is.
    pub fn certificate(&self) -> PathBuf {
        self.root.join("tls/cert.pem")
    }

    /// Where the self-signed certificate's key is.
    pub fn key(&self) -> PathBuf {
        self.root.join("tls/key.pem")
    }

    /// Files that users share.
    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Where a running server listens for its administrator.
    pub fn admin_socket(&self) -> PathBuf {
        self.root.join("admin.sock")
    }

    /// The statistics of the server that runs, or ran last.
    pub fn stats(&self) -> PathBuf {
        self.root.join("stats")
    }

    /// The domain that was last served from here.
    pub fn domain(&self) -> Option<String> {
        let text = fs::read_to_string(self.root.join("domain")).ok()?;
        Some(text.trim().to_owned()).filter(|domain| !domain.is_empty())
    }

    /// Notes the domain that is served from here.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn note_domain(&self, domain: &str) -> io::Result<()> {
        fs::write(self.root.join("domain"), format!("{domain}\n"))
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// Those of the file system.
pub fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    // What an interrupted attempt has left may have other rights.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(SECRET_MODE)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn a_new_folder_is_for_its_owner_only() {
        let scratch = Scratch::new();
        let home = Home::at(&scratch.path().join("a/b"));
        assert!(home.create().unwrap(), "new");
        assert!(!home.create().unwrap(), "not new");
        assert!(!home.open_to_others());
        fs::set_permissions(home.root(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(home.open_to_others());
    }

    #[test]
    fn a_secret_is_for_its_owner_only_and_can_be_replaced() {
        let scratch = Scratch::new();
        let path = scratch.path().join("key.pem");
        write_secret(&path, b"one").unwrap();
        write_secret(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SECRET_MODE);
    }

    #[test]
    fn the_domain_is_remembered() {
        let scratch = Scratch::new();
        let home = Home::at(scratch.path());
        assert_eq!(home.domain(), None);
        home.note_domain("example.org").unwrap();
        assert_eq!(home.domain().as_deref(), Some("example.org"));
    }
}

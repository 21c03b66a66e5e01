//! XEP-0363 HTTP File Upload: places are asked for over XMPP, files come and go over HTTP.
//!
//! ```text
//!   shard:  <request/> ──▶ Uploads::place ──▶ ledger: may this user? ──▶ a signed URL
//!   web:    PUT URL ──▶ signature, size, type ──▶ files: part, sync, rename ──▶ ledger: it is there
//!           GET, HEAD ──▶ files ──▶ headers under which nothing can run
//! ```
//! Reading order: `place` (the URL), `ledger` (who has how much), `files` (what is on the disk), `serve` (HTTP).
//!
//! Invariants:
//! - No path is made of anything that a client says: a file's name on the disk is random, and read back by its form.
//! - A place is good once, for a few minutes, for one size and one type.
//! - What was answered by 201 is on the disk.
//! - Files of an account that is removed go with it. Those that a crash in that moment leaves behind go when they expire.

mod files;
mod ledger;
mod place;
mod serve;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crosspoint_engine::rt;
use crosspoint_xmpp::features::upload::{PlaceRefusal, PlaceRequest, Places, Uploads};

use crate::config::Upload;

use super::pool::Pool;
use files::Files;
use ledger::Ledger;
use place::{Place, Seal};

pub use serve::{get, put};

/// The path under which files are.
pub const PATH: &str = "/upload/";

/// How often what has expired is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// How often those who are no more are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Uploads of one server, as shards and the web's thread share them.
pub struct Store {
    /// Beginning of all URLs, without a slash at its end.
    url: String,
    seal: Seal,
    ledger: Mutex<Ledger>,
    /// Owners who are no more, and the days of their files.
    gone: Mutex<Vec<(u64, Vec<u64>)>>,
    files: Files,
    limits: Upload,
}

impl Store {
    /// Opens the folder, and learns who has how much in it.
    ///
    /// # Errors
    /// Those of the folder; no random bytes.
    pub fn open(folder: &Path, url: String, limits: &Upload) -> io::Result<Arc<Store>> {
        let files = Files::open(folder)?;
        let mut ledger = Ledger::new(limits);
        files.each(|day, owner, bytes| ledger.note(owner, day, bytes))?;
        Ok(Arc::new(Store {
            url,
            seal: Seal::fresh()?,
            ledger: Mutex::new(ledger),
            gone: Mutex::default(),
            files,
            limits: limits.clone(),
        }))
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what has expired.
    fn sweep(&self, now_ms: u64) {
        let first = (now_ms / DAY_MS).saturating_sub(self.limits.days);
        match self.files.remove_before(first) {
            Ok(0) => {}
            Ok(days) => tracing::info!(days, "uploads have expired"),
            Err(error) => tracing::warn!(%error, "expired uploads could not be removed"),
        }
        self.ledger().forget_before(first);
    }

    fn gone(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Vec<u64>)>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the files of those who are no more.
    fn bury(&self) {
        let gone = std::mem::take(&mut *self.gone());
        for (owner, days) in gone {
            match self.files.remove_of(owner, Some(&days)) {
                Ok(files) => tracing::info!(files, "uploads of a removed account are gone"),
                Err(error) => tracing::warn!(%error, "uploads of a removed account stay until they expire"),
            }
        }
    }

    /// Removes a file that nobody has been told of.
    fn drop_file(&self, id: place::Id) {
        if let Err(error) = self.files.remove(id) {
            tracing::warn!(%error, "an upload of a removed account stays until it expires");
        }
    }
}

/// Removes what an account had, while no server runs.
///
/// # Errors
/// Those of the folder.
pub fn remove_all_of(folder: &Path, bare: &str) -> io::Result<usize> {
    match folder.exists() {
        true => Files::open(folder)?.remove_of(place::owner(bare), None),
        false => Ok(0),
    }
}

/// Sweeps, for as long as the web's thread lives.
pub async fn sweeping(store: Arc<Store>, pool: Pool, clock: rt::Clock) {
    let every_ms = SWEEP_EVERY.as_millis() as u64;
    let mut next_ms = 0;
    loop {
        let now_ms = clock.wall_ms();
        // When there is no place for it, the next time will do.
        if now_ms >= next_ms {
            let store = store.clone();
            let _ = pool.run(move || store.sweep(now_ms)).await;
            next_ms = now_ms + every_ms;
        }
        if !store.gone().is_empty() {
            let store = store.clone();
            let _ = pool.run(move || store.bury()).await;
        }
        rt::sleep(LOOK_EVERY).await;
    }
}

impl Uploads for Store {
    fn file_bytes_max(&self) -> u64 {
        self.limits.file_bytes
    }

    fn place(&self, request: &PlaceRequest<'_>) -> Result<Places, PlaceRefusal> {
        let size = request.bytes;
        if size > self.limits.file_bytes {
            return Err(PlaceRefusal::TooLarge(self.limits.file_bytes));
        }
        let place = Place::new(request).ok_or(PlaceRefusal::Name)?;
        let reserved = self.ledger().reserve(place.owner, place.random, size, request.now_ms);
        reserved.map_err(|until_ms| PlaceRefusal::Full { until_ms })?;
        let get = format!("{}{PATH}{}", self.url, place.path(request.name));
        let put = format!(
            "{get}?{}",
            self.seal.query(&place, request.name, request.media.unwrap_or_default())
        );
        Ok(Places { put, get })
    }

    fn forget(&self, owner: &str) {
        let owner = place::owner(owner);
        let days = self.ledger().forget(owner);
        if !days.is_empty() {
            self.gone().push((owner, days));
        }
    }
}

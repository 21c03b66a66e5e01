//! Gathering the configuration's sources: the file, the process's environment, the flags.

use std::env;
use std::fs;

use crate::cli::Settings;
use crate::config::layers::{self, ENVIRONMENT_PREFIX, Loaded, Origin, Sources, Wrong};

/// Reads the sources and lays them over each other.
///
/// # Errors
/// The first setting that is wrong, with its place.
pub fn load(settings: &Settings) -> Result<Loaded, Wrong> {
    let flag = |what| Wrong {
        origin: Origin::Flag("--set".to_owned()),
        key: String::new(),
        what,
    };
    let flags = settings.flags().map_err(flag)?;
    let file = match &settings.config {
        None => None,
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| Wrong {
                origin: Origin::Flag("--config".to_owned()),
                key: String::new(),
                what: format!("cannot read {}: {error}", path.display()),
            })?;
            Some((path.clone(), text))
        }
    };
    let environment = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
        .collect();
    layers::load(&Sources {
        file,
        environment,
        flags,
    })
}

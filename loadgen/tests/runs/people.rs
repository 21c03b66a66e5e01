//! People who come and go.

use std::path::PathBuf;

use super::peer::{Manners, Peer};

/// A scenario file, for as long as this lives. Its name is for this one alone.
pub struct Scenario(PathBuf);

impl Scenario {
    /// Three people of one behaviour; `load` and `behaviour` are lines of those tables.
    pub fn people(name: &str, load: &str, behaviour: &str) -> Self {
        let text = format!(
            "name = '{name}'\n[users]\ncount = 3\n[load]\nwarmup_s = 0\n{load}\n[scenario.mixed]\n\
             [[scenario.mixed.behaviours]]\nname = 'people'\n{behaviour}\n"
        );
        Self::new(name, &text)
    }

    pub fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("loadgen-{name}-{}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn who_comes_back_does_not_wait_for_the_pace_of_the_first_logins() {
    // Each of the three logs in and out many times a second, and the first logins take two seconds each.
    let load = "logins_per_s = 0.5\nduration_s = 2";
    let plan = Scenario::people(
        "pace",
        load,
        "message_every_s = 0.05\nneighbours = 2\nlogout_every_s = 0.05\naway_s = 0.01",
    );
    let outcome = Peer::new(Manners::default()).run(&["run", plan.path()]);
    outcome.assert_ok();
    // By that pace one or two would have come back.
    assert!(outcome.count("logins_ok") > 10, "{}", outcome.count("logins_ok"));
}

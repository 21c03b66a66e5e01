//! The scenario files that are part of the program: one for each scenario, and one for each published test.
//!
//! Invariant: every one of them is a valid plan, at every scale.

/// A scenario file and its name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    /// The file, with its comments.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal)+) => {
        &[$(Preset { name: $name, text: include_str!(concat!("../../presets/", $name, ".toml")) },)+]
    };
}

/// All of them: the scenarios first, then the published tests, then what nobody publishes.
pub const ALL: &[Preset] = presets!(
    "connect" "chat" "presence" "fanout" "offline" "mixed" "flood" "slow" "floor"
    "rtb" "amoc-pm" "tsung-jabber" "p1-2m" "tigase-1m" "game-muc"
    "restart-storm" "mass-resume" "room-10k"
);

/// The preset of this name.
pub fn find(name: &str) -> Option<&'static Preset> {
    ALL.iter().find(|preset| preset.name == name)
}

/// The name that was probably meant: the one that shares most with it, if any does.
pub fn similar(name: &str) -> Option<&'static str> {
    let distance = |preset: &Preset| (distance(name, preset.name), preset.name);
    let (distance, nearest) = ALL.iter().map(distance).min()?;
    (distance <= name.len() / 3 + 1).then_some(nearest)
}

/// How many letters must be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], place + 1);
        for (column, against) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(letter != against);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn every_preset_is_a_plan_that_can_be_written_out_and_scaled() {
        for preset in ALL {
            let plan = Plan::parse(preset.name, preset.text, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(plan.name, preset.name);
            assert!(!plan.about.is_empty());
            for factor in [1.0, 0.5, 0.013, 1e-9, 3.0] {
                let scaled = plan.clone().scaled(factor).unwrap_or_else(|error| panic!("{error}"));
                let again = Plan::parse(preset.name, &scaled.to_toml(), &[]);
                assert_eq!(again.unwrap_or_else(|error| panic!("{factor}: {error}")), scaled);
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/presets");
        let files = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|name| find(name.trim_end_matches(".toml")).is_none());
        assert!(names.is_empty(), "not embedded: {names:?}");
    }

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        assert_eq!(similar("tsung-jaber"), Some("tsung-jabber"));
        assert_eq!(similar("chta"), Some("chat"));
        assert_eq!(similar("something else"), None);
    }
}

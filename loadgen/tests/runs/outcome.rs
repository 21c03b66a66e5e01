//! What came of a run of the built program: its exit code, its document, its last words.

use std::process::Child;

use serde_json::Value;

/// What came of a run.
pub struct Outcome {
    pub code: i32,
    pub errors: String,
    document: Value,
}

impl Outcome {
    pub fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            code: output.status.code().unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
            document: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        }
    }

    /// A count of the whole run; what is not in the document was never counted.
    pub fn count(&self, name: &str) -> u64 {
        self.document["whole"][name].as_u64().unwrap_or(0)
    }

    /// Lost, duplicated, reordered, damaged.
    pub fn wrong(&self) -> [u64; 4] {
        ["lost", "duplicated", "reordered", "damaged"].map(|name| self.count(name))
    }

    pub fn assert_ok(&self) {
        assert_eq!(self.code, 0, "{}\n{:#}", self.errors, self.document["verdict"]);
    }
}

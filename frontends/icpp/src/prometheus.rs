//! Figures as Prometheus reads them (text format 0.0.4).

use std::fmt::{Display, Write as _};

/// Appends one family: kind (`counter` or `gauge`), name, help, and each value with its labels, braces included.
pub(crate) fn family<L: Display>(
    text: &mut String,
    kind: &str,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, u64)>,
) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

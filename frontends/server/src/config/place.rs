//! Where in a TOML text something stands: from a byte offset to a key and a line, and from a key to its line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One-based line of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(offset)
        .filter(|&&byte| byte == b'\n')
        .count()
}

/// The dotted key whose name or value covers the offset; the innermost one.
pub(super) fn key_at(text: &str, offset: usize) -> Option<String> {
    let root = DeTable::parse(text).ok()?;
    let mut path = Vec::new();
    covering(root.get_ref(), offset, &mut path).then(|| path.join("."))
}

/// The line on which a dotted key is set.
pub(super) fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == part)?;
        if parts.peek().is_none() {
            return Some(line_of(text, name.span().start));
        }
        table = value.get_ref().as_table()?;
    }
    None
}

/// Depth first: a table's own span covers its header only, its members lie behind.
fn covering(table: &DeTable<'_>, offset: usize, path: &mut Vec<String>) -> bool {
    table.iter().any(|(name, value)| {
        path.push(name.get_ref().clone().into_owned());
        let within = value
            .get_ref()
            .as_table()
            .is_some_and(|inner| covering(inner, offset, path));
        let found = within || name.span().contains(&offset) || leaf_covers(value, offset);
        if !found {
            path.pop();
        }
        found
    })
}

fn leaf_covers(value: &Spanned<DeValue<'_>>, offset: usize) -> bool {
    !value.get_ref().is_table() && value.span().contains(&offset)
}

//! From text and overrides to a plan, and from an error to the place that caused it.
//!
//! Invariant: an error is blamed on the flag that set the value, if one did, else on the line of the file.

use std::fmt;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::Plan;
use super::check::Breach;

/// Tables of which one entry names the kind: setting another kind replaces them.
const ONE_OF: &[&str] = &["scenario", "mode", "make"];

/// A key that does not come from the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// With dots: `users.count`, `scenario.mixed.behaviours.0.weight`.
    pub key: String,
    pub value: Value,
    /// What the user wrote, for errors: `--window 8`.
    pub from: String,
}

/// What is wrong with a scenario, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {key}{message}")]
pub struct PlanError {
    /// `FILE:LINE`, or the flag.
    pub place: String,
    /// The key and a colon, if the message does not speak for itself.
    key: String,
    pub message: String,
}

impl PlanError {
    /// An error at a place; the key may be empty.
    pub(super) fn new(place: String, key: &str, message: &str) -> Self {
        Self {
            place,
            key: if key.is_empty() {
                String::new()
            } else {
                format!("{key}: ")
            },
            message: message.to_owned(),
        }
    }
}

impl Override {
    /// A key set by a flag of its own.
    pub fn new(key: &str, value: impl Into<Value>, flag: &str) -> Self {
        let value = value.into();
        Self {
            from: format!("{flag} {}", bare(&value)),
            key: key.to_owned(),
            value,
        }
    }

    /// `KEY=VALUE`. The value is TOML; what is no TOML is text.
    ///
    /// # Errors
    /// There is no `=`, or no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is no KEY=VALUE; write --set users.count=500"))?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || key.split('.').any(str::is_empty) {
            return Err(format!("{key:?} is no key; write it with dots, as in users.count"));
        }
        let document: Result<toml::Table, _> = toml::from_str(&format!("value = {value}"));
        let parsed = document.ok().and_then(|mut table| table.remove("value"));
        Ok(Self {
            key: key.to_owned(),
            value: parsed.unwrap_or_else(|| Value::String(value.to_owned())),
            from: format!("--set {text}"),
        })
    }
}

/// The plan of a text after overrides; not checked yet.
pub(super) fn read(origin: &str, text: &str, overrides: &[Override]) -> Result<Plan, PlanError> {
    if overrides.is_empty() {
        return toml::from_str(text).map_err(|error| in_text(origin, text, &error));
    }
    let mut table: toml::Table = toml::from_str(text).map_err(|error| in_text(origin, text, &error))?;
    for change in overrides {
        apply(&mut table, change)?;
    }
    let merged = Value::Table(table).try_into();
    merged.map_err(|error: toml::de::Error| blame(origin, text, overrides, error.to_string().trim()))
}

/// The place of a breach that a check has found.
pub(super) fn locate(origin: &str, text: &str, overrides: &[Override], breach: &Breach) -> PlanError {
    let concerns = |change: &&Override| within(&breach.key, &change.key) || within(&change.key, &breach.key);
    let place = match overrides.iter().rev().find(concerns) {
        Some(change) => change.from.clone(),
        None => match line_of(text, &breach.key) {
            Some(line) => format!("{origin}:{line}"),
            None => origin.to_owned(),
        },
    };
    PlanError::new(place, &breach.key, &breach.message)
}

/// Whether a key is this table or in it.
fn within(key: &str, table: &str) -> bool {
    key.strip_prefix(table)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What was wrong before any override, or the first override after which it is.
fn blame(origin: &str, text: &str, overrides: &[Override], last: &str) -> PlanError {
    if let Err(error) = toml::from_str::<Plan>(text) {
        return in_text(origin, text, &error);
    }
    let mut table: toml::Table = toml::from_str(text).unwrap_or_default();
    for change in overrides {
        if let Err(error) = apply(&mut table, change) {
            return error;
        }
        let step: Result<Plan, toml::de::Error> = Value::Table(table.clone()).try_into();
        if let Err(error) = step {
            return wrong(change, error.to_string().trim().replace('\n', ", "));
        }
    }
    PlanError {
        place: origin.to_owned(),
        key: String::new(),
        message: last.to_owned(),
    }
}

/// Sets a key, making the tables above it.
fn apply(table: &mut toml::Table, change: &Override) -> Result<(), PlanError> {
    let mut whole = Value::Table(std::mem::take(table));
    let mut at = &mut whole;
    let mut above = "";
    for segment in change.key.split('.') {
        at =
            descend(at, above, segment).ok_or_else(|| wrong(change, format!("there is nothing called {segment:?}")))?;
        above = segment;
    }
    *at = change.value.clone();
    if let Value::Table(whole) = whole {
        *table = whole;
    }
    Ok(())
}

/// The entry of a table or an array; a missing entry of a table is made.
fn descend<'a>(at: &'a mut Value, above: &str, segment: &str) -> Option<&'a mut Value> {
    if let Value::Array(entries) = at {
        return entries.get_mut(segment.parse::<usize>().ok()?);
    }
    if !at.is_table() {
        // `make = "in-band"`, and now `make.command`.
        *at = Value::Table(toml::Table::new());
    }
    let table = at.as_table_mut()?;
    if ONE_OF.contains(&above) && !table.contains_key(segment) {
        table.clear();
    }
    Some(table.entry(segment).or_insert_with(|| Value::Table(toml::Table::new())))
}

fn wrong(change: &Override, message: String) -> PlanError {
    PlanError {
        place: change.from.clone(),
        key: format!("{}: ", change.key),
        message,
    }
}

fn in_text(origin: &str, text: &str, error: &toml::de::Error) -> PlanError {
    let Some(span) = error.span() else {
        return PlanError {
            place: origin.to_owned(),
            key: String::new(),
            message: error.message().to_owned(),
        };
    };
    let key = key_at(text, span.start);
    PlanError {
        place: format!("{origin}:{}", line_at(text, span.start)),
        key: key.map_or_else(String::new, |key| format!("{key}: ")),
        message: error.message().replace('\n', ", "),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The key with a value, or the table, that stands at an offset.
fn key_at(text: &str, offset: usize) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let mut found = None;
    visit(document.get_ref(), "", &mut |path, start, end| {
        if start <= offset && offset < end {
            found = Some(path.to_owned());
        }
    });
    found
}

/// The line of a key, or of the nearest table above it that is written in the text.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut best: Option<(usize, usize)> = None;
    visit(document.get_ref(), "", &mut |path, start, _| {
        if within(key, path) && best.is_none_or(|(length, _)| path.len() > length) {
            best = Some((path.len(), start));
        }
    });
    best.map(|(_, start)| line_at(text, start))
}

/// Every key with its path and the bytes from its name to the end of its value, outer ones first.
fn visit(table: &DeTable<'_>, above: &str, seen: &mut impl FnMut(&str, usize, usize)) {
    for (key, value) in table.iter() {
        let path = join(above, key.get_ref());
        let (start, end) = (key.span().start, value.span().end.max(key.span().end));
        seen(&path, start, end);
        visit_value(value.get_ref(), &path, seen);
    }
}

fn visit_value(value: &DeValue<'_>, path: &str, seen: &mut impl FnMut(&str, usize, usize)) {
    match value {
        DeValue::Table(table) => visit(table, path, seen),
        DeValue::Array(entries) => {
            for (place, entry) in entries.iter().enumerate() {
                let path = join(path, place.to_string());
                seen(&path, entry.span().start, entry.span().end);
                visit_value(entry.get_ref(), &path, seen);
            }
        }
        _ => {}
    }
}

fn join(above: &str, key: impl fmt::Display + AsRef<str>) -> String {
    match above {
        "" => key.to_string(),
        above => format!("{above}.{key}"),
    }
}

/// A value as the user would write it on the command line.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

//! XEP-0004 Data Forms, as far as commands need them: what is asked, and what was answered.
//!
//! Invariant: an answer has at most [`FIELDS_MAX`] fields of at most [`VALUES_MAX`] values each; their length is the stanza's.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;

use crate::codec::{Builder, Element};

/// Namespace of `<x/>`.
pub const NS: &str = "jabber:x:data";
/// Fields of one answer.
pub const FIELDS_MAX: usize = 64;
/// Values of one field.
pub const VALUES_MAX: usize = 2_000;

/// What is asked.
pub(in super::super) struct Form {
    pub title: &'static str,
    pub instructions: &'static str,
    /// The value of FORM_TYPE.
    pub form_type: &'static str,
    pub fields: Vec<Field>,
}

/// One question, or one answer of ours.
pub(in super::super) struct Field {
    pub var: &'static str,
    /// `jid-single`, `text-multi`...
    pub kind: &'static str,
    pub label: &'static str,
    pub required: bool,
    pub values: Vec<String>,
    /// Label and value of each.
    pub options: &'static [(&'static str, &'static str)],
}

impl Field {
    pub fn new(var: &'static str, kind: &'static str, label: &'static str) -> Field {
        Field {
            var,
            kind,
            label,
            required: false,
            values: Vec::new(),
            options: &[],
        }
    }

    pub fn required(self) -> Field {
        Field { required: true, ..self }
    }

    pub fn values(self, values: Vec<String>) -> Field {
        Field { values, ..self }
    }
}

/// Writes a form: `form` to be filled in, `result` to be read.
pub(in super::super) fn write(el: &mut Builder<'_, '_>, kind: &'static str, form: &Form) {
    el.open("x").attr("xmlns", NS).attr("type", kind);
    if !form.title.is_empty() {
        el.open("title").text(form.title).close();
    }
    if !form.instructions.is_empty() {
        el.open("instructions").text(form.instructions).close();
    }
    el.open("field").attr("var", "FORM_TYPE").attr("type", "hidden");
    el.open("value").text(form.form_type).close().close();
    for field in &form.fields {
        write_field(el, field);
    }
    el.close();
}

fn write_field(el: &mut Builder<'_, '_>, field: &Field) {
    el.open("field").attr("var", field.var).attr("type", field.kind);
    el.attr("label", field.label);
    if field.required {
        el.open("required").close();
    }
    for (label, value) in field.options {
        el.open("option").attr("label", *label);
        el.open("value").text(value).close().close();
    }
    for value in &field.values {
        el.open("value").text(value).close();
    }
    el.close();
}

/// What was answered, in all stages so far.
#[derive(Default, Clone)]
pub(in super::super) struct Answers {
    fields: Vec<(String, Vec<String>)>,
}

impl Answers {
    /// Takes in a submitted form; a field that is answered again replaces its earlier answer. False if there is too much.
    pub fn take(&mut self, form: &Element<'_>) -> bool {
        for field in form.children().filter(|child| child.is("field", NS)) {
            let Some(var) = field.attr("var") else { continue };
            let values = field.children().filter(|child| child.is("value", NS));
            let values: Vec<String> = values
                .take(VALUES_MAX + 1)
                .map(|value| value.text().into_owned())
                .collect();
            self.fields.retain(|(known, _)| known != var);
            if values.len() > VALUES_MAX || self.fields.len() == FIELDS_MAX {
                return false;
            }
            self.fields.push((var.to_owned(), values));
        }
        true
    }

    /// The values of a field; none if it was not answered.
    pub fn values(&self, var: &str) -> &[String] {
        let found = self.fields.iter().find(|(known, _)| known == var);
        found.map_or(&[], |(_, values)| values)
    }

    /// The first value of a field that is not empty.
    pub fn value(&self, var: &str) -> Option<&str> {
        self.values(var)
            .first()
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A text of several lines; empty if it was not answered.
    pub fn lines(&self, var: &str) -> String {
        self.values(var).join("\n")
    }

    /// The addresses of a field. Clients that know no lists write one on each line.
    ///
    /// # Errors
    /// `JidMalformed`.
    pub fn addresses(&self, var: &str) -> Result<Vec<Jid>, Condition> {
        let texts = self.values(var).iter().flat_map(|value| value.split(['\n', ' ', ',']));
        texts
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| Jid::parse(text).map_err(|_| Condition::JidMalformed))
            .collect()
    }

    /// Whether every required field of a form has a value.
    pub fn satisfies(&self, form: &Form) -> bool {
        let required = form.fields.iter().filter(|field| field.required);
        let mut vars = required.map(|field| field.var);
        vars.all(|var| self.values(var).iter().any(|value| !value.is_empty()))
    }
}

//! Data forms (XEP-0004), as far as rooms need them.
//!
//! Invariant: what is read has the form type that was asked for (XEP-0068), or names none.

use crosspoint_engine::envelope::Condition;

use crate::codec::{Builder, Element};

/// XEP-0004.
pub(super) const DATA: &str = "jabber:x:data";
const FORM_TYPE: &str = "FORM_TYPE";

/// A form that was filled in.
pub(super) struct Submitted<'a> {
    fields: Vec<(&'a str, Vec<String>)>,
}

impl<'a> Submitted<'a> {
    /// The form in this `<x/>`, of type `submit`. `BadRequest` for another form, or for a field twice. Clients that build a form by
    /// hand leave out its type, and an instant room has nothing else (XEP-0045 section 10.1.2): without one it is taken for this.
    pub fn read(x: &'a Element<'_>, form_type: &str) -> Result<Submitted<'a>, Condition> {
        if !x.is("x", DATA) || x.attr("type") != Some("submit") {
            return Err(Condition::BadRequest);
        }
        let mut fields: Vec<(&str, Vec<String>)> = Vec::new();
        for field in x.children().filter(|child| child.is("field", DATA)) {
            let Some(var) = field.attr("var") else { continue };
            if fields.iter().any(|(known, _)| *known == var) {
                return Err(Condition::BadRequest);
            }
            let values = field.children().filter(|child| child.is("value", DATA));
            fields.push((var, values.map(|value| value.text().into_owned()).collect()));
        }
        let form = Submitted { fields };
        match form.get(FORM_TYPE)? {
            Some(named) if named != form_type => Err(Condition::BadRequest),
            _ => Ok(form),
        }
    }

    /// All fields and their values, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &[String])> {
        self.fields.iter().map(|(var, values)| (*var, &values[..]))
    }

    /// The only value of a field; `BadRequest` if it has several.
    pub fn get(&self, var: &str) -> Result<Option<&str>, Condition> {
        match self.fields.iter().find(|(known, _)| *known == var) {
            Some((_, values)) => only(values),
            None => Ok(None),
        }
    }
}

/// The value of a field that has one at most.
pub(super) fn only(values: &[String]) -> Result<Option<&str>, Condition> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(Condition::BadRequest),
    }
}

/// XEP-0004 section 3.3: a boolean, in its four spellings.
pub(super) fn boolean(value: &str) -> Result<bool, Condition> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Condition::BadRequest),
    }
}

/// Opens a form of this kind, with its type.
pub(super) fn open(el: &mut Builder<'_, 'static>, kind: &str, form_type: &str) {
    el.open("x").attr("xmlns", DATA).attr("type", kind);
    field(el, FORM_TYPE, "hidden", None, &[form_type]);
}

/// Writes a field. Without a label it is one of a result, or hidden.
pub(super) fn field(el: &mut Builder<'_, 'static>, var: &str, kind: &str, label: Option<&str>, values: &[&str]) {
    open_field(el, var, kind, label, values);
    el.close();
}

/// The same, with the values that may be chosen.
pub(super) fn choice(
    el: &mut Builder<'_, 'static>,
    var: &str,
    kind: &str,
    label: &str,
    values: &[&str],
    options: &[(&str, &str)],
) {
    open_field(el, var, kind, Some(label), values);
    for (label, value) in options {
        el.open("option").attr("label", *label);
        el.open("value").text(value).close().close();
    }
    el.close();
}

fn open_field(el: &mut Builder<'_, 'static>, var: &str, kind: &str, label: Option<&str>, values: &[&str]) {
    el.open("field")
        .attr("var", var)
        .attr("type", kind)
        .attr_opt("label", label);
    for value in values {
        el.open("value").text(value).close();
    }
}

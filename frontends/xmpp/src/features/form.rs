//! XEP-0004 Data Forms: reading what is submitted, writing what is asked or told.
//!
//! Invariant: a form has at most [`FIELDS_MAX`] fields, each at most [`VALUES_MAX`] values.

use std::borrow::Cow;

use crosspoint_engine::envelope::Condition;

use crate::codec::{Builder, Element};

/// Namespace of `<x/>`.
pub const NS: &str = "jabber:x:data";
/// Fields of one form.
pub const FIELDS_MAX: usize = 64;
/// Values of one field.
pub const VALUES_MAX: usize = 64;

/// A form without its texts for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form<'a> {
    /// `form`, `submit`, `cancel` or `result`.
    pub kind: Cow<'a, str>,
    /// The value of the field `FORM_TYPE`; empty if there is none.
    pub form_type: Cow<'a, str>,
    /// The others.
    pub fields: Vec<Field<'a>>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub var: Cow<'a, str>,
    pub kind: &'static str,
    pub values: Vec<Cow<'a, str>>,
    pub options: Vec<&'static str>,
}

impl<'a> Field<'a> {
    pub fn text(var: &'static str, value: &'a str) -> Field<'a> {
        Field::text_owned(var, Cow::Borrowed(value))
    }

    pub fn text_owned(var: &'static str, value: Cow<'a, str>) -> Field<'a> {
        Field::new(var, "text-single", vec![value], Vec::new())
    }

    pub fn boolean(var: &'static str, value: &'static str) -> Field<'a> {
        Field::new(var, "boolean", vec![value.into()], Vec::new())
    }

    pub fn choice(var: &'static str, value: &'static str, options: Vec<&'static str>) -> Field<'a> {
        Field::new(var, "list-single", vec![value.into()], options)
    }

    pub fn list(var: &'static str, values: Vec<Cow<'a, str>>) -> Field<'a> {
        Field::new(var, "list-multi", values, Vec::new())
    }

    fn new(var: &'static str, kind: &'static str, values: Vec<Cow<'a, str>>, options: Vec<&'static str>) -> Field<'a> {
        Field {
            var: var.into(),
            kind,
            values,
            options,
        }
    }

    /// The first value, without white space around it.
    pub fn value(&self) -> &str {
        self.values.first().map_or("", |value| value.trim())
    }
}

impl<'a> Form<'a> {
    /// Reads `<x xmlns='jabber:x:data'/>`.
    pub fn read(x: &'a Element<'_>) -> Result<Form<'a>, Condition> {
        let mut form = Form {
            kind: x.attr("type").unwrap_or("submit").into(),
            form_type: "".into(),
            fields: Vec::new(),
        };
        for field in x.children().filter(|child| child.is("field", NS)) {
            let var = field.attr("var").ok_or(Condition::BadRequest)?;
            let values: Vec<_> = field
                .children()
                .filter(|child| child.is("value", NS))
                .map(Element::text)
                .collect();
            if values.len() > VALUES_MAX || form.fields.len() >= FIELDS_MAX {
                return Err(Condition::NotAcceptable);
            }
            if var == "FORM_TYPE" {
                form.form_type = values.into_iter().next().unwrap_or_default();
                continue;
            }
            form.fields.push(Field {
                var: var.into(),
                kind: "",
                values,
                options: Vec::new(),
            });
        }
        Ok(form)
    }

    /// With memory of its own.
    pub fn into_owned(self) -> Form<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let fields = self.fields.into_iter().map(|field| Field {
            var: own(field.var),
            kind: field.kind,
            values: field.values.into_iter().map(own).collect(),
            options: field.options,
        });
        Form {
            kind: own(self.kind),
            form_type: own(self.form_type),
            fields: fields.collect(),
        }
    }

    /// Writes `<x/>`.
    pub fn write(&self, el: &mut Builder<'_, '_>) {
        el.open("x").attr("xmlns", NS).attr("type", &*self.kind);
        el.open("field").attr("var", "FORM_TYPE").attr("type", "hidden");
        el.open("value").text(&self.form_type).close().close();
        for field in &self.fields {
            el.open("field").attr("var", &*field.var).attr("type", field.kind);
            for value in &field.values {
                el.open("value").text(value).close();
            }
            for option in &field.options {
                el.open("option").open("value").text(option).close().close();
            }
            el.close();
        }
        el.close();
    }
}

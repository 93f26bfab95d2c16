//! Answers in three columns, or as one JSON object.

use serde_json::{Map, Value};

use crate::failure::visible;
use crate::style::Style;

/// Answers in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    label: &'static str,
    values: Values,
    call: &'static str,
}

#[derive(Debug)]
enum Values {
    One(Value),
    Many(Vec<String>),
}

impl Table {
    /// One answer, and the call that gives it.
    pub(super) fn one(&mut self, label: &'static str, value: impl Into<Value>, call: &'static str) {
        let values = Values::One(value.into());
        self.rows.push(Row {
            label,
            values,
            call,
        });
    }

    /// An answer of any number of values.
    pub(super) fn many(&mut self, label: &'static str, values: Vec<String>, call: &'static str) {
        let values = Values::Many(values);
        self.rows.push(Row {
            label,
            values,
            call,
        });
    }

    /// For people: a line per value, the call in the last column.
    pub(super) fn text(&self, style: Style) -> String {
        let lines: Vec<[String; 3]> = self.rows.iter().flat_map(Row::lines).collect();
        let width = |column: usize| {
            let widths = lines.iter().map(|line| line[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let (labels, values) = (width(0), width(1));
        lines
            .iter()
            .map(|[label, value, call]| match call.as_str() {
                "" => format!("{label:labels$}  {value}\n"),
                call => format!("{label:labels$}  {value:values$}  {}\n", style.dim(call)),
            })
            .collect()
    }

    /// For machines: labels with underscores are the keys.
    pub(super) fn json(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let object: Map<String, Value> = self
            .rows
            .iter()
            .map(|row| {
                let value = match &row.values {
                    Values::One(value) => value.clone(),
                    Values::Many(values) => values.clone().into(),
                };
                (row.label.replace([' ', '-'], "_"), value)
            })
            .collect();
        format!("{}\n", Value::Object(object))
    }
}

impl Row {
    fn lines(&self) -> Vec<[String; 3]> {
        let values = match &self.values {
            Values::One(Value::String(text)) => vec![visible(text)],
            Values::One(Value::Bool(true)) => vec!["yes".to_owned()],
            Values::One(Value::Bool(false)) => vec!["no".to_owned()],
            Values::One(value) => vec![value.to_string()],
            Values::Many(values) if values.is_empty() => vec!["none".to_owned()],
            // A name comes from whoever owns it: nothing in it is obeyed.
            Values::Many(values) => values.iter().map(|text| visible(text)).collect(),
        };
        let first = |index: usize, text: &str| match index {
            0 => text.to_owned(),
            _ => String::new(),
        };
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| [first(index, self.label), value, first(index, self.call)])
            .collect()
    }
}

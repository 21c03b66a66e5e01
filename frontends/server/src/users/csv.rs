//! Reading rows of comma-separated values (RFC 4180), strictly and in a stream.
//!
//! Passwords hang on it, so what is ambiguous is an error and not a guess: a quote inside an unquoted field, text after a
//! closing quote, a quote that is never closed.
//!
//! Invariants:
//! - A row occupies at most [`ROW_BYTES_MAX`] bytes of memory and [`ROW_LINES_MAX`] lines; longer ones are an error.
//! - After an error the reader goes on at the next line; a quote that is never closed takes what follows it with it, up to
//!   the bound of a row.

use std::fmt;
use std::io::{self, BufRead};

/// Most bytes of a row, quotes included.
pub const ROW_BYTES_MAX: usize = 16 * 1024;

/// Most lines of a row: a quoted field may hold line ends, although no password may.
pub const ROW_LINES_MAX: u64 = 64;

/// A row and the line on which it begins, counted from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it begins.
    pub line: u64,
    /// What stands between the commas, quotes taken off.
    pub fields: Vec<String>,
}

/// What is wrong with a row.
#[derive(Debug)]
pub enum RowError {
    /// A quote inside of a field that does not begin with one.
    StrayQuote,
    /// Something else than a comma or the line's end after a closing quote.
    AfterQuote,
    /// The input ends within quotes.
    Unclosed,
    /// More than [`ROW_BYTES_MAX`] or [`ROW_LINES_MAX`].
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// The input cannot be read.
    Io(io::Error),
}

impl fmt::Display for RowError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowError::StrayQuote => write!(
                out,
                "a quote inside of a field; put the field in quotes and double the quotes in it"
            ),
            RowError::AfterQuote => write!(
                out,
                "something follows a closing quote; expected a comma or the end of the line"
            ),
            RowError::Unclosed => write!(out, "a quoted field is never closed"),
            RowError::TooLong => write!(
                out,
                "the row is longer than {ROW_BYTES_MAX} bytes or {ROW_LINES_MAX} lines"
            ),
            RowError::NotUtf8 => write!(out, "the row is not UTF-8"),
            RowError::Io(error) => write!(out, "cannot read on: {error}"),
        }
    }
}

/// Reads rows.
pub struct Rows<R> {
    input: R,
    /// The line that is read next.
    line: u64,
    ended: bool,
}

impl<R: BufRead> Rows<R> {
    /// From an input that stands at its beginning.
    pub fn new(input: R) -> Rows<R> {
        Rows {
            input,
            line: 1,
            ended: false,
        }
    }

    /// Reads one row: more than one line when a quoted field holds line ends. `None`: the end, or an empty line.
    fn read_row(&mut self) -> Result<Option<Vec<String>>, RowError> {
        let begun = self.line;
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            let fits = read_line(&mut self.input, &mut bytes)?;
            if bytes.len() == before {
                self.ended = true;
                return if before == 0 { Ok(None) } else { Err(RowError::Unclosed) };
            }
            self.line += 1;
            if !fits || self.line - begun > ROW_LINES_MAX {
                return Err(RowError::TooLong);
            }
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| RowError::NotUtf8)?
                .trim_end_matches(['\r', '\n']);
            // A byte order mark is what some spreadsheets put before everything.
            let text = if begun == 1 {
                text.trim_start_matches('\u{feff}')
            } else {
                text
            };
            match split(text) {
                Err(RowError::Unclosed) => {}
                Ok(_) if text.is_empty() => return Ok(None),
                outcome => return outcome.map(Some),
            }
        }
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = (u64, Result<Row, RowError>);

    /// The next row that is not empty, or what is wrong with it, with its line.
    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let line = self.line;
            match self.read_row() {
                Ok(None) => {}
                Ok(Some(fields)) => return Some((line, Ok(Row { line, fields }))),
                Err(error) => {
                    self.ended |= matches!(error, RowError::Io(_));
                    return Some((line, Err(error)));
                }
            }
        }
        None
    }
}

/// Appends a line with its end. `false`: it does not fit the bound; the rest of it has been skipped.
fn read_line(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> Result<bool, RowError> {
    let mut fits = true;
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(RowError::Io(error)),
        };
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(chunk.len(), |end| end + 1);
        fits &= bytes.len() + taken <= ROW_BYTES_MAX;
        if fits {
            bytes.extend_from_slice(&chunk[..taken]);
        } else if bytes.is_empty() {
            // So that the caller sees that there was something.
            bytes.push(b'?');
        }
        input.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok(fits);
        }
    }
}

fn split(text: &str) -> Result<Vec<String>, RowError> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted)?,
            None => take_plain(rest)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// A field, and what follows its comma, if there is one.
type Taken<'a> = (String, Option<&'a str>);

fn take_plain(text: &str) -> Result<Taken<'_>, RowError> {
    let (field, after) = match text.split_once(',') {
        Some((field, after)) => (field, Some(after)),
        None => (text, None),
    };
    if field.contains('"') {
        Err(RowError::StrayQuote)
    } else {
        Ok((field.to_owned(), after))
    }
}

/// `text` begins after the opening quote.
fn take_quoted(mut text: &str) -> Result<Taken<'_>, RowError> {
    let mut field = String::new();
    loop {
        let (part, after) = text.split_once('"').ok_or(RowError::Unclosed)?;
        field.push_str(part);
        if let Some(more) = after.strip_prefix('"') {
            field.push('"');
            text = more;
        } else if after.is_empty() {
            return Ok((field, None));
        } else {
            return after
                .strip_prefix(',')
                .map(|after| (field, Some(after)))
                .ok_or(RowError::AfterQuote);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, Result<Vec<String>, String>)> {
        // A tiny buffer, so that lines lie across its ends.
        let input = io::BufReader::with_capacity(3, text);
        Rows::new(input)
            .map(|(line, row)| (line, row.map(|row| row.fields).map_err(|error| error.to_string())))
            .collect()
    }

    fn good(text: &str) -> Vec<(u64, Vec<String>)> {
        read(text.as_bytes())
            .into_iter()
            .map(|(line, row)| (line, row.unwrap()))
            .collect()
    }

    #[test]
    fn rows_fields_and_lines() {
        let rows = good("a@x,1\r\n\n\nb@x,two words\n\u{e9}@x,\"3\"");
        let expected = [(1, ["a@x", "1"]), (4, ["b@x", "two words"]), (5, ["\u{e9}@x", "3"])];
        assert_eq!(rows.len(), expected.len());
        for ((line, fields), (expected_line, expected_fields)) in rows.iter().zip(expected) {
            assert_eq!(
                (*line, fields.as_slice()),
                (expected_line, expected_fields.map(String::from).as_slice())
            );
        }
    }

    #[test]
    fn quotes_hold_commas_quotes_and_line_ends() {
        let rows = good("a@x,\"c,o\"\"m\nma\"\nb@x,\"\"\n");
        assert_eq!(
            rows,
            [
                (1, vec!["a@x".to_owned(), "c,o\"m\nma".to_owned()]),
                (3, vec!["b@x".to_owned(), String::new()])
            ]
        );
    }

    #[test]
    fn spaces_are_part_of_a_password() {
        assert_eq!(good("a@x, p ")[0].1[1], " p ");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_field() {
        assert_eq!(good("\u{feff}a@x,p")[0].1[0], "a@x");
    }

    #[test]
    fn what_is_ambiguous_is_an_error_on_its_line_and_the_next_row_is_read() {
        let rows = read(b"ok@x,1\na@x,p\"q\nb@x,\"p\"q\nok@x,2\n\xff@x,1\nok@x,3\n");
        let lines: Vec<_> = rows.iter().map(|(line, row)| (*line, row.is_ok())).collect();
        assert_eq!(
            lines,
            [(1, true), (2, false), (3, false), (4, true), (5, false), (6, true)]
        );
    }

    #[test]
    fn an_open_quote_is_an_error_where_it_opens() {
        let rows = read(b"ok@x,1\na@x,\"never\nclosed,\n");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].0, 2);
        assert!(rows[1].1.as_ref().is_err_and(|error| error.contains("never closed")));
    }

    #[test]
    fn an_endless_row_is_refused_and_takes_no_memory() {
        let mut text = vec![b'x'; 4 * ROW_BYTES_MAX];
        text.extend_from_slice(b"\nok@x,1\n");
        let rows = read(&text);
        assert_eq!(
            rows.iter().map(|(line, row)| (*line, row.is_ok())).collect::<Vec<_>>(),
            [(1, false), (2, true)]
        );
        let rows = read(&[b"\"", vec![b'\n'; 4 * ROW_BYTES_MAX].as_slice()].concat());
        assert!(rows[0].1.is_err());
    }
}

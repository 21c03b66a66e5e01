//! The tables inside one transaction: look-ups, and batches that are applied as a whole or not at all.
//!
//! Invariants:
//! - The names of the tables are on disk: they never change.
//! - [`Tables::apply`] that answers [`Outcome::Exists`] leaves everything as it was.

use std::ops::Bound;

use bytes::Bytes;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::{BookError, Outcome};
use crate::limits::BOOK_ROWS_MAX;
use crate::seam::{BookRead, BookWrite, Row, Table};

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
type OpenTable<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// In the order of the numbers of [`Table`].
pub(super) const DEFINITIONS: [Definition; 12] = [
    TableDefinition::new("account"),
    TableDefinition::new("roster"),
    TableDefinition::new("block"),
    TableDefinition::new("document"),
    TableDefinition::new("vcard"),
    TableDefinition::new("meta"),
    TableDefinition::new("room"),
    TableDefinition::new("pubsub"),
    TableDefinition::new("token"),
    TableDefinition::new("push"),
    TableDefinition::new("upload"),
    TableDefinition::new("setting"),
];

/// Position of a table in [`DEFINITIONS`].
pub(super) fn index(table: Table) -> usize {
    table as usize - 1
}

pub(super) fn of_read(read: &BookRead) -> Table {
    match read {
        BookRead::Get { table, .. } | BookRead::Prefix { table, .. } => *table,
    }
}

/// All tables, open for writing.
pub(super) struct Tables<'t> {
    open: Vec<OpenTable<'t>>,
}

/// How a key was before a batch changed it.
struct Former {
    table: Table,
    key: Bytes,
    value: Option<Vec<u8>>,
}

impl<'t> Tables<'t> {
    pub fn open(transaction: &'t WriteTransaction) -> Result<Self, BookError> {
        let open = DEFINITIONS.iter().map(|definition| transaction.open_table(*definition));
        Ok(Self {
            open: open.collect::<Result<_, _>>().map_err(redb::Error::from)?,
        })
    }

    pub fn look_up(&self, read: &BookRead) -> Result<Vec<Row>, BookError> {
        look_up(&self.open[index(of_read(read))], read)
    }

    /// Applies a batch in order; takes it back when an insert finds its key, or a replacement another row.
    pub fn apply(&mut self, batch: &[BookWrite]) -> Result<Outcome, BookError> {
        let mut formers = Vec::new();
        for write in batch {
            let outcome = match write {
                BookWrite::Put { table, key, value } => self.set(*table, key, Some(value), &mut formers),
                BookWrite::Delete { table, key } => self.set(*table, key, None, &mut formers),
                BookWrite::DeletePrefix { table, prefix } => self.delete_prefix(*table, prefix, &mut formers),
                BookWrite::Insert { table, key, value } => {
                    if self.open[index(*table)].get(key.as_ref())?.is_some() {
                        self.take_back(formers)?;
                        return Ok(Outcome::Exists);
                    }
                    self.set(*table, key, Some(value), &mut formers)
                }
                BookWrite::Replace { table, key, old, value } => {
                    let there = self.open[index(*table)].get(key.as_ref())?;
                    if there.is_none_or(|there| there.value() != old.as_ref()) {
                        self.take_back(formers)?;
                        return Ok(Outcome::Exists);
                    }
                    self.set(*table, key, Some(value), &mut formers)
                }
            };
            outcome?;
        }
        Ok(Outcome::Written)
    }

    fn set(
        &mut self,
        table: Table,
        key: &Bytes,
        value: Option<&Bytes>,
        formers: &mut Vec<Former>,
    ) -> Result<(), BookError> {
        let open = &mut self.open[index(table)];
        let former = match value {
            Some(value) => open.insert(key.as_ref(), value.as_ref())?,
            None => open.remove(key.as_ref())?,
        };
        let value = former.map(|former| former.value().to_vec());
        formers.push(Former {
            table,
            key: key.clone(),
            value,
        });
        Ok(())
    }

    fn delete_prefix(&mut self, table: Table, prefix: &Bytes, formers: &mut Vec<Former>) -> Result<(), BookError> {
        let open = &mut self.open[index(table)];
        let mut after = Bytes::new();
        loop {
            let read = BookRead::Prefix {
                table,
                prefix: prefix.clone(),
                after,
                rows_max: BOOK_ROWS_MAX,
            };
            let rows = look_up(open, &read)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.key.clone();
            for row in rows {
                open.remove(row.key.as_ref())?;
                formers.push(Former {
                    table,
                    key: row.key,
                    value: Some(row.value.to_vec()),
                });
            }
        }
    }

    fn take_back(&mut self, formers: Vec<Former>) -> Result<(), BookError> {
        for former in formers.into_iter().rev() {
            let open = &mut self.open[index(former.table)];
            match &former.value {
                Some(value) => open.insert(former.key.as_ref(), value.as_slice())?,
                None => open.remove(former.key.as_ref())?,
            };
        }
        Ok(())
    }
}

/// Answers one look-up from one table.
pub(super) fn look_up(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    read: &BookRead,
) -> Result<Vec<Row>, BookError> {
    let (prefix, after, rows_max) = match read {
        BookRead::Get { key, .. } => {
            let found = table.get(key.as_ref())?;
            let row = |value: &[u8]| Row {
                key: key.clone(),
                value: Bytes::copy_from_slice(value),
            };
            return Ok(found.iter().map(|value| row(value.value())).collect());
        }
        BookRead::Prefix {
            prefix,
            after,
            rows_max,
            ..
        } => (prefix.as_ref(), after.as_ref(), *rows_max),
    };
    let start = if after >= prefix && !after.is_empty() {
        Bound::Excluded(after)
    } else {
        Bound::Included(prefix)
    };
    let mut rows = Vec::new();
    for row in table.range::<&[u8]>((start, Bound::Unbounded))? {
        let (key, value) = row?;
        if !key.value().starts_with(prefix) || rows.len() as u32 >= rows_max.min(BOOK_ROWS_MAX) {
            break;
        }
        let (key, value) = (
            Bytes::copy_from_slice(key.value()),
            Bytes::copy_from_slice(value.value()),
        );
        rows.push(Row { key, value });
    }
    Ok(rows)
}

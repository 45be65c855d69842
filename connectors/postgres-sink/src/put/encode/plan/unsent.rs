//! Plans for records some of whose values the source did not send: their columns stay as they are.

use std::sync::Arc;

use connect_api::{Error, Result, SinkRecord};

use super::{Cell, Merging, Plan, field};
use crate::config::InsertMode;
use crate::put::encode::columns::ValuePath;
use crate::put::encode::event;

impl Plan {
    /// The columns whose values the source of the record did not send.
    pub fn unavailable_columns(&self, record: &SinkRecord) -> Vec<usize> {
        let row = event::row(self.change_events, record);
        let cells = self.cells.iter().filter(|cell| match cell.path {
            ValuePath::Field(at) => self.unavailable.is(field(row, at)),
            _ => false,
        });
        cells.map(|cell| cell.column).collect()
    }

    /// The plan for a record without the values of some columns: they stay as they are in the row
    /// that is there.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when there is no such row, or the columns are in the key.
    pub fn without(&self, columns: &[usize]) -> Result<Self> {
        let is_left_out = |cell: &&Cell| columns.contains(&cell.column);
        let named = || {
            let left_out = self.cells.iter().filter(is_left_out);
            let names = left_out.map(|cell| self.table.columns[cell.column].name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let looks_at_rows = matches!(self.merging.mode, InsertMode::Upsert | InsertMode::Update);
        let in_key = self
            .cells
            .iter()
            .any(|cell| cell.is_key && is_left_out(&cell));
        let compared = self
            .merging
            .newer
            .is_some_and(|newer| columns.contains(&newer.column));
        if !looks_at_rows || in_key || compared {
            return Err(Error::data(format!(
                "column {}: the source did not send the value (unavailable.value.placeholder), \
                 which can stay as it is only outside of the key and with insert.mode upsert or \
                 update",
                named()
            )));
        }
        let kept = self.cells.iter().filter(|cell| !is_left_out(cell)).cloned();
        let cells: Vec<Cell> = kept.collect();
        if self.merging.mode == InsertMode::Update && cells.iter().all(|cell| cell.is_key) {
            return Err(Error::data(format!(
                "column {}: the source did not send the value, and there is no other to update",
                named()
            )));
        }
        Ok(Self {
            table: Arc::clone(&self.table),
            columns: cells.iter().map(|cell| cell.column).collect(),
            keys: Arc::clone(&self.keys),
            deletes: self.deletes,
            merging: Merging {
                updates_first: self.merging.mode == InsertMode::Upsert,
                ..self.merging
            },
            cells,
            rules: self.rules,
            change_events: self.change_events,
            unavailable: self.unavailable.clone(),
            schemas: self.schemas.clone(),
        })
    }
}

//! Counting the rows of the restored database, before it gets its place.

use std::time::Duration;

use domain::rows::Rows;

use super::super::probe::identifier;
use super::super::query;
use super::PostgresRestore;
use super::place::Place;
use crate::{Counted, Counting};

/// Tables that one statement counts.
const TABLES_PER_QUERY: usize = 200;

impl PostgresRestore {
    /// Counts the rows of the tables that the archive has data of, in the database that it was loaded into.
    pub(super) async fn count(&self, limit: Duration) -> Counting {
        if !self.failed_objects.is_empty() {
            return Counting::Not("some objects could not be restored".to_owned());
        }
        match tokio::time::timeout(limit, self.counted(limit)).await {
            Ok(Ok(rows)) => {
                // Nobody else knows the passing name; the database's own name is in use as before.
                let is_beside = matches!(self.place, Place::Beside(_));
                Counting::Done(Counted { rows, can_have_changed: !is_beside })
            }
            Ok(Err(why)) => Counting::Not(why),
            Err(_) => Counting::too_long(limit),
        }
    }

    async fn counted(&self, limit: Duration) -> Result<Rows, String> {
        let (source, database) = (&self.target.source, self.loaded_into());
        let Some(tables) = self.archive.contents().counted_tables() else {
            return Err("the archive does not tell which table each row belongs to".to_owned());
        };
        let large_objects = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata";
        let counts = query::count(source, database, large_objects, limit).await?;
        let mut rows = Rows { large_objects: counts.first().map(|(_, count)| *count), ..Rows::default() };
        for some in tables.chunks(TABLES_PER_QUERY) {
            let selects = some.iter().enumerate().map(|(number, table)| {
                let (schema, name) = (identifier(&table.schema), identifier(&table.tag));
                format!("SELECT {number}, count(*) FROM ONLY {schema}.{name}")
            });
            let sql = selects.collect::<Vec<_>>().join(" UNION ALL ");
            for (number, count) in query::count(source, database, &sql, limit).await? {
                if let Some(table) = usize::try_from(number).ok().and_then(|number| some.get(number)) {
                    rows.add(&table.schema, &table.tag, count);
                }
            }
        }
        Ok(rows)
    }
}

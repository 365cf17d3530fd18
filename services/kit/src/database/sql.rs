//! Raw statements, one dialect for both engines: `$1` for values, `ON CONFLICT`, `RETURNING`.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};

/// Runs statements whose text is ours and whose values are bound, never spliced in.
pub trait Sql: ConnectionTrait {
    /// Runs a statement and tells how many rows it changed.
    fn run(&self, sql: &str, values: Vec<Value>) -> impl Future<Output = Result<u64, DbErr>> + Send {
        let statement = Statement::from_sql_and_values(self.get_database_backend(), sql, values);
        async move { Ok(self.execute_raw(statement).await?.rows_affected()) }
    }

    /// The first row, if there is one.
    fn find<R: FromQueryResult>(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Option<R>, DbErr>> + Send {
        let statement = Statement::from_sql_and_values(self.get_database_backend(), sql, values);
        async move {
            self.query_one_raw(statement)
                .await?
                .map(|row| R::from_query_result(&row, ""))
                .transpose()
        }
    }

    /// All rows; the statement bounds how many.
    fn list<R: FromQueryResult>(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<R>, DbErr>> + Send {
        let statement = Statement::from_sql_and_values(self.get_database_backend(), sql, values);
        async move {
            self.query_all_raw(statement)
                .await?
                .iter()
                .map(|row| R::from_query_result(row, ""))
                .collect()
        }
    }

    /// ` FOR UPDATE` where rows can be locked; SQLite has one writer and needs none.
    fn for_update(&self) -> &'static str {
        if self.get_database_backend() == sea_orm::DbBackend::Postgres {
            " FOR UPDATE"
        } else {
            ""
        }
    }
}

impl<C: ConnectionTrait> Sql for C {}

/// The values of a statement, each converted to the type the driver binds.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::Value::from($value)),*] };
}

/// Values bound in one statement. SQLite takes `$n` for a name and looks it up among all others, so a statement costs the
/// square of its values; and pieces of one size are one prepared statement.
pub const VALUES_MAX: usize = 320;

/// `$first, $first+1, …` for an `IN (…)` of `count` values.
#[must_use]
pub fn placeholders(first: usize, count: usize) -> String {
    (first..first + count)
        .map(|number| format!("${number}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `($1, $2), ($3, $4), …` for an `INSERT … VALUES` of `rows` rows of `columns` values.
#[must_use]
pub fn tuples(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        let separator = if row == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}({})", placeholders(row * columns + 1, columns));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_count_through_all_rows() {
        assert_eq!(placeholders(3, 2), "$3, $4");
        assert_eq!(tuples(2, 2), "($1, $2), ($3, $4)");
    }
}

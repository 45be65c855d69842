//! Who reads a partition: rows of Ferrule's own tables are those of one reader.

use connect_api::{OffsetScope, TaskContext};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

/// A connector, as one consumer group of one Kafka cluster.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub connector: String,
    pub scope: OffsetScope,
}

impl Reader {
    /// A reader whose cluster and group are told later.
    pub fn new(connector: &str) -> Self {
        Self {
            connector: connector.to_owned(),
            scope: OffsetScope::default(),
        }
    }

    /// A statement whose first parameters are connector, cluster and consumer group.
    pub fn query(&self, statement: &'static str) -> Query<'_, Postgres, PgArguments> {
        let OffsetScope { cluster, group } = &self.scope;
        sqlx::query(statement)
            .bind(&self.connector)
            .bind(cluster)
            .bind(group)
    }
}

impl From<&TaskContext> for Reader {
    fn from(context: &TaskContext) -> Self {
        Self {
            connector: context.connector.clone(),
            scope: context.scope.clone(),
        }
    }
}

//! The battery that every sink passes.

use anyhow::Result;
use async_trait::async_trait;
use connect_api::{Datum, SinkTask};
use connect_sink_tests::{Landed, LandedRecord, SinkUnderTest};
use harness_postgres::postgres::TestDatabase;

use crate::fixture::{Maker, database, end_sessions, rows, task};

const TABLE: &str = "CREATE TABLE events (id bigserial, part int, n int CHECK (n <> 1313))";

/// How Postgres does not take a record, and who finds out.
#[derive(Clone, Copy)]
enum Errant {
    /// The sink, since the value is not of the column's type.
    Text,
    /// The server, by a constraint of the table.
    Checked,
}

struct Target {
    database: TestDatabase,
    errant: Errant,
}

impl Target {
    async fn new(errant: Errant) -> Result<Self> {
        let database = database(TABLE).await?;
        Ok(Self { database, errant })
    }

    fn errant_value(&self) -> Datum {
        match self.errant {
            Errant::Text => object(r#"{"part":0,"n":"x"}"#),
            Errant::Checked => object(r#"{"part":0,"n":1313}"#),
        }
    }

    async fn landed(&self) -> Result<Landed> {
        let query = "SELECT part || ' ' || n FROM events ORDER BY id";
        let mut landed = Vec::new();
        for row in rows(&self.database, query).await? {
            let (partition, number) = row.split_once(' ').unwrap_or_default();
            landed.push(LandedRecord {
                partition: partition.parse()?,
                number: number.parse()?,
            });
        }
        Ok(Landed::Records(landed))
    }
}

fn object(text: &str) -> Datum {
    let record = Maker::default().record(0, 0, text);
    record.expect("an object of JSON").record.value
}

/// A sink under test whose errant records are of one kind.
macro_rules! under_test {
    ($name:ident, $errant:expr) => {
        struct $name(Target);

        #[async_trait(?Send)]
        impl SinkUnderTest for $name {
            async fn new() -> Result<Self> {
                Ok(Self(Target::new($errant).await?))
            }

            async fn task(&mut self) -> Result<Box<dyn SinkTask>> {
                task(&self.0.database, &[("errors.tolerance", "all")])
            }

            fn value(&self, partition: i32, number: i64) -> Datum {
                object(&format!(r#"{{"part":{partition},"n":{number}}}"#))
            }

            fn errant_value(&self) -> Option<Datum> {
                Some(self.0.errant_value())
            }

            async fn disturb(&mut self) -> Result<()> {
                end_sessions(&self.0.database).await
            }

            async fn landed(&mut self) -> Result<Landed> {
                self.0.landed().await
            }
        }
    };
}

under_test!(RefusedByTheSink, Errant::Text);
under_test!(RefusedByTheServer, Errant::Checked);

mod records_that_the_sink_refuses {
    connect_sink_tests::battery!(super::RefusedByTheSink);
}

mod records_that_the_server_refuses {
    connect_sink_tests::battery!(super::RefusedByTheServer);
}

//! Offsets that are dropped, because someone else has set those of Kafka's group.

use anyhow::Result;
use connect_api::{ErrorKind, Offset};

use crate::fixture::{
    Maker, batch, database, end_sessions, forget, open, opened, partition, put, put_until, rows,
    start_at, stored, task,
};

const TABLE: &str = "CREATE TABLE events (n int)";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_opened_as_if_it_had_never_been_read() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let record = |maker: &mut Maker, n: i64| batch(0, n, vec![maker.record(0, n, r#"{"n":1}"#)?]);
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0, 1]).await?;
    put(&mut *task, &[record(&mut maker, 0)?]).await?;
    // A lost session is made again, and what was done before may be done once more.
    for _ in 0..2 {
        end_sessions(&database).await?;
        forget(&mut *task, &[partition(0)]).await?;
    }
    assert_eq!(stored(&database, 0).await?, None);
    assert_eq!(stored(&database, 1).await?, Some(0));
    assert_eq!(
        open(&mut *task, &[partition(0)]).await?[0].next_offset,
        None
    );
    start_at(&mut *task, &[(partition(0), Offset(7))]).await?;
    put_until(
        &mut *task,
        &[record(&mut maker, 7)?],
        &mut Default::default(),
    )
    .await?;
    assert_eq!(stored(&database, 0).await?, Some(8));
    assert_eq!(
        rows(&database, "SELECT n::text FROM events").await?.len(),
        2
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_owner_can_forget_nothing() -> Result<()> {
    let database = database(TABLE).await?;
    let (mut former, mut owner) = (task(&database, &[])?, task(&database, &[])?);
    opened(&mut *former, &[0]).await?;
    opened(&mut *owner, &[0]).await?;
    let refused = forget(&mut *former, &[partition(0)]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    assert_eq!(stored(&database, 0).await?, Some(0));
    Ok(())
}

//! Drains topics into Postgres, and in the same run measures the limit: COPY of the same rows from
//! prepared files. It reports; it asserts nothing about time.
//!
//! `tests/bench/run.sh [drain|peers|scale|cluster|hostile|http|small] [--rows N] [--tasks N]
//! [--only TEXT]…`

mod cluster;
mod contender;
mod drain;
mod events;
mod heavy;
mod hostile;
mod http;
mod latency;
mod limit;
mod meter;
mod options;
mod peers;
mod scale;
mod small;
mod stand;
mod table;
mod target;

use anyhow::Result;

use options::{Options, Part};
use stand::Stand;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let ["http-peer", ..] = arguments.first().map(String::as_str).as_slice() {
        return http::peer::serve(&arguments[1..]).await;
    }
    let options = Options::read()?;
    let part = options.part;
    let stand = Stand::start(options).await?;
    match part {
        Part::Drain => peers::report(&stand, false).await,
        Part::Peers => {
            peers::report(&stand, true).await?;
            latency::report(&stand).await
        }
        Part::Scale => scale::report(&stand).await,
        Part::Cluster => cluster::report(&stand).await,
        Part::Hostile => hostile::report(&stand).await,
        Part::Http => http::report(&stand).await,
        Part::Small => small::report(&stand).await,
    }
}

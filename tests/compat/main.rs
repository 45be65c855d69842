//! The REST API beside Kafka Connect's: `make test-compat` starts a worker of each, each with a
//! Kafka of its own, sends both the same calls and compares the answers. What differs must be in
//! `accepted.json` with its reason, and what is there must differ.
//!
//! And a sink that goes from one to the other and back: `to_and_fro`.

mod accepted;
mod call;
mod compare;
mod script;
mod side;
mod to_and_fro;
mod verdict;

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, ensure};

use accepted::Accepted;
use call::Step;
use compare::Report;
use side::Side;

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_that_of_kafka_connect_or_a_decision() -> Result<()> {
    let start = Instant::now();
    let accepted = Accepted::read()?;
    let steps = script::steps();
    let (kafka, here) = tokio::try_join!(Side::kafka_connect(), Side::ferrule())?;
    let started = start.elapsed();
    let version = kafka.version().await?;
    println!(
        "Kafka Connect {version}, Ferrule as {}",
        here.version().await?
    );
    let (theirs, ours) = tokio::try_join!(kafka.run(&steps, &version), here.run(&steps, &version))?;
    let ran = start.elapsed();
    tokio::try_join!(kafka.stop(), here.stop())?;
    let report = Report::new(&steps, &theirs, &ours);
    let verdict = verdict::judge(&accepted, &report.differences);
    report.print(&verdict);
    for entry in &accepted.0 {
        println!("{entry}");
    }
    println!(
        "started in {} s, called in {} s, all in {} s",
        started.as_secs(),
        (ran - started).as_secs(),
        start.elapsed().as_secs()
    );
    verdict.ensure_all_known()
}

#[test]
fn each_call_has_a_name_of_its_own() -> Result<()> {
    let mut names = BTreeSet::new();
    for step in script::steps() {
        if let Step::Call(call) = step {
            ensure!(
                names.insert(call.name.clone()),
                "{} is there twice",
                call.name
            );
        }
    }
    println!("{} calls", names.len());
    Ok(())
}

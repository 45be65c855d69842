//! Random faults, one after another and several at once, while records flow: `make chaos`, and a
//! short form in `make test`. A run prints its seed, and the seed repeats its faults.

mod cluster;
mod counter;
mod fault;
mod stage;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::dice::Dice;
use harness::kafka::TestKafka;
use harness::postgres::TestPostgres;

use cluster::WORKERS;
use fault::{Fault, Kind};
use stage::Stage;

/// Faults of the short form.
const FAULTS: u64 = 12;
/// Rounds from one audit to the next.
const AUDIT: u64 = 10;

/// What `FERRULE_CHAOS` asks for, as in `--faults 200 --seed 7`.
fn arguments() -> Result<(u64, Dice)> {
    let (mut faults, mut seed) = (FAULTS, None);
    let given = std::env::var("FERRULE_CHAOS").unwrap_or_default();
    let mut words = given.split_whitespace();
    while let Some(word) = words.next() {
        let number = words
            .next()
            .with_context(|| format!("{word} needs a number"))?;
        let number = number.parse().with_context(|| format!("{word} {number}"))?;
        match word {
            "--faults" => faults = number,
            "--seed" => seed = Some(number),
            _ => bail!("{word} is unknown; there are --faults and --seed"),
        }
    }
    Ok((
        faults,
        seed.map_or_else(|| Dice::new("storm"), Dice::seeded),
    ))
}

/// Faults in a random order in which each kind has its turn.
struct Deck {
    dice: Dice,
    cards: Vec<Kind>,
}

impl Deck {
    fn draw(&mut self) -> Fault {
        if self.cards.is_empty() {
            self.cards = Kind::ALL.to_vec();
            for left in (1..self.cards.len()).rev() {
                let at = usize::try_from(self.dice.below(left as u64 + 1)).unwrap_or(0);
                self.cards.swap(left, at);
            }
        }
        let kind = self.cards.pop().unwrap_or(Kind::Cut);
        let worker = usize::try_from(self.dice.below(WORKERS as u64)).unwrap_or(0);
        let chance = self.dice.below(1 << 32);
        Fault {
            kind,
            worker,
            chance,
        }
    }

    /// One fault, or up to three that do not get into each other's way.
    fn round(&mut self) -> Vec<Fault> {
        let size = [1, 1, 1, 1, 1, 2, 2, 2, 3, 3][self.dice.below(10) as usize];
        let mut round: Vec<Fault> = Vec::new();
        while round.len() < size {
            let fault = self.draw();
            if round.iter().any(|other| other.meets(&fault)) {
                self.cards.push(fault.kind);
                break;
            }
            round.push(fault);
        }
        round
    }
}

/// What a run has done.
#[derive(Default)]
struct Report {
    kinds: BTreeMap<&'static str, u64>,
    faults: u64,
    rounds: u64,
    slowest: Duration,
}

impl Report {
    fn print(&self, seed: u64, rows: i64, took: Duration) {
        println!("\n| fault | times |\n|---|---|");
        for (kind, times) in &self.kinds {
            println!("| {kind} | {times} |");
        }
        println!(
            "\n{} faults of {} kinds in {} rounds and {:.0} s, {rows} rows, seed {seed}; after a \
             round all partitions went on within {:.1} s at the latest",
            self.faults,
            self.kinds.len(),
            self.rounds,
            took.as_secs_f64(),
            self.slowest.as_secs_f64(),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_in_a_storm() -> Result<()> {
    let (faults, dice) = arguments()?;
    let seed = dice.seed();
    println!("chaos: --faults {faults} --seed {seed}");
    let (kafka, proxies) = TestKafka::start_behind_proxies(WORKERS + 1).await?;
    let postgres = TestPostgres::start().await?;
    let mut stage = Stage::new(&kafka, proxies, &postgres).await?;
    let mut deck = Deck {
        dice,
        cards: Vec::new(),
    };
    let mut report = Report::default();
    let begin = Instant::now();
    stage.flows().await?;
    while report.faults < faults {
        let round = deck.round();
        let names: Vec<_> = round.iter().map(ToString::to_string).collect();
        println!(
            "{:>5.0} s  {}",
            begin.elapsed().as_secs_f64(),
            names.join(", ")
        );
        let struck = stage.strike(&round, &mut deck.dice).await?;
        let healed = Instant::now();
        stage
            .flows()
            .await
            .with_context(|| format!("after {}", names.join(", ")))?;
        report.slowest = report.slowest.max(healed.elapsed());
        report.rounds += 1;
        for fault in struck {
            report.faults += 1;
            *report.kinds.entry(fault.kind.name()).or_default() += 1;
        }
        if report.rounds % AUDIT == 0 {
            stage.audit().await?;
        }
    }
    let rows = stage.finish().await?;
    report.print(seed, rows, begin.elapsed());
    ensure!(rows > 0, "there are no rows");
    Ok(())
}

//! All that faults happen to: a broker, a Postgres, three workers of one cluster with two
//! connectors, and the ways between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::dice::Dice;
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::postgres::TestPostgres;
use harness::proxy::{Act, COMMIT, COPY, FaultProxy, Flow, Shape};
use harness::record::{Received, Record};
use harness::wait::wait_until;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::cluster::{Cluster, URL, WORKERS};
use super::counter::Counter;
use super::fault::{Fault, Kind};

const PARTITIONS: i32 = 4;
/// How long all partitions may take to go on once all is healed.
const LIMIT: Duration = Duration::from_secs(90);
const ANSWER: Duration = Duration::from_secs(15);

/// Errors that a server under stress gives, and that blame no record.
const CODES: &[&str] = &[
    "53100", "53200", "53300", "58030", "57014", "57P01", "57P05", "40001", "40P01", "40003",
    "55P03", "08006", "53400",
];

/// Raises what the table `fault` holds, as the server itself would.
const RAISE: &str = "CREATE TABLE fault (code text);
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE found text;
    BEGIN
        SELECT code INTO found FROM fault;
        IF found IS NOT NULL THEN RAISE EXCEPTION 'injected' USING ERRCODE = found; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER fail BEFORE INSERT ON ledger FOR EACH STATEMENT EXECUTE FUNCTION fail();
    CREATE TRIGGER fail BEFORE INSERT ON counts FOR EACH STATEMENT EXECUTE FUNCTION fail()";

/// A connection without an answer is soon given up, and so is a lock.
const IMPATIENT: &[(&str, &str)] = &[
    ("socket.timeout.ms", "4000"),
    ("connection.timeout.ms", "2000"),
    ("lock.timeout.ms", "1000"),
];

const SESSIONS: &str = "FROM pg_stat_activity WHERE datname = current_database() \
                        AND application_name LIKE 'ferrule:%'";

pub(super) struct Stage<'a> {
    ledger: Ledger<'a>,
    counter: Counter<'a>,
    kafka: &'a TestKafka,
    postgres: &'a TestPostgres,
    cluster: Cluster,
    /// A session that holds locks.
    holder: Option<PgConnection>,
    /// Records that are to become dead letters.
    errant: BTreeSet<String>,
    transactions: u64,
}

impl<'a> Stage<'a> {
    pub async fn new(
        kafka: &'a TestKafka,
        brokers: Vec<FaultProxy>,
        postgres: &'a TestPostgres,
    ) -> Result<Self> {
        let ledger = Ledger::new(kafka, postgres, "storm", PARTITIONS).await?;
        let counter = Counter::new(kafka, &ledger.database).await?;
        ledger.database.execute(RAISE).await?;
        let cluster = Cluster::start(brokers, postgres.port(), &ledger.database).await?;
        let stage = Self {
            ledger,
            counter,
            kafka,
            postgres,
            cluster,
            holder: None,
            errant: BTreeSet::new(),
            transactions: 0,
        };
        let configs = [stage.config(PARTITIONS as u64), stage.counting()];
        for (worker, config) in stage.cluster.workers.iter().zip(configs) {
            let body = json!({ "name": config["name"], "config": config });
            worker.rest().create(&body).await?;
        }
        Ok(stage)
    }

    fn letters(&self) -> String {
        format!("{}-dlq", self.ledger.name)
    }

    /// The connector, whose tasks go to Postgres on the way of their worker.
    fn config(&self, tasks: u64) -> Value {
        let (tasks, letters) = (tasks.to_string(), self.letters());
        let settings = [
            ("tasks.max", tasks.as_str()),
            ("connection.url", URL),
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", &letters),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
        ];
        self.ledger.config(&[&settings, IMPATIENT].concat())
    }

    /// The connector with state, in the same way.
    fn counting(&self) -> Value {
        let settings = [("connection.url", URL), ("tasks.max", "2")];
        self.counter.config(&[&settings, IMPATIENT].concat())
    }

    /// Produces some records to each partition, and now and then one that is at fault.
    async fn produce(&mut self, dice: &mut Dice) -> Result<()> {
        self.ledger.produce(4).await?;
        self.counter.produce().await?;
        if dice.below(20) == 0 {
            let number = self.errant.len();
            let partition = i32::try_from(dice.below(PARTITIONS as u64))?;
            let text = match number % 2 {
                0 => format!("{{\"part\": {partition}, \"errant\": {number}"),
                _ => json!({ "part": partition, "seq": format!("errant {number}") }).to_string(),
            };
            let record = Record::of(text.clone()).partition(partition);
            self.kafka.produce(&self.ledger.name, [record]).await?;
            self.errant.insert(text);
        }
        Ok(())
    }

    /// Waits until every partition has come further than it is now, while records flow.
    pub async fn flows(&mut self) -> Result<()> {
        let mut before = (BTreeMap::new(), BTreeMap::new());
        wait_until(LIMIT, "the offsets to be read", async || {
            before = self.stored().await?;
            Ok(true)
        })
        .await?;
        let mut now = before.clone();
        let begin = std::time::Instant::now();
        let mut dice = Dice::seeded(self.errant.len() as u64);
        loop {
            self.produce(&mut dice).await?;
            if let Ok(stored) = self.stored().await {
                now = stored;
            }
            let rows = (0..PARTITIONS).all(|at| now.0.get(&at) > before.0.get(&at));
            if rows && Counter::has_moved(&before.1, &now.1) {
                return Ok(());
            }
            if begin.elapsed() > LIMIT {
                let mut told = Vec::new();
                for worker in 0..WORKERS {
                    told.push(self.status(worker).await);
                }
                anyhow::bail!("{before:?} became {now:?}: {}", told.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// The offsets of both connectors.
    async fn stored(&self) -> Result<(BTreeMap<i32, i64>, BTreeMap<i32, i64>)> {
        let database = &self.ledger.database;
        let counted = database.stored_offsets(&self.counter.name).await?;
        Ok((self.ledger.stored().await?, counted))
    }

    async fn status(&self, worker: usize) -> String {
        let mut told = Vec::new();
        for name in [&self.ledger.name, &self.counter.name] {
            let status = self.cluster.workers[worker].rest().status(name).await;
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            told.push(status);
        }
        told.join(", ")
    }

    /// Checks the rows that are there.
    pub async fn audit(&self) -> Result<()> {
        self.ledger.audit_order().await?;
        self.counter.audit(&self.ledger.database).await?;
        for name in [&self.ledger.name, &self.counter.name] {
            self.cluster.settled(name, LIMIT).await?;
        }
        Ok(())
    }

    /// Lets the faults happen at once, while records flow, and heals them. Returns those that came
    /// to pass.
    pub async fn strike(&mut self, faults: &[Fault], dice: &mut Dice) -> Result<Vec<Fault>> {
        let mut struck = Vec::new();
        let sprung: Vec<u64> = self.cluster.ways.iter().map(FaultProxy::sprung).collect();
        for fault in faults {
            match self.begin(fault).await {
                Ok(()) => struck.push(*fault),
                Err(error) => println!("         {fault} did not come to pass: {error:#}"),
            }
        }
        let membership = struck.iter().any(Fault::is_of_membership);
        let longer = match membership && dice.below(3) == 0 {
            true => 150,
            false => 0,
        };
        for _ in 0..dice.below(50) + longer {
            if !struck.iter().any(|fault| stops_the_broker(fault.kind)) {
                self.produce(dice).await?;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        let traps = |fault: &Fault| {
            let trap = [
                Kind::CutInCopy,
                Kind::CommitLost,
                Kind::AnswerLost,
                Kind::CommitHeld,
            ];
            trap.contains(&fault.kind)
        };
        struck.retain(|fault| {
            !traps(fault) || self.cluster.ways[fault.worker].sprung() > sprung[fault.worker]
        });
        let in_order = dice.below(2) == 0;
        self.heal(in_order).await?;
        Ok(struck)
    }

    async fn begin(&mut self, fault: &Fault) -> Result<()> {
        let way = &self.cluster.ways[fault.worker];
        match fault.kind {
            Kind::Cut => way.cut(),
            Kind::CutInCopy => {
                let bytes = usize::try_from(fault.below(8000))?;
                way.trap(COPY, Act::CutAfter(bytes));
            }
            Kind::CommitLost => way.trap(COMMIT, Act::CutBefore),
            Kind::AnswerLost => way.trap(COMMIT, Act::CutAnswer),
            Kind::CommitHeld => way.trap(COMMIT, Act::Hold),
            Kind::Refused => way.refuse(),
            Kind::HalfOpen | Kind::Stalled | Kind::Delayed | Kind::Sliced | Kind::Narrow => {
                way.shape(shape(fault)?);
            }
            Kind::BrokerCut => self.cluster.brokers.iter().for_each(FaultProxy::cut),
            Kind::BrokerHalfOpen | Kind::BrokerSlow => {
                let shape = shape(fault)?;
                self.cluster.brokers.iter().for_each(|way| way.shape(shape));
            }
            Kind::BrokerStopped => self.kafka.stop().await?,
            Kind::BrokerKilled => self.kafka.kill().await?,
            Kind::PostgresStopped => self.postgres.stop().await?,
            Kind::PostgresCrashed => self.postgres.crash().await?,
            Kind::WorkerWithoutPostgres => cut_off(way, fault),
            Kind::WorkerKilled
            | Kind::WorkerStopped
            | Kind::WorkerFrozen
            | Kind::WorkerWithoutBrokers
            | Kind::LeaderKilled
            | Kind::LeaderFrozen
            | Kind::AllKilled
            | Kind::AllFrozen
            | Kind::FourthJoins => self.upset_cluster(fault).await?,
            Kind::TransactionAborted => self.abort_transaction().await?,
            Kind::TaskRestarted => {
                let order = "restart?includeTasks=true";
                self.order(fault.worker, Method::POST, order, None).await?;
            }
            Kind::Paused => self.order(fault.worker, Method::PUT, "pause", None).await?,
            Kind::Reconfigured => {
                let config = self.config(1 + fault.below(PARTITIONS as u64));
                let config = Some(&config);
                self.order(fault.worker, Method::PUT, "config", config)
                    .await?;
            }
            _ => self.upset_database(fault).await?,
        }
        Ok(())
    }

    async fn upset_cluster(&mut self, fault: &Fault) -> Result<()> {
        let cluster = &mut self.cluster;
        match fault.kind {
            Kind::WorkerKilled => cluster.workers[fault.worker].kill()?,
            Kind::WorkerStopped => {
                let status = cluster.workers[fault.worker].stop().await?;
                ensure!(status.success(), "the worker ended with {status}");
            }
            Kind::WorkerFrozen => cluster.workers[fault.worker].signal("STOP")?,
            Kind::WorkerWithoutBrokers => cut_off(&cluster.brokers[fault.worker], fault),
            Kind::LeaderKilled => {
                let leader = cluster.leader()?;
                cluster.workers[leader].kill()?;
            }
            Kind::LeaderFrozen => cluster.workers[cluster.leader()?].signal("STOP")?,
            Kind::AllKilled => {
                for worker in &mut cluster.workers {
                    worker.kill()?;
                }
            }
            Kind::AllFrozen => {
                for worker in &cluster.workers {
                    worker.signal("STOP")?;
                }
            }
            _ => cluster.invite().await?,
        }
        Ok(())
    }

    async fn order(
        &self,
        worker: usize,
        method: Method,
        order: &str,
        body: Option<&Value>,
    ) -> Result<()> {
        let rest = self.cluster.workers[worker].rest();
        for name in [&self.ledger.name, &self.counter.name] {
            if body.is_some_and(|config| config["name"] != name.as_str()) {
                continue;
            }
            let path = format!("/connectors/{name}/{order}");
            let (status, answer) = rest.request(method.clone(), &path, body).await?;
            ensure!(status.is_success(), "{path} answered {status}: {answer}");
        }
        Ok(())
    }

    async fn upset_database(&mut self, fault: &Fault) -> Result<()> {
        let database = self.ledger.database.name();
        let end = format!("SELECT pg_terminate_backend(pid) {SESSIONS}");
        let chosen = |length: usize| usize::try_from(fault.below(length as u64)).unwrap_or(0);
        let statements = match fault.kind {
            Kind::SessionsEnded => end,
            Kind::StatementsCancelled => format!("SELECT pg_cancel_backend(pid) {SESSIONS}"),
            Kind::ServerError => {
                let code = CODES[chosen(CODES.len())];
                format!("INSERT INTO fault VALUES ('{code}')")
            }
            Kind::TableLocked => "BEGIN; LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE".to_owned(),
            Kind::OffsetsLocked => "BEGIN; SELECT FROM ferrule.offsets FOR UPDATE".to_owned(),
            Kind::Fenced => "UPDATE ferrule.offsets SET epoch = epoch + 1".to_owned(),
            Kind::TooManyConnections => {
                format!("ALTER DATABASE {database} CONNECTION LIMIT 0; {end}")
            }
            Kind::ReadOnly => {
                let on = "SET default_transaction_read_only = on";
                format!("ALTER DATABASE {database} {on}; {end}")
            }
            _ => {
                let to = ["bigint", "numeric", "float8"][chosen(3)];
                format!("ALTER TABLE ledger ALTER seq TYPE {to}")
            }
        };
        let mut session = self.ledger.database.superuser().await?;
        run(&mut session, "SET lock_timeout = '3s'").await?;
        run(&mut session, &statements).await?;
        self.holder = Some(session);
        Ok(())
    }

    /// Records that no consumer may see.
    async fn abort_transaction(&mut self) -> Result<()> {
        let mut client = self.kafka.client();
        self.transactions += 1;
        client.set(
            "transactional.id",
            format!("{}-{}", self.ledger.name, self.transactions),
        );
        let topic = self.ledger.name.clone();
        let producing = move || -> Result<()> {
            let producer: BaseProducer = client.create()?;
            producer.init_transactions(ANSWER)?;
            producer.begin_transaction()?;
            for partition in 0..PARTITIONS {
                let value = Ledger::record(partition, -1).value.context("no value")?;
                let record = BaseRecord::<(), Vec<u8>>::to(&topic);
                let record = record.partition(partition).payload(&value);
                producer.send(record).map_err(|(error, _)| error)?;
            }
            producer.flush(ANSWER)?;
            Ok(producer.abort_transaction(ANSWER)?)
        };
        tokio::task::spawn_blocking(producing).await?
    }

    /// Undoes whatever has been done, in the order in which one needs the other.
    async fn heal(&mut self, in_order: bool) -> Result<()> {
        // Its locks go with it.
        self.holder = None;
        if self.postgres.pid().await.is_none() {
            self.postgres.start_again().await?;
        }
        if !self.kafka.is_running().await {
            self.kafka.start_again().await?;
        }
        self.cluster.heal().await?;
        self.cluster.part(in_order).await?;
        let database = self.ledger.database.name();
        let calm = [
            "SET default_transaction_read_only = off".to_owned(),
            "TRUNCATE fault".to_owned(),
            format!("ALTER DATABASE {database} CONNECTION LIMIT -1"),
            format!("ALTER DATABASE {database} RESET default_transaction_read_only"),
        ];
        let mut session = self.ledger.database.superuser().await?;
        for statement in calm {
            run(&mut session, &statement).await?;
        }
        for worker in 0..WORKERS {
            wait_until(LIMIT, "the worker to take an order", async || {
                self.order(worker, Method::PUT, "resume", None).await?;
                Ok(true)
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until all is written and checks it. Returns the number of rows.
    pub async fn finish(&mut self) -> Result<i64> {
        for worker in &self.cluster.workers {
            self.ledger.complete(worker.rest()).await?;
        }
        wait_until(LIMIT, "all to be counted", async || {
            self.counter.audit(&self.ledger.database).await
        })
        .await?;
        let letters = self.kafka.read(&self.letters()).await?;
        // A dead letter is there at least once.
        let letters: BTreeSet<_> = letters.iter().map(Received::text).collect();
        let missing: Vec<_> = self.errant.difference(&letters).collect();
        ensure!(missing.is_empty(), "no dead letters of {missing:?}");
        let surplus: Vec<_> = letters.difference(&self.errant).collect();
        ensure!(surplus.is_empty(), "dead letters of {surplus:?}");
        self.ledger.rows().await
    }
}

/// Without a word, or with a refusal.
fn cut_off(way: &FaultProxy, fault: &Fault) {
    match fault.below(2) {
        0 => way.refuse(),
        _ => way.shape(Shape {
            flow: Flow::Lost,
            ..Shape::default()
        }),
    }
}

fn stops_the_broker(kind: Kind) -> bool {
    matches!(kind, Kind::BrokerStopped | Kind::BrokerKilled)
}

fn shape(fault: &Fault) -> Result<Shape> {
    let mut shape = Shape::default();
    match fault.kind {
        Kind::HalfOpen | Kind::BrokerHalfOpen => shape.flow = Flow::Lost,
        Kind::Stalled => shape.flow = Flow::Held,
        Kind::Delayed => shape.delay = Duration::from_millis(5 + fault.below(100)),
        Kind::Sliced => shape.slice = Some(usize::try_from(1 + fault.below(30))?),
        Kind::BrokerSlow => {
            shape.slice = Some(usize::try_from(50 + fault.below(400))?);
            shape.delay = Duration::from_millis(fault.below(60));
        }
        _ => shape.bytes_per_second = Some(5_000 + fault.below(60_000)),
    }
    Ok(shape)
}

async fn run(session: &mut PgConnection, statements: &str) -> Result<()> {
    sqlx::raw_sql(statements).execute(session).await?;
    Ok(())
}

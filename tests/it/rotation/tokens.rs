//! Tokens of AWS IAM for a password: a server that asks as RDS does, for the plain text over TLS,
//! and who looks at it as IAM does, by signing the same once more.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use connect_aws::{Credentials, RdsUser, rds_token};
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::postgres::TestPostgres;
use harness::worker::{TestWorker, WorkerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{end_sessions, waits};

const HOST: &str = "db.c0ffee.eu-west-1.rds.amazonaws.com";
const ROLE: &str = "signed";
const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAROTATION"),
    ("AWS_SECRET_ACCESS_KEY", "secret-of-the-test"),
    ("AWS_SESSION_TOKEN", "session-of-the-test"),
];
/// How old a token may be that a task has just made.
const OLDEST: u64 = 60;

/// Stands in for IAM: a directory that Postgres asks about passwords, by LDAP's simple bind (RFC
/// 4511, 4.2).
#[derive(Default)]
struct Iam {
    refuses: AtomicBool,
    taken: Mutex<BTreeSet<String>>,
}

impl Iam {
    /// Starts it; the port that it listens on.
    async fn start(self: &Arc<Self>) -> Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let iam = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let iam = Arc::clone(&iam);
                tokio::spawn(async move { iam.serve(stream).await });
            }
        });
        Ok(port)
    }

    async fn serve(&self, mut stream: TcpStream) -> Result<()> {
        loop {
            let message = element(&mut stream).await?;
            let mut rest = message.as_slice();
            let id = part(&mut rest).context("no id")?;
            let (tag, mut bind) = tagged(&mut rest).context("no operation")?;
            if tag != 0x60 {
                return Ok(());
            }
            part(&mut bind).context("no version")?;
            let name = part(&mut bind).context("no name")?;
            let password = part(&mut bind).context("no password")?;
            let takes = self.takes(name, password);
            // Success, or invalidCredentials.
            let code = if takes { 0 } else { 49 };
            let id_length = u8::try_from(id.len())?;
            let mut answer = vec![0x30, 2 + id_length + 9, 0x02, id_length];
            answer.extend(id);
            answer.extend([0x61, 7, 0x0a, 1, code, 0x04, 0, 0x04, 0]);
            stream.write_all(&answer).await?;
        }
    }

    /// Whether the password is the token of the role, signed a moment ago.
    fn takes(&self, name: &[u8], password: &[u8]) -> bool {
        let [(_, id), (_, secret), (_, session)] = KEYS;
        let keys = Credentials::new(id, secret).with_session_token(session);
        let user = RdsUser {
            host: HOST,
            port: 5432,
            name: ROLE,
        };
        let now = SystemTime::now();
        let token = |age: u64| rds_token(&keys, "eu-west-1", &user, now - Duration::from_secs(age));
        let is_valid = (0..OLDEST).any(|age| token(age).expose().as_bytes() == password);
        let takes = name == ROLE.as_bytes() && is_valid && !self.refuses.load(Ordering::Relaxed);
        if takes {
            let token = String::from_utf8_lossy(password).into_owned();
            self.taken().insert(token);
        }
        takes
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The contents of the next element of BER.
async fn element(stream: &mut TcpStream) -> Result<Vec<u8>> {
    stream.read_u8().await?;
    let first = stream.read_u8().await?;
    let mut length = usize::from(first);
    if first > 0x80 {
        length = 0;
        for _ in 0x80..first {
            length = length << 8 | usize::from(stream.read_u8().await?);
        }
    }
    ensure!(length < 65_536, "a long message");
    let mut contents = vec![0; length];
    stream.read_exact(&mut contents).await?;
    Ok(contents)
}

/// The next element of some: its tag and its contents.
fn tagged<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (tag, behind) = rest.split_first()?;
    let (first, mut behind) = behind.split_first()?;
    let mut length = usize::from(*first);
    if *first > 0x80 {
        let (long, after) = behind.split_at_checked(usize::from(first - 0x80))?;
        length = (long.iter()).fold(0, |length, byte| length << 8 | usize::from(*byte));
        behind = after;
    }
    let (contents, after) = behind.split_at_checked(length)?;
    *rest = after;
    Some((*tag, contents))
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    tagged(rest).map(|(_, contents)| contents)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_connect_has_a_token_of_its_own() -> Result<()> {
    let (kafka, postgres) = (TestKafka::shared().await?, TestPostgres::start().await?);
    postgres.encrypt().await?;
    let iam = Arc::new(Iam::default());
    let port = iam.start().await?;
    let asks = format!(
        "hostssl all {ROLE} 127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapport={port} ldapprefix=\"\""
    );
    postgres.let_in_first(&asks).await?;
    let role = format!("CREATE ROLE {ROLE} LOGIN SUPERUSER");
    let mut admin = postgres.admin().await?;
    sqlx::raw_sql(&role).execute(&mut admin).await?;
    let config = WorkerConfig::new(&kafka.bootstrap())?;
    let config = KEYS.iter().fold(config, |config, (k, v)| config.env(k, v));
    let worker = TestWorker::start(config.env("FERRULE_LOG", "debug")).await?;
    let rest = worker.rest();
    let ledger = Ledger::new(kafka, &postgres, "signed", 2).await?;
    let url = format!(
        "jdbc:aws-wrapper:postgresql://127.0.0.1:{}/{}?wrapperPlugins=iam&iamHost={HOST}\
         &iamDefaultPort=5432",
        postgres.port(),
        ledger.database.name()
    );
    let settings = [("connection.url", &*url), ("connection.user", ROLE)];
    ledger.deploy(rest, &settings).await?;
    let connecting = async {
        ledger.progress().await?;
        iam.refuses.store(true, Ordering::Relaxed);
        // Two tokens of one second are the same text.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        end_sessions(&postgres).await?;
        waits(rest, &ledger.name, "rds_iam").await?;
        iam.refuses.store(false, Ordering::Relaxed);
        ledger.progress().await
    };
    ledger.meanwhile(connecting).await?;
    ledger.complete(rest).await?;
    let taken = iam.taken().clone();
    ensure!(taken.len() >= 2, "{} tokens were taken", taken.len());
    let log = worker.log()?;
    let [_, (_, secret), (_, session)] = KEYS;
    let signatures = taken
        .iter()
        .filter_map(|token| token.split("Signature=").nth(1));
    for hidden in signatures.chain([secret, session]) {
        ensure!(!log.contains(hidden), "the log tells a part of a token");
    }
    Ok(())
}

//! A real Apache Kafka: one KRaft node that is broker and controller.

mod clients;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rdkafka::producer::FutureProducer;

use crate::process::guarded;
use crate::proxy::FaultProxy;
use crate::service::{Service, Shared, shared};
use crate::{install, names, run};

/// Any id will do for a cluster of one; Kafka wants 22 characters of base64.
const CLUSTER_ID: &str = "ZmVycnVsZS10ZXN0cy0wMQ";

const START_LIMIT: Duration = Duration::from_secs(60);

/// A Kafka broker of the tests. Topics are not created by use: a test says what it has.
pub struct TestKafka {
    port: u16,
    folder: PathBuf,
    service: Service,
    producer: OnceLock<FutureProducer>,
    /// Options of its JVM.
    options: Vec<String>,
}

/// What a broker of the tests has beside the usual.
#[derive(Default)]
struct Extras {
    /// The ports that proxies lead to, and the proxies'.
    proxied: Vec<(u16, u16)>,
    login: Option<LoginListener>,
}

/// A listener whose clients log in, by SASL or by certificates.
struct LoginListener {
    protocol: &'static str,
    /// What clients are told of it, which is an address of the loopback.
    address: String,
    /// What the broker's properties say of its logins. It has the name `LOGIN`.
    properties: String,
    /// An option of the broker's JVM.
    option: String,
}

impl TestKafka {
    /// The broker that all tests of the run share, started by the first that asks.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: Shared<TestKafka> = Shared::const_new();
        shared(&SHARED, "Kafka", Self::start).await
    }

    /// A broker for one test, which may stop and kill it.
    pub async fn start() -> Result<Self> {
        Self::start_with(Extras::default(), CLUSTER_ID).await
    }

    /// A broker of another cluster than that of all others.
    pub async fn start_as(cluster_id: &str) -> Result<Self> {
        Self::start_with(Extras::default(), cluster_id).await
    }

    /// The same with a proxy in front of it: clients that begin at the proxy's port stay behind it.
    pub async fn start_behind_proxy() -> Result<(Self, FaultProxy)> {
        let (kafka, mut proxies) = Self::start_behind_proxies(1).await?;
        Ok((kafka, proxies.remove(0)))
    }

    /// The same with so many proxies.
    pub async fn start_behind_proxies(count: usize) -> Result<(Self, Vec<FaultProxy>)> {
        let (mut proxies, mut ports) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let own = names::free_port()?;
            let proxy = FaultProxy::to(own).await?;
            ports.push((own, proxy.port()));
            proxies.push(proxy);
        }
        let extras = Extras {
            proxied: ports,
            login: None,
        };
        Ok((Self::start_with(extras, CLUSTER_ID).await?, proxies))
    }

    /// A broker with one more listener, whose address is given too. Clients log in there by tokens
    /// for the audience `kafka` that are signed with a key of this URL (JWKS), and are sent away
    /// when their token has expired.
    pub async fn start_with_tokens(keys: &str) -> Result<(Self, String)> {
        let listener = LoginListener {
            protocol: "SASL_PLAINTEXT",
            address: format!("127.0.0.1:{}", names::free_port()?),
            properties: token_login(keys),
            option: format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys}"),
        };
        Self::start_with_login(listener).await
    }

    /// A broker with one more listener, whose address is given too. Clients log in there by
    /// Kerberos, and again after `session`. The broker is `kafka/localhost`, with the keys of
    /// `keytab`; `krb5_conf` has the realm.
    pub async fn start_with_kerberos(
        krb5_conf: &Path,
        keytab: &Path,
        session: Duration,
    ) -> Result<(Self, String)> {
        let listener = LoginListener {
            protocol: "SASL_PLAINTEXT",
            address: format!("localhost:{}", names::free_port()?),
            properties: kerberos_login(keytab, session),
            option: format!("-Djava.security.krb5.conf={}", krb5_conf.display()),
        };
        Self::start_with_login(listener).await
    }

    /// A broker with one more listener, whose address is given too. It speaks TLS with the key of
    /// `keystore`, and takes clients with a certificate that `truststore` has. Both are PKCS12.
    pub async fn start_with_tls(
        keystore: &Path,
        truststore: &Path,
        password: &str,
    ) -> Result<(Self, String)> {
        let (keystore, truststore) = (keystore.display(), truststore.display());
        let listener = LoginListener {
            protocol: "SSL",
            address: format!("localhost:{}", names::free_port()?),
            properties: format!(
                "listener.name.login.ssl.client.auth=required
listener.name.login.ssl.keystore.location={keystore}
listener.name.login.ssl.keystore.password={password}
listener.name.login.ssl.truststore.location={truststore}
listener.name.login.ssl.truststore.password={password}
"
            ),
            option: "-Djava.net.preferIPv4Stack=true".to_owned(),
        };
        Self::start_with_login(listener).await
    }

    async fn start_with_login(listener: LoginListener) -> Result<(Self, String)> {
        let address = listener.address.clone();
        let extras = Extras {
            proxied: Vec::new(),
            login: Some(listener),
        };
        Ok((Self::start_with(extras, CLUSTER_ID).await?, address))
    }

    async fn start_with(extras: Extras, cluster_id: &str) -> Result<Self> {
        let folder = run::folder("kafka")?;
        let (port, controller) = (names::free_port()?, names::free_port()?);
        let data = folder.join("data").display().to_string();
        let mut properties = properties(controller, &data);
        properties += &listeners(port, controller, &extras);
        let mut options = Vec::new();
        if let Some(login) = &extras.login {
            properties += &login.properties;
            options.push(login.option.clone());
        }
        std::fs::write(folder.join("server.properties"), properties)?;
        std::fs::write(folder.join("log4j2.properties"), LOGGING)?;
        let service = Service::new("Kafka", folder.join("log"));
        let kafka = Self {
            port,
            folder,
            service,
            producer: OnceLock::new(),
            options,
        };
        kafka.format(cluster_id)?;
        kafka.start_again().await?;
        Ok(kafka)
    }

    /// The address for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Whether the broker was not stopped or killed.
    pub async fn is_running(&self) -> bool {
        self.service.pid().await.is_some()
    }

    /// Starts a stopped or killed broker on its port, with its data.
    pub async fn start_again(&self) -> Result<()> {
        let mut java = self.java()?;
        java.arg("kafka.Kafka")
            .arg(self.folder.join("server.properties"));
        self.service
            .start(java, START_LIMIT, async || {
                self.brokers().await.map(|brokers| brokers == 1)
            })
            .await
    }

    /// Shuts the broker down in order.
    pub async fn stop(&self) -> Result<()> {
        self.service.stop("TERM").await
    }

    /// Ends the broker as a crash would.
    pub async fn kill(&self) -> Result<()> {
        self.service.kill().await
    }

    fn format(&self, cluster_id: &str) -> Result<()> {
        let mut java = self.java()?;
        java.args(["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c"])
            .arg(self.folder.join("server.properties"));
        let output = java
            .output()
            .context("cannot run Java: run `make services`")?;
        let reason = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "cannot format Kafka's storage: {reason}"
        );
        Ok(())
    }

    /// Runs `kafka-consumer-groups.sh --reset-offsets --execute` for a group, a topic (`t`, or
    /// `t:0,2` for some of its partitions), and where to (`--to-earliest`, …); what it told. It
    /// refuses a group that has members.
    pub async fn reset_offsets(&self, group: &str, topic: &str, to: &[&str]) -> Result<String> {
        let mut java = self.java()?;
        java.arg("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")
            .args(["--bootstrap-server", &self.bootstrap()])
            .args(["--group", group, "--topic", topic])
            .args(["--reset-offsets", "--execute"])
            .args(to);
        let output = tokio::task::spawn_blocking(move || java.output()).await??;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{told}{wrong}");
        Ok(told)
    }

    fn java(&self) -> Result<Command> {
        let logging = self.folder.join("log4j2.properties");
        let mut java = guarded("java".as_ref());
        java.args([
            "-Xms128m",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
        ])
        .args(&self.options)
        .arg(format!("-Djava.io.tmpdir={}", self.folder.display()))
        .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
        .arg("-cp")
        .arg(install::kafka_jars()?.join("*"));
        Ok(java)
    }
}

/// Sessions are short, so that a test that kills a worker need not wait for its group to notice.
fn properties(controller: u16, data: &str) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=200
group.consumer.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=4194304
"
    )
}

/// A broker tells its clients where to go on, so a proxy needs a listener of its own.
fn listeners(port: u16, controller: u16, extras: &Extras) -> String {
    let (mut own, mut told, mut plain) = (String::new(), String::new(), String::new());
    if let Some(LoginListener {
        protocol, address, ..
    }) = &extras.login
    {
        own += &format!(",LOGIN://{address}");
        told += &format!(",LOGIN://{address}");
        plain += &format!(",LOGIN:{protocol}");
    }
    for (number, (port, proxy)) in extras.proxied.iter().enumerate() {
        own += &format!(",PROXIED{number}://127.0.0.1:{port}");
        told += &format!(",PROXIED{number}://127.0.0.1:{proxy}");
        plain += &format!(",PROXIED{number}:PLAINTEXT");
    }
    format!(
        "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{own}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{told}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{plain}
"
    )
}

/// A session lasts as long as its token (KIP-368).
fn token_login(keys: &str) -> String {
    let package = "org.apache.kafka.common.security.oauthbearer";
    format!(
        "sasl.enabled.mechanisms=OAUTHBEARER
sasl.oauthbearer.jwks.endpoint.url={keys}
sasl.oauthbearer.expected.audience=kafka
listener.name.login.oauthbearer.connections.max.reauth.ms=3600000
listener.name.login.oauthbearer.sasl.server.callback.handler.class=\
{package}.OAuthBearerValidatorCallbackHandler
listener.name.login.oauthbearer.sasl.jaas.config={package}.OAuthBearerLoginModule required;
"
    )
}

fn kerberos_login(keytab: &Path, session: Duration) -> String {
    let (keytab, session) = (keytab.display(), session.as_millis());
    format!(
        "sasl.enabled.mechanisms=GSSAPI
sasl.kerberos.service.name=kafka
listener.name.login.gssapi.connections.max.reauth.ms={session}
listener.name.login.gssapi.sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required \
useKeyTab=true storeKey=true keyTab=\"{keytab}\" principal=\"kafka/localhost\";
"
    )
}

const LOGGING: &str = "rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
";

//! A real KDC of Kerberos, with a realm of its own, in this process's folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{names, run};
use harness_postgres::process::guarded;
use harness_postgres::service::Service;
use tokio::net::TcpStream;

const REALM: &str = "FERRULE.TEST";

const LIMIT: Duration = Duration::from_secs(30);

/// The KDC, and where its files are.
pub struct Kdc {
    folder: PathBuf,
    port: u16,
    service: Service,
}

impl Kdc {
    /// One without principals.
    pub async fn start() -> Result<Self> {
        let folder = run::folder("kdc")?;
        let port = names::free_port()?;
        let kdc = Self {
            service: Service::new("KDC", folder.join("log")),
            folder,
            port,
        };
        kdc.configure()?;
        kdc.admin("kdb5_util", &["create", "-s", "-P", "master"])?;
        kdc.start_again().await?;
        Ok(kdc)
    }

    fn configure(&self) -> Result<()> {
        let (folder, port) = (self.folder.display(), self.port);
        std::fs::write(
            self.krb5_conf(),
            format!(
                "[libdefaults]
default_realm = {REALM}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
[realms]
{REALM} = {{
  kdc = 127.0.0.1:{port}
}}
"
            ),
        )?;
        std::fs::write(
            self.folder.join("kdc.conf"),
            format!(
                "[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{REALM} = {{
  database_name = {folder}/principals
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
}}
[logging]
kdc = FILE:{folder}/kdc.log
"
            ),
        )?;
        Ok(())
    }

    /// The settings of Kerberos for whoever uses the realm: the value of `KRB5_CONFIG`.
    pub fn krb5_conf(&self) -> PathBuf {
        self.folder.join("krb5.conf")
    }

    /// A new principal, whose tickets last so long, with the file of its keys.
    pub fn add(&self, principal: &str, tickets: Duration) -> Result<PathBuf> {
        let keytab = self.folder.join(principal.replace('/', "-"));
        let life = format!("{} seconds", tickets.as_secs());
        let add = format!("addprinc -randkey -maxlife \"{life}\" {principal}");
        self.admin("kadmin.local", &["-q", &add])?;
        let keys = format!("ktadd -k {} {principal}", keytab.display());
        self.admin("kadmin.local", &["-q", &keys])?;
        ensure!(keytab.is_file(), "no keys of {principal}");
        Ok(keytab)
    }

    /// How many tickets a principal was given for a password or a key.
    pub fn given(&self, principal: &str) -> Result<usize> {
        let log = std::fs::read_to_string(self.folder.join("kdc.log"))?;
        let is_one = |line: &&str| {
            line.contains("AS_REQ")
                && line.contains("ISSUE")
                && line.contains(&format!(" {principal}@{REALM} for "))
        };
        Ok(log.lines().filter(is_one).count())
    }

    /// Starts it after [`Self::stop`].
    pub async fn start_again(&self) -> Result<()> {
        let mut kdc = self.command("krb5kdc");
        kdc.arg("-n").args(["-P", &self.path("pid")]);
        let port = self.port;
        self.service
            .start(kdc, LIMIT, async || {
                Ok(TcpStream::connect(("127.0.0.1", port)).await.is_ok())
            })
            .await
    }

    pub async fn stop(&self) -> Result<()> {
        self.service.stop("TERM").await
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// A program of the KDC's, on this realm.
    fn command(&self, name: &str) -> Command {
        let mut command = guarded(&Path::new("/usr/sbin").join(name));
        command
            .env("KRB5_CONFIG", self.krb5_conf())
            .env("KRB5_KDC_PROFILE", self.folder.join("kdc.conf"))
            .args(["-r", REALM]);
        command
    }

    fn admin(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let output = self.command(name).args(arguments).output();
        let output = output
            .with_context(|| format!("{name} is missing: run tests/services/install.sh gssapi"))?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name} {arguments:?}: {told}");
        Ok(())
    }
}

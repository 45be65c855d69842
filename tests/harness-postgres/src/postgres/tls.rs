//! TLS: a server with the certificate of an authority that is made for the test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{TestPostgres, USER};
use crate::process::{POSTGRES_USER, guarded, guarded_as, is_root};

/// Who may connect, and how: `certified` with a certificate, `plain` without encryption, the owner
/// of the databases with encryption and a password.
const ACCESS: &str = "hostssl all certified 127.0.0.1/32 cert\n\
    hostnossl all plain 127.0.0.1/32 trust\n";

/// The files of a server's certificates, as `sslrootcert` and the others name them.
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// The certificate of the authority that has signed the server's, which is for `localhost`.
    pub fn root(&self) -> String {
        self.path("root.crt")
    }

    /// The certificate of an authority that has signed nothing.
    pub fn other_root(&self) -> String {
        self.path("other.crt")
    }

    /// A file that holds both, the one that has signed nothing first.
    pub fn both_roots(&self) -> String {
        self.path("both.crt")
    }

    /// The key of the role `certified` as OpenSSL has written keys before PKCS #8.
    pub fn traditional_key(&self) -> String {
        self.path("traditional.key")
    }

    /// The certificate of the role `certified`, and its key.
    pub fn client(&self) -> (String, String) {
        (self.path("client.crt"), self.path("client.key"))
    }

    /// The same of the authority that has signed nothing of the server's, until
    /// [`TestPostgres::change_authority`].
    pub fn other_client(&self) -> (String, String) {
        (self.path("other-client.crt"), self.path("other-client.key"))
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }
}

impl TestPostgres {
    /// Turns TLS on, and plain connections of the tests' own role off.
    pub async fn encrypt(&self) -> Result<Certificates> {
        let folder = &self.data;
        authority(folder, "root")?;
        authority(folder, "other")?;
        for (name, signer) in [("server", "root"), ("other-server", "other")] {
            let name_of_host = ["localhost", "subjectAltName=DNS:localhost"];
            signed(folder, name, signer, name_of_host)?;
        }
        for (name, signer) in [("client", "root"), ("other-client", "other")] {
            let client = ["certified", "extendedKeyUsage=clientAuth"];
            signed(folder, name, signer, client)?;
        }
        let traditional = ["ec", "-in", "client.key", "-out", "traditional.key"];
        openssl(folder, &traditional)?;
        let mut both = std::fs::read(folder.join("other.crt"))?;
        both.extend(std::fs::read(folder.join("root.crt"))?);
        std::fs::write(folder.join("both.crt"), both)?;
        let access = format!(
            "{ACCESS}hostssl all {USER} 127.0.0.1/32 scram-sha-256\n\
             host all {POSTGRES_USER} 127.0.0.1/32 trust\n"
        );
        std::fs::write(folder.join("pg_hba.conf"), access)?;
        let mut admin = self.admin().await?;
        let watches = format!("GRANT pg_read_all_stats TO {USER}");
        for statement in [
            watches.as_str(),
            "CREATE ROLE certified LOGIN SUPERUSER",
            "CREATE ROLE plain LOGIN SUPERUSER",
            "ALTER SYSTEM SET ssl_ca_file = 'root.crt'",
            "ALTER SYSTEM SET ssl = on",
            "SELECT pg_reload_conf()",
        ] {
            sqlx::raw_sql(statement).execute(&mut admin).await?;
        }
        self.has_read("ssl", "on").await?;
        Ok(Certificates {
            folder: folder.clone(),
        })
    }

    /// From now on, the other authority has signed the server's certificate, and is the one whose
    /// clients the server lets in.
    pub async fn change_authority(&self) -> Result<()> {
        let mut admin = self.admin().await?;
        for statement in [
            "ALTER SYSTEM SET ssl_cert_file = 'other-server.crt'",
            "ALTER SYSTEM SET ssl_key_file = 'other-server.key'",
            "ALTER SYSTEM SET ssl_ca_file = 'other.crt'",
            "SELECT pg_reload_conf()",
        ] {
            sqlx::raw_sql(statement).execute(&mut admin).await?;
        }
        self.has_read("ssl_ca_file", "other.crt").await
    }

    /// The first line of `pg_hba.conf` is this one from now on.
    pub async fn let_in_first(&self, line: &str) -> Result<()> {
        let path = self.data.join("pg_hba.conf");
        let access = format!("{line}\n{}", std::fs::read_to_string(&path)?);
        std::fs::write(path, access)?;
        let mut admin = self.admin().await?;
        sqlx::raw_sql("SELECT pg_reload_conf()")
            .execute(&mut admin)
            .await?;
        Ok(())
    }

    /// Waits until new sessions have a setting.
    async fn has_read(&self, setting: &str, wanted: &str) -> Result<()> {
        let limit = std::time::Duration::from_secs(10);
        crate::wait::wait_until(limit, "the server to have read its settings", async || {
            let query = sqlx::query_scalar("SELECT current_setting($1)").bind(setting);
            let value: String = query.fetch_one(&mut self.admin().await?).await?;
            Ok(value == wanted)
        })
        .await
    }
}

fn authority(folder: &Path, name: &str) -> Result<()> {
    let subject = format!("/CN=The {name} of the tests");
    certificate(
        folder,
        name,
        &subject,
        &["keyUsage=critical,keyCertSign"],
        &[],
    )
}

fn signed(folder: &Path, name: &str, signer: &str, of: [&str; 2]) -> Result<()> {
    let [subject, extension] = of;
    let extensions = ["basicConstraints=critical,CA:FALSE", extension];
    let (certificate_of, key_of) = (format!("{signer}.crt"), format!("{signer}.key"));
    let signer = ["-CA", certificate_of.as_str(), "-CAkey", key_of.as_str()];
    certificate(
        folder,
        name,
        &format!("/CN={subject}"),
        &extensions,
        &signer,
    )
}

/// Makes a key and a certificate.
fn certificate(
    folder: &Path,
    name: &str,
    subject: &str,
    extensions: &[&str],
    signer: &[&str],
) -> Result<()> {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
    let kind = "req -x509 -nodes -days 3650 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
    let mut arguments: Vec<&str> = kind.split(' ').collect();
    arguments.extend(["-keyout", &key, "-out", &certificate, "-subj", subject]);
    arguments.extend(
        extensions
            .iter()
            .flat_map(|extension| ["-addext", extension]),
    );
    arguments.extend(signer);
    openssl(folder, &arguments)
}

/// Runs openssl as the user whose files they must be.
fn openssl(folder: &Path, arguments: &[&str]) -> Result<()> {
    let program = Path::new("openssl");
    let mut command: Command = if is_root() {
        guarded_as(POSTGRES_USER, program)
    } else {
        guarded(program)
    };
    command.current_dir(folder).args(arguments);
    let output = command
        .output()
        .context("cannot run openssl: run `make services`")?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl failed: {reason}");
    Ok(())
}

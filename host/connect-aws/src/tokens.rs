//! Tokens of IAM: URLs that are signed for fifteen minutes, and stand for a password.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connect_api::Secret;

use crate::Credentials;
use crate::credentials::keep;
use crate::sign::{Scope, ToSign, encoded, presign};

/// AWS takes a token for as long, from when it is signed.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Which client a token of MSK says that it is from; AWS's own signers say theirs.
const USER_AGENT: &str = concat!("ferrule/", env!("CARGO_PKG_VERSION"));

/// A user of a database on RDS or Aurora.
#[derive(Clone, Copy, Debug)]
pub struct RdsUser<'a> {
    /// The host of the database itself, also where a proxy or a tunnel is connected to.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The user; in Postgres one that has the role `rds_iam`.
    pub name: &'a str,
}

/// The password of a user (AWS, "IAM database authentication"): taken at a connect within fifteen
/// minutes of `time`, over TLS alone. A session that is open outlives it.
pub fn rds_token(
    credentials: &Credentials,
    region: &str,
    user: &RdsUser<'_>,
    time: SystemTime,
) -> Secret {
    let host = format!("{}:{}", user.host, user.port);
    let scope = Scope {
        region,
        service: "rds-db",
        time,
    };
    let query = [("Action", "connect"), ("DBUser", user.name)];
    let query = presign(credentials, &scope, &url(&host, &query), LIFETIME);
    Secret::new(format!("{host}/?{query}"))
}

/// A token for Kafka on MSK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MskToken {
    /// The token.
    pub token: Secret,
    /// When brokers take it no more.
    pub expires: SystemTime,
}

/// The token for Kafka on MSK, as `aws-msk-iam-sasl-signer` makes it for SASL OAUTHBEARER: the URL
/// that is signed, in base64 for URLs. Brokers end a connection with the token; a new one is due
/// before that.
pub fn msk_token(credentials: &Credentials, region: &str, time: SystemTime) -> MskToken {
    let host = format!("kafka.{region}.amazonaws.com");
    let scope = Scope {
        region,
        service: "kafka-cluster",
        time,
    };
    let query = [("Action", "kafka-cluster:Connect")];
    let query = presign(credentials, &scope, &url(&host, &query), LIFETIME);
    let agent = encoded(USER_AGENT);
    let token = URL_SAFE_NO_PAD.encode(format!("https://{host}/?{query}&User-Agent={agent}"));
    keep(&token);
    MskToken {
        token: Secret::new(token),
        expires: time + LIFETIME,
    }
}

fn url<'a>(host: &'a str, query: &'a [(&'a str, &'a str)]) -> ToSign<'a> {
    ToSign {
        method: "GET",
        host,
        path: "/",
        query,
        headers: &[],
        body: &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn user(name: &str) -> RdsUser<'_> {
        RdsUser {
            host: "prod-instance.us-east-1.rds.amazonaws.com",
            port: 3306,
            name,
        }
    }

    /// The inputs and the token of the SDK for Rust, and the signature of botocore, whose
    /// parameters stand in another order.
    #[test]
    fn tokens_of_rds_are_those_of_the_sdks() {
        let token = rds_token(
            &Credentials::new("akid", "secret"),
            "us-east-1",
            &user("peccy"),
            at(1_724_709_600),
        );
        assert_eq!(
            token.expose(),
            "prod-instance.us-east-1.rds.amazonaws.com:3306/?Action=connect&DBUser=peccy\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=akid%2F20240826%2Fus-east-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20240826T220000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89"
        );
        let token = rds_token(
            &Credentials::new("akid", "skid"),
            "us-east-1",
            &user("someusername"),
            at(1_478_540_373),
        );
        let signature = "=d1138cdbc0ca63eec012ec0fc6c2267e03642168f5884a7795320d4c18374c61";
        assert!(token.expose().ends_with(signature));
    }

    #[test]
    fn a_session_and_special_characters_are_part_of_the_token() {
        let credentials = Credentials::new("AKIA", "SECRET").with_session_token("SES/SION+=");
        let token = rds_token(&credentials, "us-west-2", &user("a&b c"), at(1_735_689_601));
        for part in [
            "DBUser=a%26b%20c&",
            "&X-Amz-Security-Token=SES%2FSION%2B%3D&X-Amz-SignedHeaders=host&",
        ] {
            assert!(token.expose().contains(part), "{part}");
        }
        assert_eq!(format!("{token:?}"), "[hidden]");
    }

    #[test]
    fn a_token_of_msk_is_a_signed_url_in_base64() {
        let credentials = Credentials::new("AKIA", "SECRET");
        let time = at(1_735_689_601);
        let made = msk_token(&credentials, "eu-west-1", time);
        assert_eq!(made.expires, time + Duration::from_secs(900));
        let url = URL_SAFE_NO_PAD.decode(made.token.expose()).unwrap();
        let url = String::from_utf8(url).unwrap();
        let start = "https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect\
                     &X-Amz-Algorithm=AWS4-HMAC-SHA256\
                     &X-Amz-Credential=AKIA%2F20250101%2Feu-west-1%2Fkafka-cluster%2Faws4_request\
                     &X-Amz-Date=20250101T000001Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
                     &X-Amz-Signature=";
        assert!(url.starts_with(start), "{url}");
        // The agent is not signed: it stands behind the signature.
        let end = format!("&User-Agent=ferrule%2F{}", env!("CARGO_PKG_VERSION"));
        assert!(url.ends_with(&end), "{url}");
        assert!(!connect_api::mask(made.token.expose()).contains(made.token.expose()));
    }
}

//! What is kept of what Vault gives: leases, and what a time to live was given for.

use super::*;

#[test]
fn leases_are_kept_renewed_and_replaced_in_the_end() {
    let server = Server::start(|asked: &Asked| match asked.path.as_str() {
        "/v1/database/creds/app" => {
            let user = format!("v-app-{}", asked.number);
            let body = format!(
                r#"{{"lease_id":"database/creds/app/{user}","lease_duration":1,"renewable":true,
                    "data":{{"username":"{user}","password":"p"}}}}"#
            );
            Reply::json(200, &body)
        }
        // The first renewal is the last one.
        "/v1/sys/leases/renew" => Reply::json(
            200,
            r#"{"lease_id":"x","lease_duration":0,"renewable":true}"#,
        ),
        _ => Reply::json(400, "{}"),
    });
    let providers = lenses(&server, &[("vault.token", "t")]);
    let user = "${p:database/creds/app:username}";
    let first = resolved(&providers, user).unwrap();
    let renewals = server.waits_for("/v1/sys/leases/renew", 1);
    assert_eq!(
        renewals[0].body,
        format!(r#"{{"lease_id":"database/creds/app/{first}","increment":1}}"#)
    );
    for _ in 0..1000 {
        if resolved(&providers, user).unwrap() != first {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the secret whose lease has ended is still given");
}

#[test]
fn times_that_no_clock_has_are_no_end_of_the_provider() {
    let longest = u64::MAX;
    let server = Server::start(move |asked: &Asked| match asked.path.as_str() {
        "/v1/auth/approle/login" => login_reply(0, longest),
        "/v1/sys/leases/renew" => {
            let body = format!(r#"{{"lease_id":"l","lease_duration":{longest}}}"#);
            Reply::json(200, &body)
        }
        path => {
            let seconds = if path.ends_with("short") { 1 } else { longest };
            let body = format!(
                r#"{{"lease_id":"l","lease_duration":{seconds},"renewable":true,
                    "data":{{"pw":"p"}}}}"#
            );
            Reply::json(200, &body)
        }
    });
    let login = [
        ("vault.auth.method", "approle"),
        ("app.role.id", "r"),
        ("app.role.secret.id", "s"),
    ];
    let providers = lenses(&server, &login);
    for path in ["long", "short"] {
        let value = resolved(&providers, &format!("${{p:database/creds/{path}:pw}}"));
        assert_eq!(value.unwrap(), "p");
    }
    server.waits_for("/v1/sys/leases/renew", 1);
    let value = resolved(&providers, "${p:database/creds/other:pw}");
    assert_eq!(value.unwrap(), "p");
}

#[test]
fn a_lease_is_used_for_as_long_as_it_lasts() {
    let server = Server::start(|asked: &Asked| {
        let number = asked.number;
        let body = format!(
            r#"{{"lease_id":"l","lease_duration":3600,"renewable":true,
                "data":{{"username":"u{number}","password":"p{number}"}}}}"#
        );
        Reply::json(200, &body)
    });
    let providers = lenses(&server, &[("vault.token", "t")]);
    let both = "${p:database/creds/app:username} ${p:database/creds/app:password}";
    let first = resolved(&providers, both).unwrap();
    assert_eq!(resolved(&providers, both).unwrap(), first);
    assert_eq!(server.asked_for("/v1/database/creds/app").len(), 1);
    // A key that it does not have is looked for all the same.
    let error = refusal(&providers, "${p:database/creds/app:dsn}");
    assert!(error.to_string().contains("has no key dsn"), "{error}");
}

#[test]
fn the_time_that_lenses_keeps_a_secret_is_kept_to() {
    let server = Server::start(|_| Reply::json(200, KV2));
    let parameters = [("vault.token", "t"), ("secret.default.ttl", "3600000")];
    let providers = lenses(&server, &parameters);
    for _ in 0..3 {
        resolved(&providers, "${p:secret/db:n}").unwrap();
    }
    assert_eq!(server.asked_for("/v1/secret/data/db").len(), 1);
}

#[test]
fn what_is_refused_where_it_is_used_is_asked_for_again() {
    let server = Server::start(|_| Reply::json(200, KV2));
    let parameters = [("vault.token", "t"), ("secret.default.ttl", "3600000")];
    let providers = lenses(&server, &parameters);
    let password = "${p:secret/db:n}";
    resolved(&providers, password).unwrap();
    providers.forget(&Properties::from([("k".to_owned(), password.to_owned())]));
    resolved(&providers, password).unwrap();
    assert_eq!(server.asked_for("/v1/secret/data/db").len(), 2);

    // Each lease makes a user of a database: a young one is used, though it is refused.
    let server = Server::start(|asked: &Asked| {
        let number = asked.number;
        let body = format!(
            r#"{{"lease_id":"l","lease_duration":3600,"renewable":true,
                "data":{{"username":"u{number}"}}}}"#
        );
        Reply::json(200, &body)
    });
    let providers = lenses(&server, &[("vault.token", "t")]);
    let user = "${p:database/creds/app:username}";
    let first = resolved(&providers, user).unwrap();
    providers.forget(&Properties::from([("k".to_owned(), user.to_owned())]));
    assert_eq!(resolved(&providers, user).unwrap(), first);
}

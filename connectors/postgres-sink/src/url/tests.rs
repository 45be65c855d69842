//! Addresses.

use super::*;

#[test]
fn the_addresses_of_libpq_and_jdbc_are_read() {
    for (text, host, port, user, database) in [
        (
            "jdbc:postgresql://db/shark",
            "db",
            5432,
            None,
            Some("shark"),
        ),
        (
            "jdbc:postgresql://db:5433/s?user=u&sslmode=disable",
            "db",
            5433,
            Some("u"),
            Some("s"),
        ),
        (
            "postgres://u%40x:p%2Bq@127.0.0.1:6000/a%20b",
            "127.0.0.1",
            6000,
            Some("u@x"),
            Some("a b"),
        ),
        (
            "postgresql://[::1]:5432/d?currentSchema=raw",
            "::1",
            5432,
            None,
            Some("d"),
        ),
        ("postgresql://db", "db", 5432, None, None),
        // Neither is an escape, so both stay as they are.
        (
            "postgres://u%+1:p@db/50%",
            "db",
            5432,
            Some("u%+1"),
            Some("50%"),
        ),
        (
            "postgresql:///d?host=db&port=6000",
            "db",
            6000,
            None,
            Some("d"),
        ),
    ] {
        let options = parse(text)
            .unwrap_or_else(|why| panic!("{text}: {why}"))
            .options;
        assert_eq!(options.get_host(), host, "{text}");
        assert_eq!(options.get_port(), port, "{text}");
        assert_eq!(options.get_database(), database, "{text}");
        if let Some(user) = user {
            assert_eq!(options.get_username(), user, "{text}");
        }
    }
}

#[test]
fn several_hosts_are_read_in_their_order() {
    for text in [
        "postgres://u:p@a,b:6000,[::1]:7000/d?target_session_attrs=read-write",
        "jdbc:postgresql://a:5432,b:6000,[::1]:7000/d?targetServerType=primary",
        "postgres:///d?host=a,b,::1&port=5432,6000,7000",
    ] {
        let hosts = parse(text)
            .unwrap_or_else(|why| panic!("{text}: {why}"))
            .hosts;
        let expect = [("a", 5432), ("b", 6000), ("::1", 7000)];
        assert_eq!(
            hosts,
            expect.map(|(host, port)| (host.to_owned(), port)),
            "{text}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_without_the_url() {
    for (text, expect) in [
        ("jdbc:mysql://db/x", "it must start with"),
        ("postgres://u:secret@a:port/x", "it is not a URL"),
        ("postgres://u:secret@a,b:port/x", "it is not a URL"),
        (
            "postgres://u:secret@a/x?host=b,c&port=1,2,3",
            "not as many ports as hosts",
        ),
        ("postgres://u:secret@a/x?sslmode=maybe", "sslmode must be"),
        (
            "postgres://u:secret@a/x?sslshiny=1",
            "sslshiny is not known",
        ),
        (
            "postgres://u:secret@a/x?sslfactory=com.example.secret",
            "sslrootcert",
        ),
        (
            "postgres://u:secret@a/x?sslmode=verify-ca&sslfactory=org.postgresql.ssl.NonValidatingFactory",
            "checks nothing",
        ),
        ("postgres://u:secret@a/x?queryTimeout=x", "queryTimeout"),
        ("postgres://u:secret@a/x?port=99999", "port is no port"),
        (
            "postgres://u:secret@a/x?target_session_attrs=standby",
            "target_session_attrs asks for a server that takes no writes",
        ),
        ("postgres://u:secret@a/x?sslcert=c", "sslcert and sslkey"),
        ("postgres://u:secret@a/x?sslkey=c.pem", "sslcert and sslkey"),
        (
            "postgres://u:secret@a/x?sslrootcert=system",
            "needs sslmode=verify-full",
        ),
    ] {
        let why = parse(text).expect_err(text);
        assert!(why.contains(expect), "{text}: {why}");
        assert!(!why.contains("secret"), "{why}");
    }
}

#[test]
fn the_certificate_of_an_authority_is_checked_as_libpq_does() {
    let mode = |parameters: &str| {
        let target = parse(&format!("postgres://db/x?{parameters}"));
        target.map(|target| format!("{:?}", target.options.get_ssl_mode()))
    };
    for (parameters, expect) in [
        ("sslmode=require&sslrootcert=ca.crt", "VerifyCa"),
        ("sslmode=prefer&sslrootcert=ca.crt", "Prefer"),
        ("sslmode=verify-full&sslrootcert=ca.crt", "VerifyFull"),
        ("ssl=true&sslrootcert=ca.crt", "VerifyFull"),
        ("sslmode=allow&sslrootcert=ca.crt", "Allow"),
        // In any order, as in the JDBC driver.
        ("sslmode=require&ssl=true&sslrootcert=ca.crt", "VerifyCa"),
        ("ssl=true&sslmode=prefer", "Prefer"),
        ("ssl=false", "Prefer"),
        (
            "ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory&sslrootcert=ca.crt",
            "Require",
        ),
        (
            "sslfactory=org.postgresql.ssl.NonValidatingFactory&sslmode=require",
            "Require",
        ),
        (
            "sslfactory=org.postgresql.ssl.LibPQFactory&ssl=true",
            "VerifyFull",
        ),
    ] {
        assert_eq!(mode(parameters).as_deref(), Ok(expect), "{parameters}");
    }
}

#[test]
fn settings_reach_the_server() {
    let target = parse("postgres://db/x?options=-c%20work_mem%3D8MB&currentSchema=raw");
    let settings = target.unwrap_or_else(|why| panic!("{why}")).settings;
    let expect = [("work_mem", "8MB"), ("search_path", "raw")];
    assert_eq!(
        settings,
        expect.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn what_is_left_over_from_other_drivers_is_told_and_passed_over() {
    let ignored = |parameters: &str| {
        let target = parse(&format!("jdbc:postgresql://db/x?{parameters}"));
        target.unwrap_or_else(|why| panic!("{why}")).ignored
    };
    assert_eq!(
        ignored("useSSL=false&loginTimeout=15&sslmode=disable&PGPORT=5433"),
        [
            "useSSL (which is no parameter of Postgres)",
            "loginTimeout (the option connection.timeout.ms is instead)",
        ]
    );
    assert_eq!(ignored("stringtype=unspecified&ssl=false"), [] as [&str; 0]);
    assert_eq!(
        ignored("preferQueryMode=simple&prepareThreshold=0").len(),
        2
    );
}

/// What the parameters of the AWS Advanced JDBC Wrapper make of a host.
fn wrapped(host: &str, parameters: &str) -> Result<Target, String> {
    parse(&format!(
        "jdbc:aws-wrapper:postgresql://{host}/db?{parameters}"
    ))
}

#[test]
fn tokens_of_iam_are_asked_for_as_the_aws_wrapper_has_it() {
    let rds = "db.c0ffee.eu-west-1.rds.amazonaws.com:5433";
    let target = wrapped(rds, "wrapperPlugins=iam").unwrap();
    assert_eq!(target.iam, Some(IamOptions::default()));
    assert!(matches!(target.options.get_ssl_mode(), PgSslMode::Require));
    let all = "wrapperPlugins=failover2,%20IAM,efm2&iamHost=h.example&iamDefaultPort=5432\
               &iamRegion=us-east-2&iamExpiration=600&awsProfile=sink&wrapperLoggerLevel=FINE";
    let target = wrapped("10.0.0.1:6000", all).unwrap();
    let iam = IamOptions {
        host: Some("h.example".to_owned()),
        port: Some(5432),
        region: Some("us-east-2".to_owned()),
        profile: Some("sink".to_owned()),
    };
    assert_eq!(target.iam, Some(iam));
    let told = target.ignored.join("\n");
    for expect in [
        "failover2 of",
        "efm2 of",
        "iamExpiration",
        "wrapperLoggerLevel",
    ] {
        assert!(told.contains(expect), "{told}");
    }
    // Without the plugin, the wrapper passes its parameters over as well.
    let target = wrapped(rds, "iamRegion=us-east-2&wrapperPlugins=failover").unwrap();
    assert_eq!(target.iam, None);
    assert!(
        target
            .ignored
            .join("\n")
            .contains("iamRegion (wrapperPlugins")
    );
    assert_eq!(wrapped(rds, "").unwrap().iam, None);
}

#[test]
fn what_cannot_be_signed_is_refused_with_the_parameter() {
    let rds = "db.c0ffee.eu-west-1.rds.amazonaws.com";
    for (host, parameters, expect) in [
        (rds, "wrapperPlugins=iam&sslmode=disable", "over TLS alone"),
        (rds, "wrapperPlugins=iam&sslmode=allow", "over TLS alone"),
        ("db.example.com", "wrapperPlugins=iam", "iamRegion"),
        (rds, "wrapperPlugins=awsSecretsManager", "config provider"),
        (rds, "wrapperPlugins=iam,okta", "okta"),
        (rds, "wrapperPlugins=iamm", "wrapperPlugins"),
        (rds, "wrapperPlugins=iam&iamDefaultPort=x", "iamDefaultPort"),
        (rds, "wrapperPlugins=iam&iamExpiration=x", "iamExpiration"),
        (rds, "iamAccessTokenPropertyName=token", "must be password"),
    ] {
        let why = wrapped(host, parameters).err().unwrap_or_default();
        assert!(why.contains(expect), "{parameters}: {why}");
    }
    let two = format!("{rds},db.example.com");
    assert!(wrapped(&two, "wrapperPlugins=iam").is_err());
    assert!(wrapped(&two, "wrapperPlugins=iam&iamRegion=eu-west-1").is_ok());
}

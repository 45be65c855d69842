//! AWS's own test suite of Signature Version 4, as `aws-c-auth` has it, and long keys.

use super::*;

const TIME: u64 = 1_440_938_160; // 2015-08-30T12:36:00Z
const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
const STS_TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKW\
    HGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZamp\
    KsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64\
    lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
const UNRESERVED: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

struct Case {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    query: &'static [(&'static str, &'static str)],
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    token: Option<&'static str>,
    in_headers: &'static str,
    in_query: &'static str,
}

const GET: Case = Case {
    name: "get-vanilla",
    method: "GET",
    path: "/",
    query: &[],
    headers: &[],
    body: "",
    token: None,
    in_headers: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    in_query: "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d",
};

const CASES: &[Case] = &[
    GET,
    Case {
        name: "get-vanilla-with-session-token",
        token: Some(TOKEN),
        in_headers: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        in_query: "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
        ..GET
    },
    Case {
        name: "get-utf8",
        path: "/ሴ",
        in_headers: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        in_query: "10eae3f14a260bd3911cc6d008d3c576d143b05b62f09782a7a4b37f52178e44",
        ..GET
    },
    Case {
        name: "get-vanilla-query-order-encoded",
        query: &[("Param-3", "Value3"), ("Param", "Value2"), ("ሴ", "Value1")],
        in_headers: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        in_query: "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
        ..GET
    },
    Case {
        name: "get-vanilla-query-unreserved",
        query: &[(UNRESERVED, UNRESERVED)],
        in_headers: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        in_query: "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf",
        ..GET
    },
    Case {
        name: "get-vanilla-utf8-query",
        query: &[("ሴ", "bar")],
        in_headers: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        in_query: "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600",
        ..GET
    },
    Case {
        name: "get-header-value-trim",
        headers: &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
        in_headers: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        in_query: "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4",
        ..GET
    },
    Case {
        name: "get-header-value-multiline",
        headers: &[("My-Header1", "value1\n  value2\n     value3")],
        in_headers: "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
        in_query: "e6f5def831211aca02987a44b96826706278c7bc078112ae0263659c5b2f2d56",
        ..GET
    },
    Case {
        name: "get-space-unnormalized",
        path: "/example space/",
        in_headers: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
        in_query: "7a1f416954786484c9824d93c1f26ef64acb9b1b6c9154d08c9f07d0e394abf6",
        ..GET
    },
    Case {
        name: "get-slashes-unnormalized",
        path: "//example//",
        in_headers: "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5",
        in_query: "822a5a9ba28072c5ab2bb4a6307d0c88276d40e49fec6b724c03fb4d4ba60fc2",
        ..GET
    },
    Case {
        name: "post-sts-header-before",
        method: "POST",
        token: Some(STS_TOKEN),
        in_headers: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        in_query: "46c2e3c63c1dbe7d39f8ada16fe7f001c1f56c5791441565323677f96308871c",
        ..GET
    },
    Case {
        name: "post-x-www-form-urlencoded-parameters",
        method: "POST",
        headers: &[
            (
                "Content-Type",
                "application/x-www-form-urlencoded; charset=utf-8",
            ),
            ("Content-Length", "13"),
        ],
        body: "Param1=value1",
        in_headers: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
        in_query: "0dbeb9b026c7b6675f266b8427efec9b4fa8b1f6ef1477d717aea231106eab4d",
        ..GET
    },
];

fn scope() -> Scope<'static> {
    Scope {
        region: "us-east-1",
        service: "service",
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(TIME),
    }
}

#[test]
fn signatures_are_those_of_the_test_suite_of_aws() {
    for case in CASES {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let mut credentials = Credentials::new("AKIDEXAMPLE", secret);
        if let Some(token) = case.token {
            credentials = credentials.with_session_token(token);
        }
        let request = ToSign {
            method: case.method,
            host: "example.amazonaws.com",
            path: case.path,
            query: case.query,
            headers: case.headers,
            body: case.body.as_bytes(),
        };
        let query = presign(&credentials, &scope(), &request, Duration::from_secs(3600));
        let end = format!("&X-Amz-Signature={}", case.in_query);
        assert!(query.ends_with(&end), "{}: {query}", case.name);
        // The suite signs the digest of a body as a header, too.
        let digest = format!("{:x}", Sha256::digest(case.body));
        let mut headers = case.headers.to_vec();
        if !case.body.is_empty() {
            headers.push(("X-Amz-Content-Sha256", &digest));
        }
        let request = ToSign {
            headers: &headers,
            ..request
        };
        let signed = sign(&credentials, &scope(), &request);
        let (name, value) = &signed[signed.len() - 1];
        assert_eq!(*name, "authorization");
        let end = format!(", Signature={}", case.in_headers);
        assert!(value.ends_with(&end), "{}: {value}", case.name);
        assert_eq!(signed.len() == 3, case.token.is_some());
    }
}

/// RFC 4231, test cases 2 and 6: the latter's key is hashed first.
#[test]
fn keys_of_any_length_are_keys_of_hmac() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let short = mac(b"Jefe", "what do ya want for nothing?");
    let long = mac(
        &[0xaa; 131],
        "Test Using Larger Than Block-Size Key - Hash Key First",
    );
    for (made, expect) in [
        (
            short,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            long,
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ] {
        assert_eq!(hex(made), expect);
    }
}

//! The registry over HTTP, as a serializer, a converter and a Kafka UI use it.

use embedded::Registry;
use reqwest::{Client, Method};
use serde_json::{Value, json};

type TestResult = Result<(), Box<dyn std::error::Error>>;

struct Api {
    registry: Registry,
    client: Client,
}

impl Api {
    async fn start() -> Result<Self, Box<dyn std::error::Error>> {
        embedded::install_tls_provider();
        let registry = Registry::start(([127, 0, 0, 1], 0).into()).await?;
        Ok(Self {
            registry,
            client: Client::new(),
        })
    }

    /// Sends a request and returns status and body, whose media type it checks.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<(u16, Value), reqwest::Error> {
        let url = format!("{}{path}", self.registry.url());
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.client.request(method, url).body(body).send().await?;
        let media_type = answer.headers().get("content-type").cloned();
        assert_eq!(
            media_type.as_ref().and_then(|value| value.to_str().ok()),
            Some(MEDIA_TYPE)
        );
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn get(&self, path: &str) -> Result<(u16, Value), reqwest::Error> {
        self.call(Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<(u16, Value), reqwest::Error> {
        self.call(Method::POST, path, body).await
    }

    async fn delete(&self, path: &str) -> Result<(u16, Value), reqwest::Error> {
        self.call(Method::DELETE, path, Value::Null).await
    }
}

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

fn avro(fields: Value) -> Value {
    let schema = json!({ "type": "record", "name": "R", "fields": fields });
    json!({ "schema": schema.to_string() })
}

fn one_field() -> Value {
    avro(json!([{ "name": "a", "type": "int" }]))
}

fn two_fields(default: Option<i32>) -> Value {
    let mut second = json!({ "name": "b", "type": "int" });
    if let Some(default) = default {
        second["default"] = json!(default);
    }
    avro(json!([{ "name": "a", "type": "int" }, second]))
}

fn refused((status, body): (u16, Value)) -> (u16, Option<u64>) {
    assert!(body["message"].is_string(), "{body}");
    (status, body["error_code"].as_u64())
}

#[tokio::test]
async fn the_same_schema_has_one_id_in_every_subject() -> TestResult {
    let api = Api::start().await?;
    let first = api.post("/subjects/a-value/versions", one_field()).await?;
    assert_eq!(first, (200, json!({ "id": 1 })));
    assert_eq!(
        api.post("/subjects/a-value/versions", one_field()).await?,
        first
    );
    assert_eq!(
        api.post("/subjects/b-value/versions", one_field()).await?,
        first
    );
    let spaced = json!({ "schema": one_field()["schema"].as_str().map(|s| s.replace(',', ", ")) });
    assert_eq!(api.post("/subjects/a-value/versions", spaced).await?, first);

    assert_eq!(
        api.get("/subjects").await?,
        (200, json!(["a-value", "b-value"]))
    );
    assert_eq!(
        api.get("/subjects/a-value/versions").await?,
        (200, json!([1]))
    );
    let (_, by_id) = api.get("/schemas/ids/1").await?;
    assert_eq!(by_id, one_field(), "no schemaType for Avro");
    let (_, latest) = api.get("/subjects/a-value/versions/latest").await?;
    let expected = json!({ "subject": "a-value", "version": 1, "id": 1,
        "schema": one_field()["schema"] });
    assert_eq!(latest, expected);
    assert_eq!(api.get("/subjects/a-value/versions/1").await?.1, expected);
    assert_eq!(
        api.post("/subjects/a-value", one_field()).await?.1,
        expected
    );
    let (_, holders) = api.get("/schemas/ids/1/versions").await?;
    assert_eq!(
        holders,
        json!([{ "subject": "a-value", "version": 1 }, { "subject": "b-value", "version": 1 }])
    );
    let (_, types) = api.get("/schemas/types").await?;
    assert_eq!(types, json!(["JSON", "PROTOBUF", "AVRO"]));
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_has_confluents_codes() -> TestResult {
    let api = Api::start().await?;
    api.post("/subjects/there/versions", one_field()).await?;
    for (path, code) in [
        ("/subjects/none/versions", 40401),
        ("/subjects/none/versions/latest", 40401),
        ("/subjects/there/versions/7", 40402),
        ("/schemas/ids/99", 40403),
        ("/config/there", 40408),
    ] {
        assert_eq!(refused(api.get(path).await?), (404, Some(code)), "{path}");
    }
    let lookup = |subject: &'static str| api.post(subject, two_fields(None));
    assert_eq!(refused(lookup("/subjects/none").await?), (404, Some(40401)));
    assert_eq!(
        refused(lookup("/subjects/there").await?),
        (404, Some(40403))
    );
    let odd = api.get("/subjects/there/versions/first").await?;
    assert_eq!(refused(odd), (422, Some(42202)));
    for body in [
        json!({ "schema": "{\"type\":\"recrod\"}" }),
        json!({ "schema": "{" }),
    ] {
        let invalid = api.post("/subjects/there/versions", body).await?;
        assert_eq!(refused(invalid), (422, Some(42201)));
    }
    let unreadable = api.post("/subjects/there/versions", json!([])).await?;
    assert_eq!(refused(unreadable), (422, Some(422)));
    let level = api
        .call(Method::PUT, "/config", json!({ "compatibility": "UP" }))
        .await?;
    assert_eq!(refused(level), (422, Some(42203)));
    Ok(())
}

#[tokio::test]
async fn an_incompatible_schema_is_refused_unless_the_level_is_none() -> TestResult {
    let api = Api::start().await?;
    let (_, level) = api.get("/config").await?;
    assert_eq!(level, json!({ "compatibilityLevel": "BACKWARD" }));
    api.post("/subjects/s/versions", one_field()).await?;

    let check = "/compatibility/subjects/s/versions/latest";
    let (_, verdict) = api.post(check, two_fields(Some(0))).await?;
    assert_eq!(verdict, json!({ "is_compatible": true, "messages": [] }));
    let (_, verdict) = api.post(check, two_fields(None)).await?;
    assert_eq!(verdict["is_compatible"], false);
    assert!(
        verdict["messages"][0]
            .as_str()
            .is_some_and(|m| m.contains("'b'")),
        "{verdict}"
    );
    let quiet = format!("{check}?verbose=false");
    let (_, verdict) = api.post(&quiet, two_fields(None)).await?;
    assert_eq!(verdict, json!({ "is_compatible": false }));

    let refusal = api.post("/subjects/s/versions", two_fields(None)).await?;
    assert_eq!(refused(refusal), (409, Some(409)));
    let none = json!({ "compatibility": "NONE" });
    assert_eq!(
        api.call(Method::PUT, "/config/s", none.clone()).await?,
        (200, none)
    );
    let (status, _) = api.post("/subjects/s/versions", two_fields(None)).await?;
    assert_eq!(status, 200);
    assert_eq!(api.get("/subjects/s/versions").await?.1, json!([1, 2]));
    Ok(())
}

#[tokio::test]
async fn references_are_kept_parsed_and_guarded() -> TestResult {
    let api = Api::start().await?;
    let inner = json!({ "schema": r#"{"type":"enum","name":"Colour","symbols":["RED"]}"# });
    api.post("/subjects/colour/versions", inner).await?;
    let mut outer = avro(json!([{ "name": "c", "type": "Colour" }]));
    let unresolved = api.post("/subjects/outer/versions", outer.clone()).await?;
    assert_eq!(refused(unresolved), (422, Some(42201)));

    outer["references"] = json!([{ "name": "Colour", "subject": "colour", "version": 1 }]);
    let (_, registered) = api.post("/subjects/outer/versions", outer.clone()).await?;
    assert_eq!(registered, json!({ "id": 2 }));
    assert_eq!(api.get("/schemas/ids/2").await?.1, outer);
    assert_eq!(
        api.get("/subjects/colour/versions/1/referencedby").await?.1,
        json!([2])
    );
    let guarded = api.delete("/subjects/colour/versions/1").await?;
    assert_eq!(refused(guarded), (422, Some(42206)));

    outer["references"][0]["version"] = json!(9);
    let missing = api.post("/subjects/outer/versions", outer).await?;
    assert_eq!(refused(missing), (422, Some(42201)));
    Ok(())
}

#[tokio::test]
async fn deletes_are_soft_first_and_keep_the_id() -> TestResult {
    let api = Api::start().await?;
    api.post("/subjects/s/versions", one_field()).await?;
    api.post("/subjects/s/versions", two_fields(Some(1)))
        .await?;
    let early = api.delete("/subjects/s/versions/1?permanent=true").await?;
    assert_eq!(refused(early), (404, Some(40407)));
    assert_eq!(api.delete("/subjects/s/versions/1").await?, (200, json!(1)));
    assert_eq!(api.get("/subjects/s/versions").await?.1, json!([2]));
    assert_eq!(
        api.get("/subjects/s/versions?deleted=true").await?.1,
        json!([1, 2])
    );
    assert_eq!(
        api.get("/schemas/ids/1").await?.0,
        200,
        "old records still need it"
    );

    let early = api.delete("/subjects/s?permanent=true").await?;
    assert_eq!(refused(early), (404, Some(40405)));
    assert_eq!(api.delete("/subjects/s").await?, (200, json!([2])));
    assert_eq!(
        refused(api.get("/subjects/s/versions").await?),
        (404, Some(40401))
    );
    let (_, again) = api.post("/subjects/s/versions", one_field()).await?;
    assert_eq!(again, json!({ "id": 1 }), "same schema, same id");
    assert_eq!(
        api.get("/subjects/s/versions").await?.1,
        json!([3]),
        "a new version"
    );
    Ok(())
}

#[tokio::test]
async fn json_and_protobuf_are_kept_as_text() -> TestResult {
    let api = Api::start().await?;
    let json_schema = json!({ "schemaType": "JSON", "schema": r#"{"type":"object"}"# });
    let proto = json!({ "schemaType": "PROTOBUF", "schema": "syntax = \"proto3\"; message M {}" });
    assert_eq!(
        api.post("/subjects/j/versions", json_schema.clone())
            .await?
            .0,
        200
    );
    assert_eq!(
        api.post("/subjects/p/versions", proto.clone()).await?.0,
        200
    );
    assert_eq!(api.get("/schemas/ids/1").await?.1, json_schema);
    assert_eq!(api.get("/schemas/ids/2").await?.1, proto);
    let other = json!({ "schemaType": "JSON", "schema": r#"{"type":"array"}"# });
    let check = "/compatibility/subjects/j/versions/latest";
    assert_eq!(
        refused(api.post(check, other.clone()).await?),
        (501, Some(501))
    );
    assert_eq!(
        api.post("/subjects/j/versions", other).await?.0,
        200,
        "stored, not judged"
    );
    Ok(())
}

#[tokio::test]
async fn the_port_is_free_after_stop() -> TestResult {
    let api = Api::start().await?;
    let addr = api.registry.url().trim_start_matches("http://").parse()?;
    assert!(Registry::start(addr).await.is_err(), "two on one port");
    api.registry.stop().await;
    Registry::start(addr).await?.stop().await;
    Ok(())
}

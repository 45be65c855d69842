//! Confluent's REST routes over the store.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::compatibility::Level;
use super::content::{Content, SchemaType};
use super::refusal::Refusal;
use super::store::{Store, Version};

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

type Answer = Result<Response, Refusal>;

/// All routes, over an empty store.
pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async || answer(&json!({}))))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(lookup).delete(delete_subject))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route(
            "/subjects/{subject}/versions/{version}",
            get(version).delete(delete_version),
        )
        .route(
            "/subjects/{subject}/versions/{version}/schema",
            get(version_schema),
        )
        .route(
            "/subjects/{subject}/versions/{version}/referencedby",
            get(referenced_by),
        )
        .route("/schemas/ids/{id}", get(schema))
        .route("/schemas/ids/{id}/schema", get(schema_text))
        .route("/schemas/ids/{id}/subjects", get(schema_subjects))
        .route("/schemas/ids/{id}/versions", get(schema_versions))
        .route("/schemas/types", get(async || answer(&SchemaType::ALL)))
        .route("/config", get(level).put(set_level).delete(reset_level))
        .route(
            "/config/{subject}",
            get(level_of).put(set_level_of).delete(reset_level_of),
        )
        .route(
            "/mode",
            get(async || answer(&json!({ "mode": "READWRITE" }))),
        )
        .route(
            "/compatibility/subjects/{subject}/versions",
            post(compatible_with_level),
        )
        .route(
            "/compatibility/subjects/{subject}/versions/{version}",
            post(compatible_with),
        )
        .with_state(Shared::default())
}

/// A JSON answer under the media type that Confluent's clients expect.
pub(super) fn answer(body: &impl Serialize) -> Response {
    let mut response = axum::Json(body).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}

#[derive(Clone, Default)]
struct Shared(Arc<RwLock<Store>>);

impl Shared {
    // A panic in one request must not take the registry away: the store changes in single steps.
    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Asked {
    deleted: bool,
    permanent: bool,
    verbose: bool,
    default_to_global: bool,
    subject_prefix: String,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            deleted: false,
            permanent: false,
            // Ours to choose: the reason costs nothing and saves a second call.
            verbose: true,
            default_to_global: false,
            subject_prefix: String::new(),
        }
    }
}

async fn subjects(State(store): State<Shared>, Query(asked): Query<Asked>) -> Response {
    answer(&store.read().subjects(&asked.subject_prefix, asked.deleted))
}

async fn versions(
    State(store): State<Shared>,
    Path(subject): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let store = store.read();
    let versions = store.versions(&subject, asked.deleted)?;
    Ok(answer(
        &versions
            .iter()
            .map(|version| version.version)
            .collect::<Vec<_>>(),
    ))
}

async fn register(State(store): State<Shared>, Path(subject): Path<String>, body: Bytes) -> Answer {
    let id = store.write().register(&subject, Content::read(&body)?)?;
    Ok(answer(&json!({ "id": id })))
}

async fn lookup(
    State(store): State<Shared>,
    Path(subject): Path<String>,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Answer {
    let content = Content::read(&body)?;
    let store = store.read();
    let version = store.lookup(&subject, &content, asked.deleted)?;
    described(&store, &subject, version)
}

async fn version(
    State(store): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Answer {
    let store = store.read();
    described(
        &store,
        &subject,
        store.version(&subject, &version, asked.deleted)?,
    )
}

async fn version_schema(
    State(store): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Answer {
    let store = store.read();
    let id = store.version(&subject, &version, asked.deleted)?.id;
    text(store.content(id).ok_or(Refusal::SchemaNotFound)?)
}

async fn referenced_by(
    State(store): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
) -> Answer {
    let store = store.read();
    let number = store.version(&subject, &version, false)?.version;
    Ok(answer(&store.referenced_by(&subject, number)))
}

async fn delete_subject(
    State(store): State<Shared>,
    Path(subject): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    Ok(answer(
        &store.write().delete_subject(&subject, asked.permanent)?,
    ))
}

async fn delete_version(
    State(store): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Answer {
    Ok(answer(&store.write().delete_version(
        &subject,
        &version,
        asked.permanent,
    )?))
}

async fn schema(State(store): State<Shared>, Path(id): Path<String>) -> Answer {
    let store = store.read();
    Ok(answer(by_id(&store, &id)?.1))
}

async fn schema_text(State(store): State<Shared>, Path(id): Path<String>) -> Answer {
    let store = store.read();
    text(by_id(&store, &id)?.1)
}

async fn schema_subjects(State(store): State<Shared>, Path(id): Path<String>) -> Answer {
    let store = store.read();
    let (id, _) = by_id(&store, &id)?;
    let mut subjects: Vec<&str> = store
        .holders(id)
        .into_iter()
        .map(|(subject, _)| subject)
        .collect();
    subjects.dedup();
    Ok(answer(&subjects))
}

async fn schema_versions(State(store): State<Shared>, Path(id): Path<String>) -> Answer {
    let store = store.read();
    let (id, _) = by_id(&store, &id)?;
    let holders = store.holders(id).into_iter();
    let named = holders.map(|(subject, version)| json!({ "subject": subject, "version": version }));
    Ok(answer(&named.collect::<Vec<_>>()))
}

async fn level(State(store): State<Shared>) -> Answer {
    configured(store.read().level(None).ok_or(Refusal::InvalidLevel)?)
}

async fn set_level(State(store): State<Shared>, body: Bytes) -> Answer {
    change_level(&store, None, &body)
}

async fn reset_level(State(store): State<Shared>) -> Answer {
    store.write().set_level(None, None);
    level(State(store)).await
}

async fn level_of(
    State(store): State<Shared>,
    Path(subject): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let store = store.read();
    let own = store.level(Some(&subject));
    let level = own.or_else(|| store.level(None).filter(|_| asked.default_to_global));
    configured(level.ok_or(Refusal::NoSubjectConfig(subject))?)
}

async fn set_level_of(
    State(store): State<Shared>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Answer {
    change_level(&store, Some(&subject), &body)
}

async fn reset_level_of(State(store): State<Shared>, Path(subject): Path<String>) -> Answer {
    let mut store = store.write();
    let before = store.level(Some(&subject));
    store.set_level(Some(&subject), None);
    configured(before.ok_or(Refusal::NoSubjectConfig(subject))?)
}

async fn compatible_with_level(
    State(store): State<Shared>,
    Path(subject): Path<String>,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Answer {
    let content = Content::read(&body)?;
    let store = store.read();
    store.check_content(&content)?;
    Ok(verdict(
        &store.objections(&subject, &content, None)?,
        asked.verbose,
    ))
}

async fn compatible_with(
    State(store): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Answer {
    let content = Content::read(&body)?;
    let store = store.read();
    let against = store.version(&subject, &version, false)?;
    store.check_content(&content)?;
    Ok(verdict(
        &store.objections(&subject, &content, Some(against))?,
        asked.verbose,
    ))
}

fn verdict(objections: &[String], verbose: bool) -> Response {
    let mut body = json!({ "is_compatible": objections.is_empty() });
    if verbose {
        body["messages"] = json!(objections);
    }
    answer(&body)
}

fn by_id<'a>(store: &'a Store, id: &str) -> Result<(i32, &'a Content), Refusal> {
    let id = id.parse().map_err(|_| Refusal::SchemaNotFound)?;
    Ok((id, store.content(id).ok_or(Refusal::SchemaNotFound)?))
}

fn described(store: &Store, subject: &str, version: &Version) -> Answer {
    #[derive(Serialize)]
    struct Described<'a> {
        subject: &'a str,
        version: i32,
        id: i32,
        #[serde(flatten)]
        content: &'a Content,
    }
    let content = store.content(version.id).ok_or(Refusal::SchemaNotFound)?;
    Ok(answer(&Described {
        subject,
        version: version.version,
        id: version.id,
        content,
    }))
}

/// The bare schema: JSON for Avro and JSON Schema, a JSON string for Protobuf.
fn text(content: &Content) -> Answer {
    let json = serde_json::from_str(&content.schema);
    Ok(answer(
        &json.unwrap_or_else(|_| Value::String(content.schema.clone())),
    ))
}

fn configured(level: Level) -> Answer {
    Ok(answer(&json!({ "compatibilityLevel": level })))
}

fn change_level(store: &Shared, subject: Option<&str>, body: &[u8]) -> Answer {
    #[derive(Deserialize)]
    struct Wanted {
        compatibility: String,
    }
    let wanted: Wanted =
        serde_json::from_slice(body).map_err(|error| Refusal::Unreadable(error.to_string()))?;
    let level = Level::parse(&wanted.compatibility)?;
    store.write().set_level(subject, Some(level));
    Ok(answer(&json!({ "compatibility": level })))
}

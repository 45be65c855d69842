//! Every way the registry says no, with Confluent's codes.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::routes::answer;

/// A request that cannot be answered as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Subject '{0}' not found.")]
    SubjectNotFound(String),
    #[error("Version {0} not found.")]
    VersionNotFound(String),
    #[error("Schema not found")]
    SchemaNotFound,
    #[error("Subject '{0}' was not deleted first before being permanently deleted")]
    SubjectNotSoftDeleted(String),
    #[error("Subject '{0}' Version {1} was not deleted first before being permanently deleted")]
    VersionNotSoftDeleted(String, i32),
    #[error("Subject '{0}' does not have subject-level compatibility configured")]
    NoSubjectConfig(String),
    #[error(
        "Schema being registered is incompatible with an earlier schema for subject '{0}': {1}"
    )]
    Incompatible(String, String),
    #[error("unreadable request body: {0}")]
    Unreadable(String),
    #[error("Invalid schema: {0}")]
    InvalidSchema(String),
    #[error(
        "The specified version '{0}' is not a valid version id. \
         Allowed values are between [1, 2^31-1] and the string \"latest\""
    )]
    InvalidVersion(String),
    #[error(
        "Invalid compatibility level. Valid values are none, backward, forward, full, \
         backward_transitive, forward_transitive, and full_transitive"
    )]
    InvalidLevel,
    #[error("One or more references exist to the schema of subject '{0}' version {1}")]
    Referenced(String, i32),
    #[error(
        "compatibility of {0} is not checked by this in-memory registry; \
         set the level of the subject to NONE"
    )]
    Unchecked(&'static str),
}

impl Refusal {
    fn code(&self) -> u32 {
        match self {
            Self::SubjectNotFound(_) => 40401,
            Self::VersionNotFound(_) => 40402,
            Self::SchemaNotFound => 40403,
            Self::SubjectNotSoftDeleted(_) => 40405,
            Self::VersionNotSoftDeleted(..) => 40407,
            Self::NoSubjectConfig(_) => 40408,
            Self::Incompatible(..) => 409,
            Self::Unreadable(_) => 422,
            Self::InvalidSchema(_) => 42201,
            Self::InvalidVersion(_) => 42202,
            Self::InvalidLevel => 42203,
            Self::Referenced(..) => 42206,
            Self::Unchecked(_) => 501,
        }
    }

    fn status(&self) -> StatusCode {
        match self.code() {
            40401..=40499 => StatusCode::NOT_FOUND,
            409 => StatusCode::CONFLICT,
            501 => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error_code": self.code(), "message": self.to_string() });
        (self.status(), answer(&body)).into_response()
    }
}

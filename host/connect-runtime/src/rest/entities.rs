//! The bodies of answers.

use connect_api::ConfigValue;
use serde_json::{Value, json};

use crate::connector_config::{ConfigInfos, ConfigKeyInfo};
use crate::herder::{ConnectorView, TaskView};
use crate::storage::Status;

/// `ConnectorInfo`.
pub fn connector_info(view: &ConnectorView, kind: &str) -> Value {
    let tasks: Vec<Value> = view.tasks.iter().map(|task| task_id(view, task)).collect();
    json!({ "name": view.name, "config": view.config, "tasks": tasks, "type": kind })
}

fn task_id(view: &ConnectorView, task: &TaskView) -> Value {
    json!({ "connector": view.name, "task": task.id })
}

/// `TaskInfo`.
pub fn task_info(view: &ConnectorView, task: &TaskView) -> Value {
    json!({ "id": task_id(view, task), "config": task.config })
}

/// `ConnectorStateInfo`.
pub fn connector_state(view: &ConnectorView, kind: &str) -> Value {
    let tasks: Vec<Value> = view.tasks.iter().map(task_state).collect();
    let connector = state(json!({}), &view.status);
    json!({ "name": view.name, "connector": connector, "tasks": tasks, "type": kind })
}

/// `TaskState`.
pub fn task_state(task: &TaskView) -> Value {
    state(json!({ "id": task.id }), &task.status)
}

/// `trace` and `version` are left out when there is none: some clients take null for a text.
/// `message` is Ferrule's own, for a task that waits: states are closed sets to clients, so such a
/// task stays `RUNNING` and says what it waits for beside that. Clients of Kafka Connect show a
/// trace and know no message: what a task waits for is its trace too, unless it has one.
/// So is `plugins`, for a task whose transforms are WASM plugins, and `restarts` and `next_restart`
/// for one that is restarted by `task.restart.policy`.
fn state(mut value: Value, status: &Status) -> Value {
    value["state"] = json!(status.state.name());
    value["worker_id"] = json!(status.worker_id);
    let traces = [&status.trace, &status.message].into_iter().flatten();
    if let Some(trace) = traces.map(String::as_str).find(|trace| !trace.is_empty()) {
        value["trace"] = json!(trace);
    }
    status.add_optional(&mut value);
    value
}

/// `ConfigKeyInfo`.
pub fn config_key_info(info: &ConfigKeyInfo) -> Value {
    let key = &info.key;
    json!({
        "name": key.name,
        "type": key.kind.name(),
        "required": key.default.is_none(),
        "default_value": key.default.as_ref().and_then(Option::as_ref),
        "importance": key.importance.name(),
        "documentation": key.doc,
        "group": key.group,
        "order_in_group": info.order_in_group,
        // What Kafka Connect called it up to 4.1, and all forms of clients read.
        "order": info.order_in_group,
        "width": key.width.name(),
        "display_name": key.display_name,
        "dependents": [],
    })
}

fn config_value_info(value: &ConfigValue) -> Value {
    json!({
        "name": value.name,
        "value": value.value,
        "recommended_values": value.recommended_values,
        "errors": value.errors,
        "visible": value.visible,
    })
}

/// `ConfigInfos`.
pub fn config_infos(infos: &ConfigInfos) -> Value {
    let configs: Vec<Value> = infos
        .configs
        .iter()
        .map(|config| {
            json!({
                "definition": config.definition.as_ref().map(config_key_info),
                "value": config_value_info(&config.value),
            })
        })
        .collect();
    let body = json!({
        "name": infos.name,
        "error_count": infos.errors().count(),
        "groups": infos.groups,
        "configs": configs,
    });
    with_warnings(body, &infos.warnings)
}

/// Adds `warnings`, a list of sentences, where there are any. It is Ferrule's own: Kafka Connect
/// takes an option that it does not know in silence.
pub fn with_warnings(mut body: Value, warnings: &[String]) -> Value {
    if !warnings.is_empty() {
        body["warnings"] = json!(warnings);
    }
    body
}

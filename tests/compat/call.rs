//! What is done to both workers: calls, and what goes between them.

use reqwest::Method;
use serde_json::Value;

/// A request. `@FILE@`, `@JDBC@` and `@GROUP@` in its path and body stand for what each worker has
/// of its own: a file, a database, its group.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name in the report and in the list of accepted differences.
    pub name: String,
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
}

/// What a wait looks at.
#[derive(Clone, Debug)]
pub enum Until {
    /// The connector and so many tasks of it are in these states.
    State {
        connector: &'static str,
        task: &'static str,
        tasks: usize,
    },
    /// There is no status any more.
    Gone,
    /// The answer has this text in it.
    Has(String),
}

/// One step of the script.
#[derive(Clone, Debug)]
pub enum Step {
    /// A request whose answers are compared.
    Call(Call),
    /// Waits until an answer is as it should be, at either worker.
    Wait { path: String, until: Until },
    /// Adds lines to the file of the source.
    Lines(&'static [&'static str]),
    /// Writes values to a topic, which is made.
    Records {
        topic: &'static str,
        values: &'static [&'static str],
    },
}

/// The steps, as they are put together.
#[derive(Default)]
pub struct Script {
    pub steps: Vec<Step>,
}

impl Script {
    /// Adds a call; its body and headers can be set on what is returned.
    pub fn call(&mut self, name: impl Into<String>, method: Method, path: &str) -> Adding<'_> {
        self.steps.push(Step::Call(Call {
            name: name.into(),
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }));
        Adding(self)
    }

    pub fn get(&mut self, name: impl Into<String>, path: &str) -> Adding<'_> {
        self.call(name, Method::GET, path)
    }

    pub fn post(&mut self, name: impl Into<String>, path: &str) -> Adding<'_> {
        self.call(name, Method::POST, path)
    }

    pub fn put(&mut self, name: impl Into<String>, path: &str) -> Adding<'_> {
        self.call(name, Method::PUT, path)
    }

    pub fn patch(&mut self, name: impl Into<String>, path: &str) -> Adding<'_> {
        self.call(name, Method::PATCH, path)
    }

    pub fn delete(&mut self, name: impl Into<String>, path: &str) -> Adding<'_> {
        self.call(name, Method::DELETE, path)
    }

    /// Waits until the connector and all its tasks are in a state.
    pub fn wait(&mut self, connector: &str, state: &'static str, tasks: usize) {
        self.wait_for(connector, state, state, tasks);
    }

    /// Waits until the connector is in one state, and its tasks in another.
    pub fn wait_for(
        &mut self,
        name: &str,
        connector: &'static str,
        task: &'static str,
        tasks: usize,
    ) {
        self.steps.push(Step::Wait {
            path: format!("/connectors/{name}/status"),
            until: Until::State {
                connector,
                task,
                tasks,
            },
        });
    }

    /// Waits until there is no such connector.
    pub fn wait_gone(&mut self, name: &str) {
        self.steps.push(Step::Wait {
            path: format!("/connectors/{name}/status"),
            until: Until::Gone,
        });
    }

    /// Waits until the answer has a text in it.
    pub fn wait_has(&mut self, path: &str, text: &str) {
        self.steps.push(Step::Wait {
            path: path.to_owned(),
            until: Until::Has(text.to_owned()),
        });
    }
}

/// The call that was added last.
pub struct Adding<'a>(&'a mut Script);

impl Adding<'_> {
    fn last(&mut self) -> Option<&mut Call> {
        match self.0.steps.last_mut() {
            Some(Step::Call(call)) => Some(call),
            _ => None,
        }
    }

    /// With a body of JSON, and its header.
    pub fn json(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    /// With this very body, said to be JSON.
    pub fn text(self, body: &str) -> Self {
        self.raw(body).header("Content-Type", "application/json")
    }

    /// With this very body, and no word of what it is.
    pub fn raw(mut self, body: &str) -> Self {
        if let Some(call) = self.last() {
            call.body = Some(body.to_owned());
        }
        self
    }

    /// With a header; it takes the place of one of the same name.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Some(call) = self.last() {
            call.headers.retain(|(known, _)| *known != name);
            call.headers.push((name, value.to_owned()));
        }
        self
    }
}

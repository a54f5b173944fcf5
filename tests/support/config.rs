//! Writes the configuration of a gateway under test. Keys are KrakenD's, letter for letter.

use super::backend::Backend;
use super::driver::Driver;
use super::gateway::Gateway;
use super::ports::{Port, free_port};
use super::process::{self, Finished};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// One entry of an endpoint's `backend` list.
#[derive(Clone, Debug)]
pub struct Call(Map<String, Value>);

/// A call of this path, which may hold placeholders.
pub fn call(backend: &Backend, url_pattern: &str) -> Call {
    call_to(&backend.host(), url_pattern)
}

/// A call to a host that is no [`Backend`].
pub fn call_to(host: &str, url_pattern: &str) -> Call {
    let mut entry = Map::new();
    entry.insert("url_pattern".into(), url_pattern.into());
    entry.insert("host".into(), json!([host]));
    Call(entry)
}

impl From<&Backend> for Call {
    fn from(backend: &Backend) -> Self {
        call(backend, &backend.first_path())
    }
}

impl Call {
    pub fn key(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    pub fn method(self, method: &str) -> Self {
        self.key("method", method)
    }

    pub fn group(self, group: &str) -> Self {
        self.key("group", group)
    }

    pub fn allow(self, paths: &[&str]) -> Self {
        self.key("allow", json!(paths))
    }

    pub fn deny(self, paths: &[&str]) -> Self {
        self.key("deny", json!(paths))
    }

    pub fn collection(self) -> Self {
        self.key("is_collection", true)
    }

    pub fn hosts(self, hosts: &[&str]) -> Self {
        self.key("host", json!(hosts))
    }

    /// A namespace of the backend's `extra_config`.
    pub fn extra(mut self, namespace: &str, value: Value) -> Self {
        insert_extra(&mut self.0, namespace, value);
        self
    }
}

fn insert_extra(object: &mut Map<String, Value>, namespace: &str, value: Value) {
    let extra = object.entry("extra_config").or_insert_with(|| json!({}));
    extra[namespace] = value;
}

/// What is done to the command that starts a gateway.
pub type Prepare = Box<dyn Fn(&mut Command) + Send + Sync>;

/// A gateway before its start.
pub struct GatewayBuilder {
    root: Map<String, Value>,
    endpoints: Vec<Map<String, Value>>,
    text: Option<String>,
    name: String,
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) arguments: Vec<String>,
    pub(super) driver: Driver,
    pub(super) forbidden_uring: Option<i32>,
    pub(super) prepared: Vec<Prepare>,
    pub(super) stdout: Option<Stdio>,
    pub(super) port: Port,
    pub(super) admin: Option<Port>,
}

/// A gateway with no endpoint, on a free port, with the driver of the test.
pub fn gateway() -> GatewayBuilder {
    let port = free_port();
    let mut root = Map::new();
    root.insert("version".into(), 3.into());
    root.insert("port".into(), port.number.into());
    root.insert("listen_ip".into(), "127.0.0.1".into());
    GatewayBuilder {
        root,
        endpoints: Vec::new(),
        text: None,
        name: "krakend.json".into(),
        files: Vec::new(),
        environment: Vec::new(),
        arguments: Vec::new(),
        driver: Driver::current(),
        forbidden_uring: None,
        prepared: Vec::new(),
        stdout: None,
        port,
        admin: None,
    }
}

impl GatewayBuilder {
    /// A GET endpoint; what follows changes it.
    pub fn endpoint<C: Into<Call>>(
        mut self,
        path: &str,
        backends: impl IntoIterator<Item = C>,
    ) -> Self {
        let mut endpoint = Map::new();
        endpoint.insert("endpoint".into(), path.into());
        let calls: Vec<Value> = backends.into_iter().map(|c| Value::Object(c.into().0)).collect();
        endpoint.insert("backend".into(), calls.into());
        self.endpoints.push(endpoint);
        self
    }

    /// A key of the last endpoint.
    #[track_caller]
    pub fn key(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.last().insert(key.into(), value.into());
        self
    }

    /// A namespace in the `extra_config` of the last endpoint.
    #[track_caller]
    pub fn extra(mut self, namespace: &str, value: Value) -> Self {
        insert_extra(self.last(), namespace, value);
        self
    }

    #[track_caller]
    fn last(&mut self) -> &mut Map<String, Value> {
        self.endpoints.last_mut().expect("an endpoint comes before its keys")
    }

    pub fn method(self, method: &str) -> Self {
        self.key("method", method)
    }

    pub fn noop(self) -> Self {
        self.key("output_encoding", "no-op")
    }

    pub fn timeout(self, timeout: Duration) -> Self {
        self.key("timeout", format!("{}ms", timeout.as_millis()))
    }

    pub fn input_headers(self, names: &[&str]) -> Self {
        self.key("input_headers", json!(names))
    }

    pub fn input_query_strings(self, names: &[&str]) -> Self {
        self.key("input_query_strings", json!(names))
    }

    /// A key of the service.
    pub fn service(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.root.insert(key.into(), value.into());
        self
    }

    /// A namespace in the `extra_config` of the service.
    pub fn service_extra(mut self, namespace: &str, value: Value) -> Self {
        insert_extra(&mut self.root, namespace, value);
        self
    }

    /// An option of `extra_config.router`.
    pub fn router(mut self, key: &str, value: impl Into<Value>) -> Self {
        let extra = self.root.entry("extra_config").or_insert_with(|| json!({}));
        extra["router"][key] = value.into();
        self
    }

    /// An option of `extra_config.ringway`.
    pub fn ringway(mut self, key: &str, value: impl Into<Value>) -> Self {
        let extra = self.root.entry("extra_config").or_insert_with(|| json!({}));
        extra["ringway"][key] = value.into();
        self
    }

    /// The text of failures as body.
    pub fn error_texts(self) -> Self {
        self.router("return_error_msg", true)
    }

    /// One worker: everything on one core's pools and cells.
    pub fn one_worker(self) -> Self {
        self.ringway("workers", 1)
    }

    /// The admin listener on a free port.
    pub fn admin(mut self) -> Self {
        let port = free_port();
        let address = format!("127.0.0.1:{}", port.number);
        self.admin = Some(port);
        self.ringway("admin", address)
    }

    /// The whole file as text; `$PORT` and `$ADMIN` are filled in.
    pub fn text(mut self, name: &str, text: impl Into<String>) -> Self {
        self.name = name.into();
        self.text = Some(text.into());
        self
    }

    /// A file beside the configuration.
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), content.into()));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The kernel answers the io_uring calls with this error number.
    pub fn without_uring(mut self, errno: i32) -> Self {
        self.forbidden_uring = Some(errno);
        self
    }

    /// Changes the command before the gateway starts, also when it is started again.
    pub fn prepare(mut self, change: impl Fn(&mut Command) + Send + Sync + 'static) -> Self {
        self.prepared.push(Box::new(change));
        self
    }

    /// A limit of the process, soft and hard, such as `libc::RLIMIT_NOFILE`.
    pub fn rlimit(self, resource: libc::__rlimit_resource_t, value: u64) -> Self {
        self.prepare(move |command| process::limit(command, resource, value))
    }

    /// Where its log goes; the harness does not read it then.
    pub fn stdout(mut self, sink: impl Into<Stdio>) -> Self {
        self.stdout = Some(sink.into());
        self
    }

    /// The port that this gateway will listen on, if the file does not say otherwise.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    pub(super) fn file_name(&self) -> &str {
        &self.name
    }

    /// The text of the configuration file.
    pub fn config(&self) -> String {
        if let Some(text) = &self.text {
            let admin = self.admin.as_ref().map_or(0, |port| port.number);
            return text
                .replace("$PORT", &self.port.number.to_string())
                .replace("$ADMIN", &admin.to_string());
        }
        let mut root = self.root.clone();
        root.insert("endpoints".into(), json!(self.endpoints));
        serde_json::to_string_pretty(&Value::Object(root)).expect("a value is writable")
    }

    /// Starts the gateway and waits until it accepts connections.
    #[track_caller]
    pub fn start(self) -> Gateway {
        match Gateway::start(self) {
            Ok(gateway) => gateway,
            Err(finished) => panic!("the gateway did not start: {finished}"),
        }
    }

    /// The gateway must refuse to start.
    #[track_caller]
    pub fn refused(self) -> Finished {
        match Gateway::start(self) {
            Ok(_) => panic!("the gateway started with a configuration that it should refuse"),
            Err(finished) => finished,
        }
    }

    /// `ringway check` on the same file.
    #[track_caller]
    pub fn check(&self, more: &[&str]) -> Finished {
        let directory = tempfile::tempdir().expect("a temporary directory");
        self.write(directory.path());
        let mut arguments = vec!["check", "-c", self.file_name()];
        arguments.extend(more);
        super::process::run_in(directory.path(), &arguments, &self.environment)
    }

    pub(super) fn write(&self, directory: &Path) {
        std::fs::write(directory.join(&self.name), self.config()).expect("the file is writable");
        for (name, content) in &self.files {
            std::fs::write(directory.join(name), content).expect("the file is writable");
        }
    }
}

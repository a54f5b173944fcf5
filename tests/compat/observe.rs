//! Runs one case against the binary and writes down what the client and the backend saw.

use crate::canonical::{self, base64_decoded};
use crate::case::{Case, repeats};
use crate::facts::{AtBackend, Observation, SKIP_REQUEST, SKIP_RESPONSE, SOFT_REQUEST};
use crate::scripted::{big_object, handler};
use crate::support::ports::{DeadPort, dead_port_where, free_port_where};
use crate::support::wire::{Broken, Field, find};
use crate::support::{Backend, Connection, End, Recorded, backend_with, ms, process};
use serde_json::{Value, json};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

pub struct Observed {
    pub observations: Vec<Observation>,
    /// What the gateway wrote.
    pub log: String,
}

/// Answers that never come are given up after this.
const START_LIMIT: Duration = Duration::from_secs(15);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The three ports of a case. Their numbers stand in no text of it, so that hiding them hides
/// nothing else.
struct Ports {
    gateway: crate::support::ports::Port,
    dead: DeadPort,
    backend: Backend,
}

impl Ports {
    fn of(case: &Case) -> Self {
        let golden = format!("{:?}", case.golden());
        let text = format!("{}{golden}0123456789abcdef0123", case.value);
        let free = |port: u16| !text.contains(&port.to_string());
        let backend = loop {
            let backend = backend_with(handler(case.value["backend"].clone()));
            if free(backend.address.port()) {
                break backend;
            }
        };
        Ports { gateway: free_port_where(free), dead: dead_port_where(free), backend }
    }

    fn fill_in(&self, text: &str) -> String {
        text.replace("$BACKEND", &self.backend.host())
            .replace("$BEPORT", &self.backend.address.port().to_string())
            .replace("$GWPORT", &self.gateway.number.to_string())
            .replace("$DEADPORT", &self.dead.number.to_string())
    }

    fn hide(&self, text: &str) -> String {
        text.replace(&self.dead.number.to_string(), "$DEADPORT")
            .replace(&self.gateway.number.to_string(), "$GWPORT")
            .replace(&self.backend.address.port().to_string(), "$BEPORT")
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.gateway.number).into()
    }
}

/// All observations of a case; the first two are `check` and `run`.
pub fn run(case: &Case) -> Observed {
    let ports = Ports::of(case);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let name = case.value["config_name"].as_str().unwrap_or("krakend.json");
    for (file, content) in case.value["files"].as_object().into_iter().flatten() {
        let content = content.as_str().unwrap_or_default();
        std::fs::write(directory.path().join(file), content).expect("a file");
    }
    let config = ports.fill_in(&config_text(case, &ports));
    std::fs::write(directory.path().join(name), config).expect("a configuration");

    let mut check = process::command(directory.path(), &["check", "-c", name]);
    check.envs(environment(case)).stdout(Stdio::null()).stderr(Stdio::null());
    let mut check = check.spawn().expect("the binary starts");
    let accepted = process::wait(&mut check, START_LIMIT).is_some_and(|status| status.success());
    let _ = check.kill();
    let word = |ok: bool, yes: &str| Some(if ok { yes } else { "refused" }.to_owned());
    let mut observations = vec![Observation { exit: word(accepted, "ok"), ..Default::default() }];

    let mut arguments = vec!["run"];
    if case.value["debug"].as_bool() == Some(true) {
        arguments.push("-d");
    }
    arguments.extend(["-c", name]);
    let log = std::fs::File::create(directory.path().join("log")).expect("a log");
    let mut command = process::command(directory.path(), &arguments);
    command.envs(environment(case));
    command.stdout(log.try_clone().expect("a descriptor")).stderr(log);
    let mut child = command.spawn().expect("the binary starts");
    let up = comes_up(&mut child, ports.address());
    observations.push(Observation { start: word(up, "up"), ..Default::default() });
    for request in case.requests() {
        for _ in 0..repeats(request) {
            observations.push(if up {
                observe(request, &ports)
            } else {
                Observation { status: "gateway is not up".into(), ..Default::default() }
            });
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap_or_default();
    Observed { observations, log }
}

fn config_text(case: &Case, ports: &Ports) -> String {
    match &case.value["config"] {
        Value::String(text) => text.clone(),
        config => {
            let mut config = config.clone();
            let root = config.as_object_mut().expect("a configuration");
            root.entry("version").or_insert(json!(3));
            root.entry("port").or_insert(json!(ports.gateway.number));
            root.entry("listen_ip").or_insert(json!("127.0.0.1"));
            config.to_string()
        }
    }
}

fn environment(case: &Case) -> Vec<(String, String)> {
    let given = case.value["env"].as_object().into_iter().flatten();
    let given = given.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()));
    given.chain([("USAGE_DISABLE".to_owned(), "1".to_owned())]).collect()
}

fn comes_up(child: &mut Child, address: SocketAddr) -> bool {
    let end = Instant::now() + START_LIMIT;
    while Instant::now() < end {
        if child.try_wait().expect("a child can be waited for").is_some() {
            return false;
        }
        if TcpStream::connect_timeout(&address, ms(200)).is_ok() {
            return true;
        }
        std::thread::sleep(ms(10));
    }
    false
}

fn observe(request: &Value, ports: &Ports) -> Observation {
    if let Some(pause) = request["sleep_ms"].as_u64() {
        std::thread::sleep(ms(pause));
    }
    ports.backend.take();
    let mut observation = match send(request, ports) {
        Ok(response) => seen_by_client(response, ports),
        Err(words) => Observation { status: words.into(), ..Default::default() },
    };
    // What comes late, such as a call that nobody waits for, belongs to this request too.
    std::thread::sleep(ms(request["settle_ms"].as_u64().unwrap_or(15)));
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end
        && !ports.backend.requests().iter().all(|request| request.complete || request.abandoned)
    {
        std::thread::sleep(ms(2));
    }
    observation.backend =
        ports.backend.take().iter().map(|request| seen_by_backend(request, ports)).collect();
    observation.backend.sort();
    observation
}

fn send(request: &Value, ports: &Ports) -> Result<crate::support::Response, &'static str> {
    let mut body = request["body"].as_str().unwrap_or_default().as_bytes().to_vec();
    if let Some(coded) = request["body_b64"].as_str() {
        body = base64_decoded(coded);
    }
    if let Some(big) = request["body_big"].as_u64() {
        body = big_object(usize::try_from(big).expect("a size"));
    }
    let pair = |pair: &Value, n: usize| pair[n].as_str().unwrap_or_default().to_owned();
    let mut fields: Vec<Field> = request["headers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|header| (pair(header, 0), pair(header, 1)))
        .collect();
    if find(&fields, "host").is_none() {
        fields.insert(0, ("Host".into(), ports.address().to_string()));
    }
    if request["chunked"].as_bool() == Some(true) {
        fields.push(("Transfer-Encoding".into(), "chunked".into()));
        let mut framed = Vec::new();
        for chunk in body.chunks(5) {
            framed.extend(format!("{:x}\r\n", chunk.len()).bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
        framed.extend_from_slice(b"0\r\n\r\n");
        body = framed;
    } else if !body.is_empty() && find(&fields, "content-length").is_none() {
        fields.push(("Content-Length".into(), body.len().to_string()));
    }
    let method = request["method"].as_str().unwrap_or("GET");
    let path = request["path"].as_str().expect("a path");
    let mut message = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in &fields {
        message.push_str(&format!("{name}: {value}\r\n"));
    }
    message.push_str("\r\n");
    let mut connection = Connection::open(ports.address());
    connection.patience(ANSWER_LIMIT);
    // The gateway may answer and close before it has read everything.
    let _ = connection.try_write(message.as_bytes()) && connection.try_write(&body);
    connection.try_response(method).map_err(|broken| match broken {
        Broken::TimedOut => "no answer in time",
        Broken::Malformed(_) => "not an HTTP response",
        _ => "closed without an answer",
    })
}

fn seen_by_client(response: crate::support::Response, ports: &Ports) -> Observation {
    let mut headers: Vec<(String, String)> = response
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), ports.hide(value)))
        .filter(|(name, _)| !SKIP_RESPONSE.contains(&name.as_str()))
        .collect();
    headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut raw = response.bytes.clone();
    if find(&response.fields, "content-encoding") == Some("gzip") {
        let mut plain = Vec::new();
        if flate2::read::MultiGzDecoder::new(raw.as_slice()).read_to_end(&mut plain).is_ok() {
            raw = plain;
        }
    }
    let content_type = find(&response.fields, "content-type").unwrap_or_default();
    let note = match response.end {
        End::Complete | End::Closed => None,
        End::Cut => Some("cut short".to_owned()),
        End::Reset => Some("reset".to_owned()),
        End::TimedOut => Some("no end in time".to_owned()),
    };
    Observation {
        status: response.code.to_string(),
        headers,
        banner: Some(find(&response.fields, "x-krakend").is_some()),
        body: Some(ports.hide(&canonical::body(&raw, content_type))),
        note,
        ..Default::default()
    }
}

fn seen_by_backend(request: &Recorded, ports: &Ports) -> AtBackend {
    let mut all: Vec<(String, String)> = request
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), ports.hide(value)))
        .filter(|(name, _)| !SKIP_REQUEST.contains(&name.as_str()))
        .collect();
    all.sort();
    let (soft, headers) =
        all.into_iter().partition(|(name, _)| SOFT_REQUEST.contains(&name.as_str()));
    let note = if request.complete { "" } else { " (cut short)" };
    AtBackend {
        line: format!("{} {}", request.method, ports.hide(&request.target)),
        headers,
        soft,
        body: ports.hide(&canonical::body(&request.body, "")) + note,
    }
}

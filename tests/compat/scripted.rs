//! The backend of a case: answers as its script says.

use crate::canonical::base64_decoded;
use crate::facts::{SKIP_REQUEST, SOFT_REQUEST};
use crate::support::backend::Plan;
use crate::support::wire::{find, latin1};
use crate::support::{Recorded, Step, ms};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;

/// What `routes` (path, `METHOD path` or `prefix*` to an answer) makes of each request.
pub fn handler(routes: Value) -> impl Fn(&Recorded) -> Plan + Send + Sync + 'static {
    let hits = Mutex::new(HashMap::<String, usize>::new());
    move |request| {
        let answer = find_route(&routes, &hits, request);
        Plan { before_body: Vec::new(), answer: Box::new(move |request| steps(&answer, request)) }
    }
}

fn find_route(routes: &Value, hits: &Mutex<HashMap<String, usize>>, request: &Recorded) -> Value {
    let path = request.path();
    let exact = [format!("{} {path}", request.method), path.to_owned()];
    let key = exact.into_iter().find(|key| routes.get(key).is_some()).or_else(|| {
        let prefixes = routes.as_object().into_iter().flatten().map(|(key, _)| key);
        let covers = |key: &&String| key.strip_suffix('*').is_some_and(|p| path.starts_with(p));
        prefixes.filter(covers).max_by_key(|key| key.len()).cloned()
    });
    let Some(key) = key else {
        return match path.starts_with("/echo") {
            true => json!({"echo": true}),
            false => json!({"status": 404, "body": "{\"error\":\"no such route\"}"}),
        };
    };
    let mut hits = hits.lock().expect("no thread panics with it");
    let n = hits.entry(key.clone()).or_default();
    *n += 1;
    let answer = &routes[&key];
    match answer["sequence"].as_array() {
        Some(sequence) => sequence[(*n - 1).min(sequence.len() - 1)].clone(),
        None => answer.clone(),
    }
}

fn flag(answer: &Value, key: &str) -> bool {
    answer[key].as_bool().unwrap_or(false)
}

fn number(answer: &Value, key: &str) -> Option<usize> {
    answer[key].as_u64().and_then(|n| usize::try_from(n).ok())
}

fn steps(answer: &Value, request: &Recorded) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(delay) = answer["delay_ms"].as_u64() {
        steps.push(Step::Wait(ms(delay)));
    }
    if flag(answer, "close") {
        steps.push(Step::Close);
        return steps;
    }
    let mut fields: Vec<(String, String)> = answer["headers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|pair| (text(&pair[0]), text(&pair[1])))
        .collect();
    let is_json = flag(answer, "echo") || answer.get("body").is_some();
    if is_json && find(&fields, "content-type").is_none() {
        fields.push(("Content-Type".into(), "application/json".into()));
    }
    let mut body = body(answer, request);
    if flag(answer, "gzip") {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(&body).expect("memory takes bytes");
        body = packed.finish().expect("memory takes bytes");
        fields.push(("Content-Encoding".into(), "gzip".into()));
    }
    let status = number(answer, "status").unwrap_or(200);
    let chunked = flag(answer, "chunked");
    let until_close = flag(answer, "until_close");
    if chunked {
        fields.push(("Transfer-Encoding".into(), "chunked".into()));
    } else if !until_close && status != 204 {
        fields.push(("Content-Length".into(), body.len().to_string()));
    }
    if until_close {
        fields.push(("Connection".into(), "close".into()));
    }
    let reason = answer["reason"].as_str().unwrap_or("X");
    let mut message = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in fields {
        message.push_str(&format!("{name}: {value}\r\n"));
    }
    message.push_str("\r\n");
    let mut message: Vec<u8> = message.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
    if request.method == "HEAD" || matches!(status, 204 | 304) {
        steps.push(Step::Send(message));
        return steps;
    }
    let cut = number(answer, "truncate");
    if chunked {
        let mut pieces = vec![message];
        let size = number(answer, "chunk").unwrap_or(7);
        for piece in body.chunks(size).take(cut.unwrap_or(usize::MAX)) {
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            pieces.push(chunk);
        }
        if cut.is_none() {
            pieces.push(b"0\r\n\r\n".to_vec());
        }
        match answer["chunk_ms"].as_u64() {
            Some(pause) => steps.push(Step::Drip(pieces, ms(pause))),
            None => steps.push(Step::Send(pieces.concat())),
        }
    } else {
        message.extend_from_slice(&body[..cut.unwrap_or(body.len()).min(body.len())]);
        steps.push(Step::Send(message));
    }
    if cut.is_some() || until_close {
        steps.push(Step::Close);
    }
    steps
}

fn body(answer: &Value, request: &Recorded) -> Vec<u8> {
    if flag(answer, "echo") {
        return echo(request);
    }
    if let Some(coded) = answer["body_b64"].as_str() {
        return base64_decoded(coded);
    }
    if let Some(big) = number(answer, "big") {
        return big_object(big);
    }
    if let Some(deep) = number(answer, "deep") {
        return [r#"{"a":"#.repeat(deep), "1".into(), "}".repeat(deep)].concat().into_bytes();
    }
    text(&answer["body"]).into_bytes()
}

/// `{"data":"0123456789abcdef…","n":1}` with so many bytes of data.
pub fn big_object(size: usize) -> Vec<u8> {
    let data = "0123456789abcdef".repeat(size / 16);
    format!(r#"{{"data":"{data}","n":1}}"#).into_bytes()
}

/// What the backend got, without what is counted apart or differs by nature.
fn echo(request: &Recorded) -> Vec<u8> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut headers: Vec<(String, &str)> = request
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
        .filter(|(name, _)| {
            let left_out = ["accept-encoding", "host"];
            ![SOFT_REQUEST, SKIP_REQUEST, &left_out].concat().contains(&name.as_str())
        })
        .collect();
    headers.sort();
    let shown = &request.body[..request.body.len().min(2000)];
    let report = json!({
        "method": request.method,
        "path": path,
        "query": query,
        "headers": headers,
        "body": latin1(shown),
        "length": request.body.len(),
    });
    report.to_string().into_bytes()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

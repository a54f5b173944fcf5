//! A policy that notes what it sees and does what its block says, registered once for each stage.
//! Notes go to a log that the block names, so that tests of one process do not meet.

use ringway::{
    Answer, Diagnostics, End, Level, Locals, Needs, Node, PlanCx, Policy, Registration, RequestCx,
    ResponseCx, Slot, Stage, Suspended, Verdict, sleep,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

static LOGS: Mutex<Option<HashMap<String, Vec<String>>>> = Mutex::new(None);

fn note(log: &str, line: String) {
    let mut logs = LOGS.lock().unwrap_or_else(PoisonError::into_inner);
    logs.get_or_insert_default().entry(log.to_owned()).or_default().push(line);
}

/// Everything noted so far, one after the other.
pub fn notes(log: &str) -> Vec<String> {
    let mut logs = LOGS.lock().unwrap_or_else(PoisonError::into_inner);
    logs.get_or_insert_default().get(log).cloned().unwrap_or_default()
}

pub const STAGES: [&str; 6] =
    ["test/service", "test/engine", "test/handler", "test/pipe", "test/backend", "test/executor"];

/// The policy at every stage, outermost first.
pub const EVERYWHERE: [Registration; 6] = [
    Registration::new(STAGES[0], Stage::Service, Level::SERVICE, compile),
    Registration::new(STAGES[1], Stage::Engine, Level::SERVICE, compile)
        .after("router/param-check"),
    Registration::new(STAGES[2], Stage::Handler, Level::SERVICE_OR_ENDPOINT, compile),
    Registration::new(STAGES[3], Stage::Pipe, Level::SERVICE_OR_ENDPOINT, compile),
    Registration::new(STAGES[4], Stage::Backend, Level::BACKEND, compile),
    Registration::new(STAGES[5], Stage::Executor, Level::BACKEND, compile),
];

struct Probe {
    log: String,
    name: String,
    on_request: String,
    on_response: String,
    on_end: String,
    needs: Needs,
    slot: Slot,
}

fn compile(node: &Node<'_>, cx: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    let slot = cx.slot("count");
    let text = |key, found: &mut Diagnostics| node.field::<String>(key, found).unwrap_or_default();
    let needs = match &*text("needs", cx.found) {
        "" => Needs::HEAD,
        "request" => Needs::REQUEST_BODY,
        "response" => Needs::RESPONSE_BODY,
        "tree" => Needs::RESPONSE_TREE,
        _ => {
            cx.found.refuse(*node, "needs something unknown", "request, response or tree");
            return None;
        }
    };
    let name = node.key().unwrap_or_default().trim_start_matches("test/").to_owned();
    Some(Arc::new(Probe {
        log: text("log", cx.found),
        name,
        on_request: text("on_request", cx.found),
        on_response: text("on_response", cx.found),
        on_end: text("on_end", cx.found),
        needs,
        slot,
    }))
}

impl Probe {
    fn note(&self, what: &str) {
        note(&self.log, format!("{} {what}", self.name));
    }

    fn answer(&self) -> Verdict {
        let text = format!("from {}", self.name);
        Verdict::Answer(Answer::text(418, "test", text).with_field("X-From", self.name.clone()))
    }

    fn wait(&self, time: Option<Duration>) -> Verdict {
        let name = self.name.clone();
        Verdict::Wait(Suspended(Box::pin(async move {
            if let Some(time) = time {
                sleep(time).await;
            }
            let resume: ringway::Resume = Box::new(move |cx| {
                cx.set_response_header("X-Waited", name);
                Verdict::Continue
            });
            resume
        })))
    }
}

impl Policy for Probe {
    fn needs(&self) -> Needs {
        self.needs
    }

    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        let body = cx.body.map(|body| String::from_utf8_lossy(body).into_owned());
        match body.filter(|_| self.needs.contains(Needs::REQUEST_BODY)) {
            Some(body) => self.note(&format!("request {body}")),
            None => self.note("request"),
        }
        match &*self.on_request {
            "answer" => self.answer(),
            "wait" => self.wait(Some(Duration::from_millis(20))),
            "ready" => self.wait(None),
            "wait too long" => self.wait(Some(Duration::from_secs(600))),
            "panic" => panic!("{}: as the test told it to", self.name),
            "count" => {
                let count: &mut u64 = cx.local(self.slot);
                *count += 1;
                let count = count.to_string();
                cx.set_response_header("X-Count", count);
                Verdict::Continue
            }
            "set" => {
                cx.set_header("X-To-Backend", self.name.clone());
                cx.set_response_header("X-To-Client", self.name.clone());
                Verdict::Continue
            }
            "param" => {
                cx.set_param("JWT.sub", "the user/1");
                Verdict::Continue
            }
            _ => Verdict::Continue,
        }
    }

    fn on_response(&self, cx: &mut ResponseCx<'_>) -> Verdict {
        let body = cx.body.map(|body| String::from_utf8_lossy(body).into_owned());
        let tree = cx.tree.and_then(|tree| tree.get(b"a")).map(|a| a.raw().to_vec());
        let tree = tree.map(|raw| format!(" a={}", String::from_utf8_lossy(&raw)));
        let shown = match body.filter(|_| self.needs.contains(Needs::RESPONSE_BODY)) {
            Some(body) if body.len() > 100 => format!(" {} bytes", body.len()),
            Some(body) => format!(" {body}"),
            None => String::new(),
        };
        self.note(&format!("response {}{shown}{}", cx.status, tree.unwrap_or_default()));
        match &*self.on_response {
            "answer" => self.answer(),
            "panic" => panic!("{}: as the test told it to", self.name),
            "set" => {
                cx.set_response_header("X-Late", self.name.clone());
                Verdict::Continue
            }
            _ => Verdict::Continue,
        }
    }

    fn on_end(&self, _: &mut Locals, end: End) {
        self.note(&format!("{end:?}"));
        if self.on_end == "panic" {
            panic!("{}: as the test told it to", self.name);
        }
    }
}

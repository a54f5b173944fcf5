//! What holds after every fault.

use crate::support::metrics::CHARGED_BYTES;
use crate::support::{Backend, Gateway, GatewayBuilder, PATIENCE, backend, call, echo, process};
use crate::support::{ms, until};

/// What a probe waits for.
const DEADLINE: std::time::Duration = ms(2_000);

/// A gateway with a canary on a backend of its own, and what it needs when all is quiet.
pub struct Subject {
    pub gw: Gateway,
    canary: Backend,
    files: usize,
    charged: f64,
}

/// Starts it, warm, with one worker and the admin listener.
#[track_caller]
pub fn subject(builder: GatewayBuilder) -> Subject {
    let canary = backend().on("/canary/*", echo());
    let gw = builder
        .one_worker()
        .admin()
        .endpoint("/canary/{id}", [call(&canary, "/canary/{id}")])
        .start();
    let mut subject = Subject { gw, canary, files: 0, charged: 0.0 };
    subject.answers();
    subject.measure();
    subject
}

impl Subject {
    /// Notes what is in use now as what is in use when all is quiet.
    pub fn measure(&mut self) {
        self.files = process::open_files(self.gw.pid());
        self.charged = self.charged();
    }

    /// The canary answers, each request with its own answer.
    #[track_caller]
    pub fn answers(&mut self) {
        assert!(self.gw.is_alive(), "the process ended\n{}", self.gw.log());
        for id in 0..5 {
            self.canary.take();
            let mut client = self.gw.connect();
            client.patience(DEADLINE);
            let path = format!("/canary/{}-{id}", self.gw.pid());
            let response = client.send(format!("GET {path} HTTP/1.1\r\nHost: gw\r\n\r\n"));
            response.status(200);
            let text = String::from_utf8_lossy(&response.bytes).into_owned();
            assert!(text.contains(&path), "not the answer to {path}: {text}");
        }
    }

    /// Connections to backends, as of a tenth of a second ago.
    fn kept(&self) -> usize {
        self.gw.metrics().sum("ringway_pool_connections", &["state=\"open\""]) as usize
    }

    fn charged(&self) -> f64 {
        self.gw.metrics().sum(CHARGED_BYTES, &[])
    }

    /// All of it: to be asked when the fault is over and its clients are gone.
    #[track_caller]
    pub fn recovers(&mut self) {
        until("it serves again", || {
            let mut client = self.gw.connect();
            client.patience(PATIENCE);
            client.try_write("GET /canary/0 HTTP/1.1\r\nHost: gw\r\n\r\n")
                && client.try_response("GET").is_ok_and(|response| response.code == 200)
        });
        self.answers();
        // Connections to backends are kept on purpose. Beside them a few clients more or less.
        let charged = self.charged + 512.0 * 1024.0;
        until("its files come back", || {
            process::open_files(self.gw.pid()) <= self.files + 12 + self.kept()
        });
        until("its memory comes back", || {
            self.charged() <= charged + self.kept() as f64 * 20_000.0
        });
    }
}

//! Runs a test under each driver that this machine allows, in a thread of its own.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::driver::{self, DriverKind};

/// No test of this floor needs longer; one that hangs must not take the others with it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs what `case` makes once under each driver.
pub(crate) fn on_each_driver<F, T>(case: F)
where
    F: Fn() -> T + Send + Sync + Copy + 'static,
    T: Future<Output = ()>,
{
    let (best, reasons) = driver::probe(None);
    for kind in DriverKind::LADDER.into_iter().filter(|kind| *kind >= best) {
        let (done, ended) = mpsc::channel::<()>();
        let running = thread::spawn(move || {
            let _done = done;
            driver::run(kind, async move {
                assert_eq!(driver::current(), Some(kind));
                case().await;
            })
            .expect("the driver starts");
        });
        let ended = ended.recv_timeout(PATIENCE);
        assert_ne!(ended, Err(mpsc::RecvTimeoutError::Timeout), "{kind} hangs; {reasons:?}");
        if let Err(panic) = running.join() {
            eprintln!("under {kind}:");
            resume_unwind(panic);
        }
    }
}

/// Runs a future under the best driver, on the current thread.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    driver::run(driver::probe(None).0, future).expect("the driver starts")
}

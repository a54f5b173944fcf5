//! The control-plane thread: names, and whatever else may wait; compute threads; signals. Never
//! blocks a worker, and the data path goes on without it. Knows no plan: work comes in as futures.

pub mod compute;
pub mod names;
pub mod signals;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

use names::Names;

/// Tasks that may wait for the thread to take them.
const COMMANDS_MAX: usize = 256;
/// How long the end of the thread is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
const BEAT: Duration = Duration::from_millis(500);
const RESTART_FIRST: Duration = Duration::from_millis(100);
const RESTART_LAST: Duration = Duration::from_secs(30);
/// A task that ran this long starts again without a pause.
const SETTLED: Duration = Duration::from_secs(60);

/// One run of a task.
pub type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What happens when a run ends or panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Nothing: the task is over.
    Never,
    /// It starts again, after a pause that doubles from 100 ms to 30 s while it keeps failing.
    Always,
}

/// Work for the control thread: it may await, it must not block.
pub struct Task {
    pub name: &'static str,
    pub restart: Restart,
    /// Makes one run.
    pub start: Arc<dyn Fn() -> Run + Send + Sync>,
}

/// The queue of tasks is full, or the thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// How the thread starts.
#[derive(Default)]
pub struct Options {
    pub names: names::Options,
}

/// The thread. Dropping it ends it, or leaves it behind when a task blocks it.
pub struct Control {
    handle: Handle,
    stop: Arc<Notify>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// What other threads hold of it. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Task>,
    names: Arc<Names>,
    health: Arc<Health>,
}

struct Health {
    start: Instant,
    /// Milliseconds from `start` to the thread's last sign of life.
    last_beat_ms: AtomicU64,
    restarts: AtomicU64,
}

impl Control {
    /// Starts the thread with the resolution of names; the rest comes as tasks.
    pub fn start(options: Options) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (commands, mut arriving) = mpsc::channel::<Task>(COMMANDS_MAX);
        let health = Arc::new(Health {
            start: Instant::now(),
            last_beat_ms: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
        });
        let names = Names::new(options.names);
        let handle = Handle { commands, names: Arc::clone(&names), health: Arc::clone(&health) };
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let (ending, ended) = std::sync::mpsc::sync_channel(1);
        let thread =
            std::thread::Builder::new().name("ringway-control".to_owned()).spawn(move || {
                runtime.block_on(async move {
                let start: Arc<dyn Fn() -> Run + Send + Sync> = Arc::new(move || {
                    let names = Arc::clone(&names);
                    Box::pin(async move { names.run().await })
                });
                let task = Task { name: "names", restart: Restart::Always, start };
                tokio::spawn(supervise(task, Arc::clone(&health)));
                let mut beat = tokio::time::interval(BEAT);
                loop {
                    tokio::select! {
                        () = stopped.notified() => break,
                        _ = beat.tick() => health.beat(),
                        task = arriving.recv() => match task {
                            Some(task) => drop(tokio::spawn(supervise(task, Arc::clone(&health)))),
                            None => break,
                        },
                    }
                }
            });
                // Ends the tasks; one that blocks against the rules is left behind.
                runtime.shutdown_timeout(Duration::from_millis(100));
                // Nobody listens when the wait is over.
                let _ = ending.send(());
            })?;
        Ok(Self { handle, stop, ended, thread: Some(thread) })
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    pub fn names(&self) -> &Arc<Names> {
        &self.handle.names
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.notify_one();
        let is_stuck = self.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        if let Some(thread) = self.thread.take().filter(|_| !is_stuck) {
            // A panic of the thread has nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Handle {
    /// Gives the thread a task.
    pub fn spawn(&self, task: Task) -> Result<(), Busy> {
        self.commands.try_send(task).map_err(|_| Busy)
    }

    /// Gives the thread something to do once.
    pub fn once(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Busy> {
        let work = std::sync::Mutex::new(Some(Box::pin(work) as Run));
        let start: Arc<dyn Fn() -> Run + Send + Sync> = Arc::new(move || {
            let work = work.lock().ok().and_then(|mut work| work.take());
            work.unwrap_or_else(|| Box::pin(std::future::ready(())))
        });
        self.spawn(Task { name, restart: Restart::Never, start })
    }

    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// How long the thread has given no sign of life: up to about 500 ms when all is well.
    pub fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.health.last_beat_ms.load(Ordering::Relaxed));
        self.health.start.elapsed().saturating_sub(last)
    }

    /// Runs that ended or panicked and were started again.
    pub fn restarts(&self) -> u64 {
        self.health.restarts.load(Ordering::Relaxed)
    }
}

impl Health {
    fn beat(&self) {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_beat_ms.store(ms, Ordering::Relaxed);
    }
}

async fn supervise(task: Task, health: Arc<Health>) {
    let mut pause = RESTART_FIRST;
    loop {
        let began = Instant::now();
        let start = Arc::clone(&task.start);
        // A task of its own, so that a panic ends this run only.
        let ended = tokio::spawn(async move { start().await }).await;
        if task.restart == Restart::Never {
            if let Err(why) = ended {
                tracing::error!("[SERVICE: Control] {}: {why}", task.name);
            }
            return;
        }
        match ended {
            Ok(()) => tracing::warn!("[SERVICE: Control] {}: ended, starting again", task.name),
            Err(why) => tracing::error!("[SERVICE: Control] {}: {why}", task.name),
        }
        health.restarts.fetch_add(1, Ordering::Relaxed);
        if began.elapsed() > SETTLED {
            pause = RESTART_FIRST;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RESTART_LAST);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::channel;

    use super::*;

    fn control() -> Control {
        Control::start(Options::default()).expect("a thread starts")
    }

    #[test]
    fn a_task_that_panics_starts_again_and_others_go_on() {
        let control = control();
        let (tell, told) = channel();
        let runs = AtomicUsize::new(0);
        let start: Arc<dyn Fn() -> Run + Send + Sync> = Arc::new(move || {
            let (tell, run) = (tell.clone(), runs.fetch_add(1, Ordering::Relaxed));
            Box::pin(async move {
                assert!(run != 0, "the first run fails on purpose");
                tell.send(run).expect("the test listens");
                std::future::pending().await
            })
        });
        let task = Task { name: "test", restart: Restart::Always, start };
        control.handle().spawn(task).expect("there is room");
        assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(1));
        assert_eq!(control.handle().restarts(), 1);
        assert!(control.handle().silent_for() < Duration::from_secs(5));
    }

    #[test]
    fn work_is_done_once_and_the_queue_is_bounded() {
        let control = control();
        let handle = control.handle();
        let (tell, told) = channel();
        handle.once("one", async move { tell.send(7).expect("the test listens") }).expect("room");
        assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(7));
        assert!(told.recv_timeout(Duration::from_secs(10)).is_err(), "it is gone with its run");

        // Block the thread, against the rules, and fill the queue.
        let (release, released) = channel::<()>();
        let (begun, begin) = channel();
        let block = async move {
            begun.send(()).expect("the test listens");
            let _ = released.recv();
        };
        handle.once("block", block).expect("room");
        begin.recv_timeout(Duration::from_secs(10)).expect("it begins");
        let mut taken = 0;
        while handle.once("more", async {}).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, COMMANDS_MAX);
        drop(release);
        drop(control);
        assert_eq!(handle.once("late", async {}), Err(Busy));
    }
}

//! Processes: the binary under test, run to its end, and what the kernel says about a running one.

use super::wire::escaped;
use super::{PATIENCE, ms};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The path of the binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_ringway")
}

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    #[track_caller]
    pub fn code(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "the exit code of {self}");
        self
    }

    #[track_caller]
    pub fn failed(&self) -> &Self {
        let code = self.status.code();
        assert!(code.is_some_and(|code| code != 0), "it should fail in order: {self}");
        self
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "stderr does not say {text:?}: {self}");
        self
    }

    #[track_caller]
    pub fn prints(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "stdout does not print {text:?}: {self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr)
    }
}

/// A command without what the machine's own environment would change in the gateway.
pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let ours = ["KRAKEND_", "FC_", "RINGWAY_"].iter().any(|prefix| name.starts_with(prefix));
        if ours || name.to_ascii_lowercase().contains("proxy") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs the binary with these arguments to its end.
#[track_caller]
pub fn ringway(arguments: &[&str]) -> Finished {
    run_in(Path::new("."), arguments, &[])
}

#[track_caller]
pub fn run_in(directory: &Path, arguments: &[&str], environment: &[(String, String)]) -> Finished {
    let mut command = command(directory, arguments);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let (stdout, stderr) = (Log::of(child.stdout.take()), Log::of(child.stderr.take()));
    let Some(status) = wait(&mut child, PATIENCE) else {
        let _ = child.kill();
        panic!(
            "`ringway {}` does not end\n{}{}",
            arguments.join(" "),
            stdout.text(),
            stderr.text()
        );
    };
    Finished { status, stdout: stdout.whole(), stderr: stderr.whole() }
}

/// Gives the command a soft and hard limit.
pub fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, value: u64) {
    let set = move || {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: the call reads one structure that lives in this frame.
        match unsafe { libc::setrlimit(resource, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: one system call between fork and exec; nothing allocates or locks.
    unsafe { command.pre_exec(set) };
}

/// Waits for the end of a process.
pub fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(ms(2));
    }
}

/// What a process wrote to one of its streams.
#[derive(Clone)]
pub struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
}

impl Log {
    pub fn of(stream: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let Some(mut stream) = stream else { return };
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut chunk) {
                let mut bytes = sink.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.extend_from_slice(&chunk[..n]);
            }
        });
        Log { bytes, reader: Arc::new(Mutex::new(Some(thread))) }
    }

    /// So far.
    pub fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// To its end: for a process that is over.
    pub fn whole(&self) -> String {
        let thread = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        self.text()
    }

    pub fn shown(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        escaped(&bytes)
    }
}

/// A field of `/proc/PID/status` in KiB, such as `VmRSS` or `VmHWM`.
pub fn memory_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    let number: String = line.chars().filter(char::is_ascii_digit).collect();
    number.parse().unwrap_or(0)
}

/// How many descriptors a process has open.
pub fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// What they are, as the kernel calls them: for the message of a failure.
pub fn open_file_names(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let names = entries.map(|entry| std::fs::read_link(entry.path()).unwrap_or_default());
    names.map(|name| name.display().to_string()).collect()
}

/// Sends a signal to a process that this test started.
pub fn signal(pid: u32, signal: i32) {
    let pid = libc::pid_t::try_from(pid).expect("a process id");
    // SAFETY: `kill` takes two integers and touches no memory of ours; the process is a child that
    // nobody has waited for yet, so the id is still its own.
    let result = unsafe { libc::kill(pid, signal) };
    assert_eq!(result, 0, "signal {signal}: {}", std::io::Error::last_os_error());
}

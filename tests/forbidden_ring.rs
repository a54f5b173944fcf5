//! The ladder of drivers where the kernel says no: children of this test run under a seccomp filter
//! that answers io_uring's system calls with an error, as container runtimes do. Also what needs a
//! process of its own: the limit of descriptors, and a process that is stopped for a while.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ringway::net::driver::{self, DriverKind};
use ringway::net::timer::{sleep_until, timeout_at};
use ringway::net::{Block, clock, listener, spawn, wake, yield_now};

const CHILD: &str = "RINGWAY_TEST_CHILD";
/// Set when a worker could not run at all on what the probe has refused.
const PROBE_ONLY: &str = "RINGWAY_TEST_PROBE_ONLY";
const PATIENCE: Duration = Duration::from_secs(20);

/// io_uring_setup, io_uring_enter, io_uring_register.
const SETUP: u32 = 425;
const ENTER: u32 = 426;
const REGISTER: u32 = 427;

/// Answers the system calls `from..=to` with `errno` from now on, in this process and its children.
fn forbid(from: u32, to: u32, errno: i32) -> io::Result<()> {
    let step = |code: u32, jump_true: u8, jump_false: u8, value: u32| libc::sock_filter {
        code: code as u16,
        jt: jump_true,
        jf: jump_false,
        k: value,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    let more_than = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let mut filter = [
        step(load, 0, 0, 0), // the system call's number is the first word
        step(at_least, 0, 2, from),
        step(more_than, 1, 0, to),
        step(answer, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: `program` describes `filter`, which lives until the kernel has copied it.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// This test binary again, running only the test `child` in the given role.
fn again(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test has a file"));
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(CHILD, role);
    command
}

fn under_filter(from: u32, to: u32, errno: i32) -> Output {
    let mut command = again("ladder");
    if from != SETUP {
        command.env(PROBE_ONLY, "1");
    }
    // SAFETY: the filter is installed by two system calls; nothing is allocated or locked.
    unsafe { command.pre_exec(move || forbid(from, to, errno)) };
    command.output().expect("the child starts")
}

fn lines<'a>(output: &'a Output, prefix: &str) -> Vec<&'a str> {
    let text = std::str::from_utf8(&output.stdout).expect("text");
    text.lines().filter_map(|line| line.split_once(prefix).map(|(_, rest)| rest)).collect()
}

/// The role that `child` was started in does its work here; without one there is nothing to do.
#[test]
fn child() {
    match std::env::var(CHILD).as_deref() {
        Ok("ladder") => ladder(),
        Ok("descriptors") => descriptors(),
        Ok("stopped") => stopped(),
        _ => {}
    }
}

/// Reports what the probe says, then works under each kind: those that are forbidden must fall.
fn ladder() {
    let (kind, reasons) = driver::probe(Some("io_uring"));
    println!("probe: {kind}");
    for reason in reasons {
        println!("reason: {reason}");
    }
    for kind in DriverKind::LADDER.into_iter().filter(|_| std::env::var_os(PROBE_ONLY).is_none()) {
        driver::run(kind, async {
            println!("ran: {}", driver::current().expect("inside"));
            echo_once().await;
        })
        .expect("something works");
    }
}

async fn echo_once() {
    let bound = listener::bind(Some([127, 0, 0, 1].into()), 0, 8).expect("a free port");
    let address = bound.local_addr().expect("TCP");
    let listener = bound.adopt().expect("adopted");
    let mut peer = TcpStream::connect(address).expect("it listens");
    let (mut stream, _) = listener.accept().await.expect("connected");
    peer.write_all(b"ping").expect("sent");
    let block = stream.recv.recv().await.expect("bytes");
    stream.send.send(block).await.0.expect("sent");
    let mut got = [0; 4];
    peer.read_exact(&mut got).expect("bytes");
    assert_eq!(&got, b"ping");
    let (sender, receiver) = wake::oneshot();
    let other = std::thread::spawn(move || sender.send(1));
    assert_eq!(receiver.await, Some(1));
    assert_eq!(other.join().expect("no panic"), Ok(()));
    sleep_until(clock::now() + Duration::from_millis(5)).await;
}

#[test]
fn forbidden_rings_fall_to_epoll_and_say_why() {
    for (case, from, to, errno, falls) in [
        ("ENOSYS", SETUP, REGISTER, libc::ENOSYS, 1),
        ("EPERM", SETUP, REGISTER, libc::EPERM, 1),
        ("ENOMEM", SETUP, SETUP, libc::ENOMEM, 1),
        ("EINVAL", SETUP, SETUP, libc::EINVAL, 4),
        ("only register is forbidden", REGISTER, REGISTER, libc::EPERM, 1),
        ("only enter is forbidden", ENTER, ENTER, libc::EPERM, 1),
    ] {
        let output = under_filter(from, to, errno);
        let show = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(lines(&output, "probe: "), ["epoll"], "{case}\n{show}\n{errors}");
        let reasons = lines(&output, "reason: ");
        assert_eq!(reasons.len(), falls, "{case}: {reasons:?}");
        assert!(reasons.iter().all(|reason| reason.contains("falling back to")), "{reasons:?}");
        if from == SETUP {
            // Even a worker that is told to use a ring goes on without.
            assert!(output.status.success(), "{case}\n{show}\n{errors}");
            assert_eq!(lines(&output, "ran: "), ["epoll"; 5], "{case}");
        }
    }
}

#[test]
fn wishes() {
    assert_eq!(driver::probe(Some("epoll")), (DriverKind::Epoll, Vec::new()));
    let (kind, reasons) = driver::probe(Some("kqueue"));
    assert_eq!(kind, driver::probe(None).0);
    assert!(reasons[0].contains("kqueue") && reasons[0].contains("io_uring"), "{reasons:?}");
}

/// Out of descriptors: the error is told apart, and after a while accepting goes on.
fn descriptors() {
    for kind in [driver::probe(None).0, DriverKind::Epoll] {
        driver::run(kind, async {
            let bound = listener::bind(Some([127, 0, 0, 1].into()), 0, 8).expect("a free port");
            let address = bound.local_addr().expect("TCP");
            let listener = bound.adopt().expect("adopted");
            yield_now().await;
            let _peer = TcpStream::connect(address).expect("it listens");
            let mut hoard = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                hoard.push(file);
            }
            let error = listener.accept().await.err().expect("no descriptor is left");
            assert!(listener::is_out_of_fds(&error), "{error}");
            drop(hoard);
            listener.accept().await.expect("the connection is still there");
        })
        .expect("the driver starts");
        println!("passed: {kind}");
    }
}

#[test]
fn running_out_of_descriptors_loses_no_connection() {
    let mut command = again("descriptors");
    // SAFETY: one system call.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0 {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        });
    }
    let output = command.output().expect("the child starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(lines(&output, "passed: ").len(), 2, "{errors}");
}

/// Answers on a port while thousands of timers run; the parent stops the process for a while.
fn stopped() {
    let (kind, _) = driver::probe(std::env::var("RINGWAY_DRIVER").ok().as_deref());
    driver::run(kind, async {
        for n in 0..2000 {
            spawn(async move {
                loop {
                    sleep_until(clock::now() + Duration::from_millis(20 + n % 50)).await;
                }
            });
        }
        let bound = listener::bind(Some([127, 0, 0, 1].into()), 0, 8).expect("a free port");
        println!("port: {}", bound.port().expect("TCP"));
        let listener = bound.adopt().expect("adopted");
        let (mut stream, _) = listener.accept().await.expect("connected");
        loop {
            // Shorter than the stop: what came meanwhile counts, not the time that passed.
            let deadline = clock::now() + Duration::from_millis(200);
            match timeout_at(deadline, stream.recv.recv()).await {
                Ok(Ok(block)) if block.is_empty() => break,
                Ok(block) => {
                    let answer = Block::copy_of(&block.expect("bytes"));
                    stream.send.send(answer).await.0.expect("sent");
                }
                Err(_) => {
                    // A read that was given up: the connection is not used again.
                    println!("too late");
                    break;
                }
            }
        }
        std::process::exit(0);
    })
    .expect("the driver starts");
}

/// Until all threads of the process are in this state (proc_pid_stat(5)).
fn wait_for_state(pid: libc::pid_t, state: char) {
    let end = Instant::now() + PATIENCE;
    let is_there = || {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("our child runs");
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(state))
        })
    };
    while !is_there() {
        assert!(Instant::now() < end, "not in state {state}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_stopped_process_goes_on_where_it_was() {
    for wish in ["io_uring", "monoio", "epoll"] {
        let mut running = again("stopped")
            .env("RINGWAY_DRIVER", wish)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let mut output = io::BufReader::new(running.stdout.take().expect("piped"));
        let mut line = String::new();
        let port: u16 = loop {
            line.clear();
            assert_ne!(io::BufRead::read_line(&mut output, &mut line).expect("text"), 0);
            if let Some((_, port)) = line.trim().split_once("port: ") {
                break port.parse().expect("a number");
            }
        };
        let mut peer = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        peer.set_read_timeout(Some(PATIENCE)).expect("a valid time");
        let mut got = [0; 1];
        for n in 0..3 {
            let pid = running.id() as libc::pid_t;
            // It waits for its peer when it is stopped: a deadline that it had just made would be
            // over before its first look at the socket.
            wait_for_state(pid, 'S');
            // SAFETY: a signal to our own child.
            assert_eq!(unsafe { libc::kill(pid, libc::SIGSTOP) }, 0);
            wait_for_state(pid, 'T');
            peer.write_all(&[n]).expect("sent");
            std::thread::sleep(Duration::from_millis(400));
            // SAFETY: as above.
            assert_eq!(unsafe { libc::kill(pid, libc::SIGCONT) }, 0);
            peer.read_exact(&mut got).unwrap_or_else(|error| panic!("{wish}, stop {n}: {error}"));
            assert_eq!(got, [n], "{wish}");
        }
        drop(peer);
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("text");
        assert!(running.wait().expect("our child").success(), "{wish}: {rest}");
    }
}

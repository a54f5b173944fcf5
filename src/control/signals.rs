//! Signals as messages: SIGTERM and SIGINT ask to stop, SIGHUP asks for a reload. A thread waits for
//! them behind a self-pipe; the server consumes the channel.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// What the process is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT. A second one may mean: at once.
    Stop,
    /// SIGHUP.
    Reload,
}

/// Keeps the handlers in place; dropping it takes them away.
pub struct Signals {
    ids: Vec<SigId>,
}

impl Signals {
    /// Takes the signals over. The sender lets other code (the admin socket, a watched file) ask for
    /// the same things.
    pub fn start() -> std::io::Result<(Self, Sender<Signal>, Receiver<Signal>)> {
        let (mut wakened, wake) = UnixStream::pair()?;
        let (sender, receiver) = channel();
        let mut signals = Self { ids: Vec::new() };
        let mut flags = Vec::new();
        for (number, meaning) in
            [(SIGTERM, Signal::Stop), (SIGINT, Signal::Stop), (SIGHUP, Signal::Reload)]
        {
            let came = Arc::new(AtomicBool::new(false));
            // The flag first: handlers run in the order of registration, so it is up when the
            // byte arrives.
            signals.ids.push(flag::register(number, Arc::clone(&came))?);
            signals.ids.push(low_level::pipe::register(number, wake.try_clone()?)?);
            flags.push((came, meaning));
        }
        drop(wake);
        let own = sender.clone();
        std::thread::Builder::new().name("ringway-signal".to_owned()).spawn(move || {
            // Ends when the handlers are gone, and their ends of the pipe with them.
            while wakened.read(&mut [0; 64]).is_ok_and(|n| n > 0) {
                for (came, meaning) in &flags {
                    if came.swap(false, Ordering::Relaxed) && own.send(*meaning).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok((signals, sender, receiver))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn signals_arrive_as_messages() {
        let (signals, sender, receiver) = Signals::start().expect("handlers can be set");
        let next = || receiver.recv_timeout(Duration::from_secs(10));
        low_level::raise(SIGHUP).expect("a signal can be raised");
        assert_eq!(next(), Ok(Signal::Reload));
        low_level::raise(SIGTERM).expect("a signal can be raised");
        assert_eq!(next(), Ok(Signal::Stop));
        low_level::raise(SIGINT).expect("a signal can be raised");
        assert_eq!(next(), Ok(Signal::Stop));
        sender.send(Signal::Reload).expect("the channel is open");
        assert_eq!(next(), Ok(Signal::Reload));
        drop((signals, sender));
        // The thread has let go of its end too.
        assert!(next().is_err());
    }
}

//! A raw client connection: writes the bytes that a test gives it, reads strictly.

use super::PATIENCE;
use super::response::Response;
use super::wire::{Broken, Incoming, escaped};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

pub struct Connection {
    incoming: Incoming<TcpStream>,
}

impl Connection {
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read deadline");
        stream.set_write_timeout(Some(PATIENCE)).expect("a write deadline");
        Connection { incoming: Incoming::new(stream) }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.incoming.stream
    }

    /// How long a read may wait.
    pub fn patience(&mut self, patience: Duration) -> &mut Self {
        self.stream().set_read_timeout(Some(patience)).expect("a read deadline");
        self
    }

    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        if let Err(error) = self.incoming.stream.write_all(bytes.as_ref()) {
            panic!("writing {}: {error}", escaped(bytes.as_ref()));
        }
        self
    }

    /// Writes what the peer still takes: it may have answered and closed.
    pub fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.incoming.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Writes a request and reads its response.
    #[track_caller]
    pub fn send(&mut self, request: impl AsRef<[u8]>) -> Response {
        let request = request.as_ref();
        let method = request.split(|byte| *byte == b' ').next().unwrap_or_default();
        let method = String::from_utf8_lossy(method).into_owned();
        self.write(request);
        self.response(&method)
    }

    /// Reads the response to a request with this method.
    #[track_caller]
    pub fn response(&mut self, method: &str) -> Response {
        match self.try_response(method) {
            Ok(response) => response,
            Err(broken) => {
                panic!("no response: {broken:?}; what came: {}", escaped(self.incoming.ahead()))
            }
        }
    }

    pub fn try_response(&mut self, method: &str) -> Result<Response, Broken> {
        Response::read(&mut self.incoming, method)
    }

    /// Reads a response whose body is too large to hold.
    #[track_caller]
    pub fn response_into(&mut self, method: &str, sink: &mut dyn FnMut(&[u8])) -> Response {
        Response::read_into(&mut self.incoming, method, sink)
            .unwrap_or_else(|broken| panic!("no response: {broken:?}"))
    }

    /// The next head on the connection, 1xx too, as text.
    #[track_caller]
    pub fn raw_head(&mut self) -> String {
        let head = self.incoming.head().unwrap_or_else(|broken| panic!("no head: {broken:?}"));
        super::wire::latin1(&head)
    }

    /// FIN: no more requests, but answers are still read.
    pub fn finish(&mut self) -> &mut Self {
        self.stream().shutdown(Shutdown::Write).expect("a half close");
        self
    }

    /// RST: the connection is gone at once.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(self.stream());
        socket.set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    }

    /// The peer closes in order, and nothing came in between.
    #[track_caller]
    pub fn closed(&mut self) {
        let found = self.incoming.fill();
        assert!(
            found == Ok(0) && self.incoming.ahead().is_empty(),
            "expected an orderly close: {found:?}, {}",
            escaped(self.incoming.ahead())
        );
    }

    /// The peer ends the connection, by FIN or RST, and sends nothing more.
    #[track_caller]
    pub fn gone(&mut self) {
        let found = self.incoming.fill();
        assert!(
            matches!(found, Ok(0) | Err(Broken::Reset)) && self.incoming.ahead().is_empty(),
            "expected the end of the connection: {found:?}, {}",
            escaped(self.incoming.ahead())
        );
    }

    /// Everything until the peer ends the connection.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        loop {
            match self.incoming.fill() {
                Ok(0) | Err(Broken::Reset) => return self.incoming.ahead().to_vec(),
                Ok(_) => {}
                Err(broken) => panic!(
                    "the connection does not end: {broken:?}, {}",
                    escaped(self.incoming.ahead())
                ),
            }
        }
    }

    /// What comes within this time.
    pub fn within(&mut self, time: Duration) -> Vec<u8> {
        self.patience(time);
        while matches!(self.incoming.fill(), Ok(n) if n > 0) {}
        self.patience(PATIENCE);
        self.incoming.ahead().to_vec()
    }

    /// Nothing comes for so long, and the connection stays open.
    #[track_caller]
    pub fn quiet_for(&mut self, time: Duration) {
        self.patience(time);
        let found = self.incoming.fill();
        self.patience(PATIENCE);
        assert!(
            found == Err(Broken::TimedOut),
            "expected silence for {time:?}: {found:?}, {}",
            escaped(self.incoming.ahead())
        );
    }
}

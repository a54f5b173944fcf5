//! TLS to backends: rustls over our streams. A configuration is built off the loop, once for each
//! set of client options; `connect_tls` makes the handshake and gives a stream like any other.
//! Which versions, curves and suites KrakenD's keys mean: docs/reference/lura-core.md 1.9.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::block::Block;
use super::clock::{self, Tick};
use super::stream::Stream;
use super::timer::timeout_at;

pub mod config;
pub mod fuzz;
pub(super) mod session;
mod verify;

pub use config::{
    ClientCertificate, TlsClientConfig, TlsClientOptions, TlsConfigError, TlsVersion,
};
use session::Session;

/// Longest handshake, whatever the caller's deadline (docs/reference/hardening.md section 1).
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Makes the TLS handshake on a fresh connection. `server_name` is a DNS name or an IP address: what
/// the certificate must be for, and the SNI (names only). Fails with `TimedOut` at the deadline or
/// after 10 s, `InvalidData` for what TLS itself refuses (see `is_certificate_error`), `UnexpectedEof`
/// when the peer leaves. The connection is then gone.
pub async fn connect_tls(
    stream: Stream,
    config: &TlsClientConfig,
    server_name: &str,
    deadline: Tick,
) -> io::Result<Stream> {
    let name = ServerName::try_from(server_name)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a name that TLS can check"))?
        .to_owned();
    let connection = rustls::ClientConnection::new(config.rustls(), name).map_err(refused)?;
    handshake(stream, Session::new(connection.into()), deadline).await
}

/// Takes a client's TLS connection.
pub async fn accept_tls(
    stream: Stream,
    config: Arc<rustls::ServerConfig>,
    deadline: Tick,
) -> io::Result<Stream> {
    let connection = rustls::ServerConnection::new(config).map_err(refused)?;
    handshake(stream, Session::new(connection.into()), deadline).await
}

async fn handshake(mut stream: Stream, session: Session, deadline: Tick) -> io::Result<Stream> {
    let until = deadline.min(clock::now() + HANDSHAKE_MAX);
    let turns = async {
        loop {
            let mut flight = Block::medium();
            session.take_sealed(&mut flight)?;
            if !flight.is_empty() {
                stream.send.send_raw(flight).await.0?;
            }
            if !session.is_handshaking() {
                return io::Result::Ok(());
            }
            let sealed = stream.recv.recv().await?;
            if sealed.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            session.accept(sealed);
            session.feed(&stream.recv.socket)?;
        }
    };
    timeout_at(until, turns).await.unwrap_or_else(|elapsed| Err(elapsed.into()))?;
    Ok(stream.with_session(session))
}

/// Whether a handshake failed since the peer's certificate is not to be trusted (unknown issuer,
/// wrong name, expired, ...), as its text says.
pub fn is_certificate_error(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some_and(|inner| matches!(inner, rustls::Error::InvalidCertificate(_)))
}

/// Why a handshake failed, as far as operators do different things about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFault {
    /// The certificate's time is over, or has not come.
    Expired,
    /// The certificate is for other names.
    WrongName,
    /// The certificate's issuer is unknown, or it must not be used so.
    Untrusted,
    /// Both sides speak no common version or suite.
    Version,
    /// It took too long.
    Late,
    /// Anything else: no TLS at all, an alert, a connection that was closed.
    Other,
}

/// Tells the errors of `connect_tls` apart.
pub fn fault(error: &io::Error) -> HandshakeFault {
    use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
    if error.kind() == io::ErrorKind::TimedOut {
        return HandshakeFault::Late;
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(bad)) => match bad {
            Bad::Expired
            | Bad::ExpiredContext { .. }
            | Bad::NotValidYet
            | Bad::NotValidYetContext { .. } => HandshakeFault::Expired,
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => HandshakeFault::WrongName,
            _ => HandshakeFault::Untrusted,
        },
        Some(
            Error::PeerIncompatible(_)
            | Error::AlertReceived(Alert::ProtocolVersion | Alert::HandshakeFailure),
        ) => HandshakeFault::Version,
        _ => HandshakeFault::Other,
    }
}

/// Whether the peer answered with an alert (such as: it wants a client certificate).
pub fn is_alert(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some_and(|inner| matches!(inner, rustls::Error::AlertReceived(_)))
}

pub(super) fn refused(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;

//! Making a connection: name, addresses of both families, TCP options, TLS.
//! Source: docs/reference/lura-core.md 1.3 (`dialer_*`), 4.2; RFC 8305.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::error::CallError;
use super::pool::Origin;
use crate::net::clock::{self, Tick};
use crate::net::tls::HandshakeFault;
use crate::net::{Endpoint, Stream, timer, tls};

/// The TLS handshake's own deadline, as in Go's transport of KrakenD.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Without `dialer_timeout` the caller's deadline is nearer; this only bounds a lost caller.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(120);

/// Connects to an origin: TCP and, for `https`, TLS.
pub async fn connect(origin: &Origin) -> Result<Stream, CallError> {
    let deadline = clock::now() + origin.transport.connect_timeout.unwrap_or(CONNECT_TIMEOUT_MAX);
    let stream = match timer::timeout_at(deadline, tcp(origin, deadline)).await {
        Ok(result) => result?,
        Err(_) => return Err(CallError::ConnectTimeout),
    };
    if !origin.key.is_tls {
        return Ok(stream);
    }
    let Some(config) = &origin.tls else { return Err(CallError::Tls(HandshakeFault::Other)) };
    let deadline = clock::now() + HANDSHAKE_TIMEOUT;
    match tls::connect_tls(stream, config, &origin.key.host, deadline).await {
        Ok(stream) => Ok(stream),
        Err(error) => Err(CallError::Tls(tls::fault(&error))),
    }
}

async fn tcp(origin: &Origin, deadline: Tick) -> Result<Stream, CallError> {
    // Known already, save for the first calls after a start.
    poll_fn(|cx| origin.name.wait(cx)).await;
    let addresses = origin.name.addresses();
    if addresses.is_empty() {
        return Err(CallError::NameNotFound);
    }
    let is_v6 = |address: &&IpAddr| address.is_ipv6();
    let first_family = addresses[0].is_ipv6();
    let primary: Vec<IpAddr> =
        addresses.iter().filter(|a| is_v6(a) == first_family).copied().collect();
    let other: Vec<IpAddr> =
        addresses.iter().filter(|a| is_v6(a) != first_family).copied().collect();
    let port = origin.key.port;
    let keep_alive = origin.transport.tcp_keep_alive;
    let Some(delay) = origin.transport.fallback_delay.filter(|_| !other.is_empty()) else {
        let all: Vec<IpAddr> = primary.into_iter().chain(other).collect();
        return one_after_another(&all, port, keep_alive, deadline).await;
    };
    // Both families race, the second with a handicap; the first to connect wins.
    let mut first = pin!(one_after_another(&primary, port, keep_alive, deadline));
    let mut second = pin!(async {
        timer::sleep_until(clock::now() + delay).await;
        one_after_another(&other, port, keep_alive, deadline).await
    });
    let mut failed: [Option<CallError>; 2] = [None, None];
    poll_fn(|cx| {
        if failed[0].is_none()
            && let Poll::Ready(result) = first.as_mut().poll(cx)
        {
            match result {
                Ok(stream) => return Poll::Ready(Ok(stream)),
                Err(error) => failed[0] = Some(error),
            }
        }
        if failed[1].is_none()
            && let Poll::Ready(result) = second.as_mut().poll(cx)
        {
            match result {
                Ok(stream) => return Poll::Ready(Ok(stream)),
                Err(error) => failed[1] = Some(error),
            }
        }
        match failed {
            [Some(error), Some(_)] => Poll::Ready(Err(error)),
            _ => Poll::Pending,
        }
    })
    .await
}

async fn one_after_another(
    addresses: &[IpAddr],
    port: u16,
    keep_alive: Option<Duration>,
    deadline: Tick,
) -> Result<Stream, CallError> {
    let mut last = CallError::NameNotFound;
    for address in addresses {
        match Stream::connect(&Endpoint::Tcp(SocketAddr::new(*address, port)), deadline).await {
            Ok(stream) => {
                stream.set_keep_alive(keep_alive);
                return Ok(stream);
            }
            Err(error) => last = from_io(&error),
        }
    }
    Err(last)
}

fn from_io(error: &std::io::Error) -> CallError {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => CallError::ConnectRefused,
        std::io::ErrorKind::TimedOut => CallError::ConnectTimeout,
        _ => CallError::ConnectFailed(error.raw_os_error().unwrap_or(0)),
    }
}

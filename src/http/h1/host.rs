//! Which authority a request is for: exactly one, well-formed, and the same wherever it is named
//! (RFC 9112 section 3.2; docs/reference/hardening.md A16).

use super::error::HeadError;
use super::fields::Fields;
use crate::http::uri::authority::{default_port, is_authority, same_authority};
use crate::http::uri::target::Target;
use crate::http::{HeaderId, Span, Version};

/// The authority that counts: that of an absolute target, else the Host. `None` only in HTTP/1.0.
pub(super) fn authority(
    target: &Target,
    version: Version,
    fields: &Fields,
    buf: &[u8],
) -> Result<Option<Span>, HeadError> {
    let mut hosts = fields.iter().filter(|field| field.id == HeaderId::Host);
    let host = hosts.next().map(|field| field.value_span());
    if hosts.next().is_some() {
        return Err(HeadError::HostRepeated);
    }
    if host.is_none() && version == Version::H11 {
        return Err(HeadError::HostMissing);
    }
    if host.is_some_and(|host| !is_authority(host.of(buf))) {
        return Err(HeadError::Host);
    }
    let Some(named) = target.authority else { return Ok(host) };
    if !is_authority(named.of(buf)) {
        return Err(HeadError::Host);
    }
    let port = default_port(target.scheme);
    if host.is_some_and(|host| !same_authority(host.of(buf), named.of(buf), port)) {
        return Err(HeadError::HostMismatch);
    }
    Ok(Some(named))
}

//! Trailer fields after the last chunk (RFC 9112 section 7.1.2): all are validated, few are kept.
//! A trailer never becomes a header, so framing, routing and credentials cannot be smuggled in
//! (docs/reference/hardening.md A12).

use super::chunked::ChunkError;
use super::encode::is_value;
use crate::http::tokens::{is_token, trim};
use crate::http::{HeaderId, HeaderSet};

/// All trailer lines together in bytes.
const BYTES_MAX: usize = 8 * 1024;
const FIELDS_MAX: u8 = 32;

/// What is passed on: the status of gRPC and digests of the content.
const ALLOWED: HeaderSet = HeaderSet::of(&[
    HeaderId::GrpcStatus,
    HeaderId::GrpcMessage,
    HeaderId::ContentDigest,
    HeaderId::ContentMd5,
    HeaderId::Digest,
    HeaderId::ReprDigest,
]);

/// The trailers of one message that may be passed on.
#[derive(Clone, Copy, Debug)]
pub struct Trailers<'a> {
    text: &'a [u8],
}

impl<'a> Trailers<'a> {
    /// Ids and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (HeaderId, &'a [u8])> + use<'a> {
        self.text.split(|byte| *byte == b'\n').filter_map(|line| {
            let (name, value) = split(line)?;
            Some((HeaderId::of(name), value))
        })
    }

    pub fn find(&self, id: HeaderId) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == id).map(|(_, value)| value)
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Collects trailer lines byte by byte.
#[derive(Clone, Debug, Default)]
pub(super) struct TrailersReader {
    /// Kept lines, each ended by LF, then the line that is read.
    text: Vec<u8>,
    /// Where that line begins.
    line_at: usize,
    n_bytes: usize,
    n_fields: u8,
    cr_seen: bool,
}

impl TrailersReader {
    pub fn clear(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        *self = TrailersReader { text, ..TrailersReader::default() };
    }

    /// Takes the next byte; `true` when the empty line is complete.
    pub fn byte(&mut self, byte: u8) -> Result<bool, ChunkError> {
        self.n_bytes += 1;
        match byte {
            b'\n' if !self.cr_seen => Err(ChunkError::LineEnd),
            _ if self.cr_seen && byte != b'\n' => Err(ChunkError::LineEnd),
            b'\r' => {
                self.cr_seen = true;
                Ok(false)
            }
            b'\n' if self.text.len() == self.line_at => Ok(true),
            b'\n' => {
                self.line()?;
                Ok(false)
            }
            // An empty section (CRLF alone) costs nothing; a field is stored while it is read.
            _ if self.n_bytes > BYTES_MAX => Err(ChunkError::TrailersTooLarge),
            _ => {
                self.text.push(byte);
                Ok(false)
            }
        }
    }

    pub fn kept(&self) -> Trailers<'_> {
        Trailers { text: self.text.get(..self.line_at).unwrap_or_default() }
    }

    fn line(&mut self) -> Result<(), ChunkError> {
        self.cr_seen = false;
        self.n_fields += 1;
        if self.n_fields > FIELDS_MAX {
            return Err(ChunkError::TrailersTooLarge);
        }
        let line = self.text.get(self.line_at..).unwrap_or_default();
        let (name, value) = split(line).ok_or(ChunkError::Trailer)?;
        if !is_token(name) || !is_value(value) {
            return Err(ChunkError::Trailer);
        }
        if ALLOWED.contains(HeaderId::of(name)) {
            self.text.push(b'\n');
            self.line_at = self.text.len();
        } else {
            self.text.truncate(self.line_at);
        }
        Ok(())
    }
}

/// Splits at the first colon. A folded line has a space in its name and so is refused.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    Some((name, trim(value.get(1..)?)))
}

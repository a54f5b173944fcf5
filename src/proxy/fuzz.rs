//! Entry points for fuzzing of what backends send: gzip content and the place of a redirect.

use std::io::Read;

use super::gunzip::{Bounds, Gunzip};
use super::location;
use crate::http::fuzz::{about, seen};
use crate::plan::OriginKey;
use crate::upstream::CallError;

/// gzip content: however it is cut, the same bytes or the same error come out, within the bounds, and
/// another reader of the format agrees about whole streams.
pub fn fuzz_gunzip(input: &[u8]) -> u64 {
    let bounds = Bounds { max: 64 * 1024, ratio: 100, free: 1 << 20 };
    let whole = gunzipped(input, input.len(), bounds);
    for size in [1, 7] {
        match (&whole, &gunzipped(input, size, bounds)) {
            // What a cut stream still holds back depends on where it is cut; the start does not.
            (Ok((one, false)), Ok((other, false))) => {
                assert!(one.starts_with(other) || other.starts_with(one), "cut into {size}");
            }
            (Ok(one), Ok(other)) => assert_eq!(one, other, "cut into {size}"),
            (Err(one), Err(other)) => assert_eq!(one, other, "cut into {size}"),
            (one, other) => panic!("{one:?}, but cut into {size}: {other:?}"),
        }
    }
    let mut other = Vec::new();
    let reader = flate2::bufread::MultiGzDecoder::new(input);
    let read = reader.take(bounds.max as u64 + 1).read_to_end(&mut other);
    match (&whole, read) {
        (Ok((out, true)), Ok(_)) => assert_eq!(*out, other),
        (Ok((_, true)), Err(error)) => panic!("accepted, but: {error}"),
        // The other reader takes what follows the last member for rubbish and ignores it.
        (Ok((_, false)) | Err(_), _) => {}
    }
    let size = whole.as_ref().map_or(0, |(out, _)| about(out.len()));
    seen((whole.map(|(_, complete)| complete), size))
}

fn gunzipped(input: &[u8], size: usize, bounds: Bounds) -> Result<(Vec<u8>, bool), CallError> {
    let (mut gunzip, mut out) = (Gunzip::new(), Vec::new());
    for piece in input.chunks(size.max(1)) {
        let mut used = 0;
        while used < piece.len() {
            let before = out.len();
            used += gunzip.step(&piece[used..], &mut out, 4096, bounds)?;
            assert!(out.len() - before <= 4096, "the limit of one step");
        }
    }
    Ok((out, gunzip.is_complete()))
}

/// A `Location`: where it leads is a path of an origin, with nothing in it that ends a request line
/// or climbs, and a client that asked for that place would be led there again.
pub fn fuzz_location(input: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(input) else { return 0 };
    let base = OriginKey { is_tls: false, host: "base".into(), port: 8080 };
    let Some(target) = location::resolve(&base, "/a/b?q=1", text) else { return 1 };
    let path = &target.path;
    assert!(path.starts_with('/'), "{path}");
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{path}");
    let before_query = path.split('?').next().unwrap_or_default();
    assert!(before_query.split('/').all(|part| part != "." && part != ".."), "{path}");
    assert!(!target.origin.host.is_empty() && target.origin.port > 0);
    assert!(target.origin.host.bytes().all(|byte| byte.is_ascii_graphic()), "{target:?}");
    let absolute = format!("{}://{}{path}", target.origin.scheme(), target.origin.authority());
    assert_eq!(location::resolve(&base, "/", &absolute).as_ref(), Some(&target), "{absolute}");
    let same = target.origin == base;
    seen((same, target.origin.is_tls, path.contains('?'), before_query.matches('/').count().min(4)))
}

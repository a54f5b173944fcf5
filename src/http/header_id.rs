//! The header fields that the gateway itself reads, writes or is configured with, as one byte each.
//! A name becomes an id once, when the head is read; everything after compares ids.

use super::tokens::is_token_byte;

/// Declares the enum and its names from one list, so that they cannot drift apart.
macro_rules! header_ids {
    ($($id:ident = $name:literal,)*) => {
        /// A known field name. `Other` is any name without an id: its text is in the head.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum HeaderId {
            $($id,)*
            #[default]
            Other,
        }

        const NAMES: &[&str] = &[$($name,)*];
        const IDS: &[HeaderId] = &[$(HeaderId::$id,)*];
    };
}

// Names in Go's canonical form, since that is what KrakenD's configurations and logs show.
header_ids! {
    Accept="Accept", AcceptCharset="Accept-Charset", AcceptEncoding="Accept-Encoding",
    AcceptLanguage="Accept-Language", AcceptRanges="Accept-Ranges",
    AccessControlAllowCredentials="Access-Control-Allow-Credentials",
    AccessControlAllowHeaders="Access-Control-Allow-Headers",
    AccessControlAllowMethods="Access-Control-Allow-Methods",
    AccessControlAllowOrigin="Access-Control-Allow-Origin",
    AccessControlAllowPrivateNetwork="Access-Control-Allow-Private-Network",
    AccessControlExposeHeaders="Access-Control-Expose-Headers",
    AccessControlMaxAge="Access-Control-Max-Age",
    AccessControlRequestHeaders="Access-Control-Request-Headers",
    AccessControlRequestMethod="Access-Control-Request-Method",
    AccessControlRequestPrivateNetwork="Access-Control-Request-Private-Network", Age="Age",
    Allow="Allow", Authorization="Authorization", B3="B3", Baggage="Baggage",
    CacheControl="Cache-Control", Connection="Connection", ContentDigest="Content-Digest",
    ContentDisposition="Content-Disposition", ContentEncoding="Content-Encoding",
    ContentLanguage="Content-Language", ContentLength="Content-Length",
    ContentLocation="Content-Location", ContentMd5="Content-Md5", ContentRange="Content-Range",
    ContentSecurityPolicy="Content-Security-Policy", ContentType="Content-Type", Cookie="Cookie",
    Date="Date", Digest="Digest", Etag="Etag", Expect="Expect", Expires="Expires",
    Forwarded="Forwarded", GrpcEncoding="Grpc-Encoding", GrpcMessage="Grpc-Message",
    GrpcStatus="Grpc-Status", GrpcTimeout="Grpc-Timeout", Host="Host",
    Http2Settings="Http2-Settings", IfMatch="If-Match", IfModifiedSince="If-Modified-Since",
    IfNoneMatch="If-None-Match", IfRange="If-Range", IfUnmodifiedSince="If-Unmodified-Since",
    KeepAlive="Keep-Alive", LastModified="Last-Modified", Link="Link", Location="Location",
    Origin="Origin", Pragma="Pragma", ProxyAuthenticate="Proxy-Authenticate",
    ProxyAuthorization="Proxy-Authorization", ProxyConnection="Proxy-Connection", Range="Range",
    Referer="Referer", ReferrerPolicy="Referrer-Policy", ReprDigest="Repr-Digest",
    RetryAfter="Retry-After", SecWebsocketAccept="Sec-Websocket-Accept",
    SecWebsocketExtensions="Sec-Websocket-Extensions", SecWebsocketKey="Sec-Websocket-Key",
    SecWebsocketProtocol="Sec-Websocket-Protocol", SecWebsocketVersion="Sec-Websocket-Version",
    Server="Server", SetCookie="Set-Cookie", StrictTransportSecurity="Strict-Transport-Security",
    Te="Te", Traceparent="Traceparent", Tracestate="Tracestate", Trailer="Trailer",
    TransferEncoding="Transfer-Encoding", Upgrade="Upgrade", UserAgent="User-Agent", Vary="Vary",
    Via="Via", Warning="Warning", WwwAuthenticate="Www-Authenticate", XApiKey="X-Api-Key",
    XContentTypeOptions="X-Content-Type-Options", XForwardedFor="X-Forwarded-For",
    XForwardedHost="X-Forwarded-Host", XForwardedPort="X-Forwarded-Port",
    XForwardedPrefix="X-Forwarded-Prefix", XForwardedProto="X-Forwarded-Proto",
    XForwardedVia="X-Forwarded-Via", XFrameOptions="X-Frame-Options", XKrakend="X-Krakend",
    XKrakendCompleted="X-Krakend-Completed", XRealIp="X-Real-Ip", XRequestId="X-Request-Id",
    XRequestedWith="X-Requested-With", XXssProtection="X-Xss-Protection",
}

// `HeaderSet` has 128 bits, and `Other` needs one of them.
const _: () = assert!(NAMES.len() < 128);

impl HeaderId {
    /// How many ids there are, `Other` not counted.
    pub const COUNT: usize = NAMES.len();

    /// All that have a name, in the order of their numbers.
    pub const ALL: &[HeaderId] = IDS;

    /// The id of a field name, whatever its case.
    #[inline]
    pub fn of(name: &[u8]) -> HeaderId {
        let mut at = FIRST[slot(name)];
        // A chain holds one name, rarely two: see `chains_are_short`.
        while let Some(known) = NAMES.get(usize::from(at)) {
            if same_name(known.as_bytes(), name) {
                return IDS[usize::from(at)];
            }
            at = NEXT[usize::from(at)];
        }
        HeaderId::Other
    }

    /// The id that a name has once its `_` are read as `-`, as CGI-like backends do: the alias under
    /// which `X_Forwarded_For` would pass a gateway (docs/reference/hardening.md C3). `None` for a
    /// name without `_` and for one that is no alias.
    pub fn aliased(name: &[u8]) -> Option<HeaderId> {
        let mut dashed = [0; ALIAS_MAX];
        let dashed = dashed.get_mut(..name.len())?;
        if !name.contains(&b'_') {
            return None;
        }
        for (dashed, byte) in dashed.iter_mut().zip(name) {
            *dashed = if *byte == b'_' { b'-' } else { *byte };
        }
        Some(HeaderId::of(dashed)).filter(|id| *id != HeaderId::Other)
    }

    /// The name in Go's canonical form (`Etag`, `Www-Authenticate`); empty for `Other`.
    #[inline]
    pub fn name(self) -> &'static str {
        NAMES.get(self as usize).copied().unwrap_or_default()
    }

    /// All ids in the order of the list, without `Other`.
    pub fn all() -> impl Iterator<Item = HeaderId> {
        IDS.iter().copied()
    }
}

/// `eq_ignore_ascii_case` for a known name, a word at a time: this runs for each field.
#[inline]
fn same_name(known: &[u8], name: &[u8]) -> bool {
    let len = known.len();
    if len != name.len() {
        return false;
    }
    if len < 8 {
        return same_short_name(known, name);
    }
    let mut at = 0;
    loop {
        let (Some(ours), Some(theirs)) = (word(known, at), word(name, at)) else { return false };
        if difference(ours, theirs) != 0 {
            return false;
        }
        if at == len - 8 {
            return true;
        }
        // The last word overlaps the one before, so that no rest is left.
        at = (at + 8).min(len - 8);
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<[u8; 8]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[inline]
fn same_short_name(known: &[u8], name: &[u8]) -> bool {
    if let (Some(a), Some(b), Some(c), Some(d)) =
        (known.first_chunk::<4>(), known.last_chunk::<4>(), name.first_chunk(), name.last_chunk())
    {
        return difference(two(a, b), two(c, d)) == 0;
    }
    known.eq_ignore_ascii_case(name)
}

/// Zero where eight bytes are the same but for the case of letters. Known names hold letters, digits
/// and `-`, of which letters alone have bit 6: only there may bit 5 differ.
#[inline]
fn difference(known: [u8; 8], name: [u8; 8]) -> u64 {
    const BIT_5: u64 = 0x2020_2020_2020_2020;
    let (known, name) = (u64::from_le_bytes(known), u64::from_le_bytes(name));
    let letters = (known >> 1) & BIT_5;
    (known ^ name) & !letters
}

#[inline]
fn two(first: &[u8; 4], last: &[u8; 4]) -> [u8; 8] {
    let [a, b, c, d] = *first;
    let [e, f, g, h] = *last;
    [a, b, c, d, e, f, g, h]
}

/// Longer than any known name.
const ALIAS_MAX: usize = 64;

/// Ends a chain.
const END: u8 = u8::MAX;

/// The multipliers were searched so that no chain of the list above is longer than two.
const fn slot(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    // Setting bit 5 makes letters lower case; what it does to other bytes only has to be the same
    // each time.
    let first = (name[0] | 0x20) as usize;
    let middle = (name[len / 2] | 0x20) as usize;
    let last = (name[len - 1] | 0x20) as usize;
    (first * 7 + middle * 21 + last * 5 + len * 5) & 255
}

const TABLES: ([u8; 256], [u8; NAMES.len()]) = {
    let mut first = [END; 256];
    let mut next = [END; NAMES.len()];
    let mut at = 0;
    while at < NAMES.len() {
        let slot = slot(NAMES[at].as_bytes());
        next[at] = first[slot];
        first[slot] = at as u8;
        at += 1;
    }
    (first, next)
};
static FIRST: [u8; 256] = TABLES.0;
static NEXT: [u8; NAMES.len()] = TABLES.1;

/// Appends a name as Go's `textproto.CanonicalMIMEHeaderKey` writes it: letters after the start and
/// after each `-` upper case, the others lower case. A name that is no token is appended as it is.
pub fn canonical_name(name: &[u8], out: &mut Vec<u8>) {
    if !name.iter().all(|byte| is_token_byte(*byte)) {
        out.extend_from_slice(name);
        return;
    }
    let mut upper = true;
    out.extend(name.iter().map(|byte| {
        let byte = if upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
        upper = byte == b'-';
        byte
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_id_in_any_case() {
        for id in HeaderId::all() {
            let name = id.name();
            assert_eq!(HeaderId::of(name.as_bytes()), id, "{name}");
            assert_eq!(HeaderId::of(name.to_ascii_lowercase().as_bytes()), id, "{name}");
            assert_eq!(HeaderId::of(name.to_ascii_uppercase().as_bytes()), id, "{name}");
            let mut canonical = Vec::new();
            canonical_name(name.to_ascii_uppercase().as_bytes(), &mut canonical);
            assert_eq!(canonical, name.as_bytes(), "the list holds canonical names");
        }
        assert_eq!(HeaderId::all().count(), HeaderId::COUNT);
    }

    #[test]
    fn unknown_names_are_other() {
        for name in
            ["", "X", "X-Other", "Hos", "Hostt", "Content-Lengt", "Content-Length ", "hOs\x74\0"]
        {
            assert_eq!(HeaderId::of(name.as_bytes()), HeaderId::Other, "{name:?}");
        }
        let long = [b"content-length0".as_slice(), &[b'a'; 255]].concat();
        assert_eq!(HeaderId::of(&long), HeaderId::Other);
        assert_eq!(HeaderId::Other.name(), "");
    }

    /// Each byte of each name, replaced by each other byte, is another name.
    #[test]
    fn only_the_case_of_letters_may_differ() {
        for id in HeaderId::all() {
            for at in 0..id.name().len() {
                for byte in 0..=255 {
                    let mut name = id.name().as_bytes().to_vec();
                    name[at] = byte;
                    let same = name.eq_ignore_ascii_case(id.name().as_bytes());
                    assert_eq!(HeaderId::of(&name) == id, same, "{id:?} {at} {byte}");
                }
            }
        }
    }

    #[test]
    fn aliases() {
        for (name, expected) in [
            ("X_Forwarded_For", Some(HeaderId::XForwardedFor)),
            ("x-forwarded_for", Some(HeaderId::XForwardedFor)),
            ("CONTENT_LENGTH", Some(HeaderId::ContentLength)),
            ("X-Forwarded-For", None),
            ("x_user_id", None),
            ("", None),
        ] {
            assert_eq!(HeaderId::aliased(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(HeaderId::aliased(&[b'_'; 65]), None);
        assert!(HeaderId::all().all(|id| id.name().len() < ALIAS_MAX));
    }

    #[test]
    fn chains_are_short() {
        for at in FIRST {
            let second = NEXT.get(usize::from(at)).copied().unwrap_or(END);
            let third = NEXT.get(usize::from(second)).copied().unwrap_or(END);
            assert_eq!(third, END, "{:?}", NAMES.get(usize::from(at)));
        }
    }

    #[test]
    fn canonical_names_are_those_of_go() {
        for (name, expected) in [
            ("content-type", "Content-Type"),
            ("X-KRAKEND", "X-Krakend"),
            ("ETag", "Etag"),
            ("WWW-Authenticate", "Www-Authenticate"),
            ("x-real-IP", "X-Real-Ip"),
            ("a--b-", "A--B-"),
            ("x_y-z", "X_y-Z"),
            ("with space", "with space"),
            ("caf\u{e9}", "caf\u{e9}"),
            ("", ""),
        ] {
            let mut out = Vec::new();
            canonical_name(name.as_bytes(), &mut out);
            assert_eq!(out, expected.as_bytes(), "{name}");
        }
    }
}

//! The families of request smuggling (docs/reference/hardening.md A1–A14, C1–C5): requests whose
//! framing, lines, targets or fields two hops have been known to read differently. Each hides a
//! second request where a reader that takes the other meaning would find one.

use crate::mutate::Random;

/// A family and its members: what is put into the request, and what follows its head.
struct Family {
    name: &'static str,
    members: Vec<Member>,
}

#[derive(Clone)]
struct Member {
    /// The request line.
    line: String,
    /// Lines behind `Host`, each with its end.
    lines: Vec<u8>,
    /// What follows the head.
    rest: Vec<u8>,
}

pub struct Families(Vec<Family>);

/// Hidden in contents: whoever reads it as a request has been fooled.
const HIDDEN: &str = "GET /p/hidden HTTP/1.1\r\nHost: gw\r\n\r\n";
const POST: &str = "POST /a HTTP/1.1";
const GET: &str = "GET /a HTTP/1.1";

impl Families {
    pub fn new() -> Families {
        Families(vec![
            lengths_and_codings(),
            lengths(),
            codings(),
            old_versions(),
            lines(),
            upgrades(),
            unread_bodies(),
            expectations(),
            chunks(),
            trailers(),
            nominations(),
            paths(),
            parameters(),
            fields(),
            good(),
        ])
    }

    /// Every member, as it is.
    pub fn plain(&self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        self.0
            .iter()
            .flat_map(|family| family.members.iter().map(|member| (family.name, member.bytes())))
    }

    /// Lines of two members in one request, or the rest of one behind the head of another.
    pub fn mixed(&self, random: &mut Random) -> (&'static str, Vec<u8>) {
        let (family, mut one) = self.any(random);
        let (_, two) = self.any(random);
        match random.below(5) {
            0 => one.lines.extend_from_slice(&two.lines),
            1 => one.lines = [two.lines, one.lines].concat(),
            2 => one.rest = two.rest,
            3 => one.line = two.line,
            _ => {
                // A control byte somewhere in the lines: names, values, line ends.
                let controls = b"\0\t\n\x0b\x0c\r \x1b\x7f\x80\xa0\xff";
                let byte = controls[random.below(controls.len())];
                let at = random.below(one.lines.len() + 1);
                one.lines.insert(at, byte);
            }
        }
        (family, one.bytes())
    }

    /// Two members on one connection, in one send.
    pub fn pair(&self, random: &mut Random) -> (&'static str, Vec<u8>) {
        let (_, good) = self.of_good(random);
        let (family, other) = self.any(random);
        let mut bytes = good.bytes();
        bytes.extend(other.bytes());
        bytes.extend(self.of_good(random).1.bytes());
        (family, bytes)
    }

    fn any(&self, random: &mut Random) -> (&'static str, Member) {
        let family = &self.0[random.below(self.0.len())];
        (family.name, family.members[random.below(family.members.len())].clone())
    }

    fn of_good(&self, random: &mut Random) -> (&'static str, Member) {
        let family = &self.0[self.0.len() - 1];
        (family.name, family.members[random.below(family.members.len())].clone())
    }
}

impl Member {
    fn bytes(&self) -> Vec<u8> {
        let head = format!("{}\r\nHost: gw\r\n", self.line);
        [head.as_bytes(), &self.lines, b"\r\n", &self.rest].concat()
    }
}

fn family(name: &'static str, members: impl IntoIterator<Item = Member>) -> Family {
    Family { name, members: members.into_iter().collect() }
}

fn member(line: &str, lines: impl AsRef<[u8]>, rest: impl AsRef<[u8]>) -> Member {
    Member { line: line.to_owned(), lines: lines.as_ref().to_vec(), rest: rest.as_ref().to_vec() }
}

fn lengths_and_codings() -> Family {
    let coding = "Transfer-Encoding: chunked\r\n";
    let rest = format!("0\r\n\r\n{HIDDEN}");
    let lengths =
        ["6", "0", "5", &rest.len().to_string()].map(|n| format!("Content-Length: {n}\r\n"));
    let both = lengths.iter().flat_map(|length| {
        [
            format!("{length}{coding}"),
            format!("{coding}{length}"),
            format!("{coding}X: y\r\n{length}"),
        ]
    });
    family("A1 both framings", both.map(|lines| member(POST, lines, &rest)).collect::<Vec<_>>())
}

fn lengths() -> Family {
    let values = [
        "5, 6",
        "5,5",
        "+5",
        "-1",
        "0x5",
        "5_0",
        "05",
        "5 5",
        "",
        "18446744073709551617",
        "5;",
        "\"5\"",
        "5.0",
        "5e0",
        "\t5",
        "5\x0b",
        "\u{a0}5",
        "00000000000000000005",
        "9223372036854775808",
    ];
    let mut members: Vec<_> = values
        .iter()
        .map(|value| member(POST, format!("Content-Length: {value}\r\n"), format!("hello{HIDDEN}")))
        .collect();
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length : 5\r\n",
        "Content_Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: 5\r\nX-Content-Length: 60\r\n",
    ] {
        members.push(member(POST, lines, format!("hello{HIDDEN}")));
    }
    // CVE-2021-40346: a name whose length overflowed hid the length behind it.
    let long = format!("content-length0{}: \r\nContent-Length: 60\r\n", "a".repeat(255));
    members.push(member(POST, long, HIDDEN));
    family("A2 lengths", members)
}

fn codings() -> Family {
    let mut members = Vec::new();
    let mut push = |line: Vec<u8>| {
        members.push(member(POST, [&line[..], b"\r\n"].concat(), format!("0\r\n\r\n{HIDDEN}")));
    };
    // Every control byte, and two that some take for space, at each edge of name and value.
    for byte in (0..=0x20).chain([0x7f, 0x85, 0xa0, 0xff]) {
        push([b"Transfer-Encoding", &[byte][..], b": chunked"].concat());
        push([b"Transfer-Encoding:", &[byte][..], b"chunked"].concat());
        push([b"Transfer-Encoding: chunked", &[byte][..]].concat());
        push([&[byte][..], b"Transfer-Encoding: chunked"].concat());
        push([b"Transfer-Encoding: chu", &[byte][..], b"nked"].concat());
    }
    for value in [
        "xchunked",
        "chunked, identity",
        "identity",
        "identity, chunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked, chunked",
        ",chunked",
        "gzip, chunked",
        "ch\u{212a}unked",
        "CHUNKED",
        "'chunked'",
    ] {
        push(format!("Transfer-Encoding: {value}").into_bytes());
    }
    push(b"Transfer-Encoding:\r\n chunked".to_vec());
    push(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_vec());
    push(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked".to_vec());
    push(b"X: y\nTransfer-Encoding: chunked".to_vec());
    push(b"X: y\rTransfer-Encoding: chunked".to_vec());
    family("A4 codings", members)
}

fn old_versions() -> Family {
    let lines = [
        "Transfer-Encoding: identity, chunked\r\nContent-Length: 29\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\n",
        "Connection: keep-alive\r\nContent-Length: 5\r\n",
        "Connection: keep-alive\r\n",
    ];
    let old =
        ["POST /a HTTP/1.0", "POST /a HTTP/1.2", "POST /a HTTP/0.9", "POST /a", "POST /a http/1.1"];
    let all = old.iter().flat_map(|line| lines.map(|lines| (line, lines)));
    family(
        "A5 versions",
        all.map(|(line, lines)| member(line, lines, format!("0\r\n\r\n{HIDDEN}"))),
    )
}

fn lines() -> Family {
    let lines: [&[u8]; 15] = [
        b": x\r\nContent-Length: 5\r\n",
        b"X : y\r\n",
        b" X: y\r\n",
        b"X: a\r b\r\n",
        b"X: a\0b\r\n",
        b"X: a\r\n b\r\n",
        b"X: a\r\n\tContent-Length: 60\r\n",
        b"X\r\n",
        b"X: a\n",
        b"X: a\n\nContent-Length: 60\r\n",
        b"X: a\r\r\n",
        b"X: a\r\n\rX: b\r\n",
        b"X(y): a\r\n",
        b"\xffX: a\r\n",
        b"X: caf\xc3\xa9 \xff\r\n",
    ];
    family("A3 A13 lines", lines.map(|lines| member(POST, lines, format!("hello{HIDDEN}"))))
}

fn upgrades() -> Family {
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\
                  Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let h2c =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n";
    family(
        "A6 upgrades",
        [
            member(GET, socket, HIDDEN),
            member(GET, h2c, HIDDEN),
            member(GET, "Upgrade: websocket\r\n", HIDDEN),
            member(POST, format!("{socket}Content-Length: 5\r\n"), format!("hello{HIDDEN}")),
            member(
                POST,
                format!("{h2c}Transfer-Encoding: chunked\r\n"),
                format!("0\r\n\r\n{HIDDEN}"),
            ),
        ],
    )
}

fn unread_bodies() -> Family {
    let length = format!("Content-Length: {}\r\n", HIDDEN.len());
    let targets = ["/none", "/a/", "/A", "/p/..", "/a?%zz", "/p/1%2f2", "/a#f", "/__health"];
    let of = |target: &str| {
        [
            member(&format!("POST {target} HTTP/1.1"), &length, format!("{HIDDEN}{HIDDEN}")),
            member(&format!("DELETE {target} HTTP/1.1"), &length, &HIDDEN[..20]),
            member(&format!("HEAD {target} HTTP/1.1"), &length, HIDDEN),
        ]
    };
    family("A7 unread bodies", targets.iter().flat_map(|target| of(target)))
}

fn expectations() -> Family {
    let lines = [
        "Expect: 100-continue\r\nContent-Length: 5\r\n",
        "Expect:\r\n 100-continue\r\nContent-Length: 5\r\n",
        "Expect: y 100-continue\r\nContent-Length: 5\r\n",
        "Expect: 100-continue\r\n",
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
        "Expect: 100-continue, 100-continue\r\nContent-Length: 5\r\n",
        "Expect: 100-Continue\r\nExpect: x\r\nContent-Length: 5\r\n",
    ];
    let methods = [POST, GET, "OPTIONS /a HTTP/1.1", "PUT /a HTTP/1.1"];
    let all = methods.iter().flat_map(|line| lines.map(|lines| (line, lines)));
    family(
        "A8 expectations",
        all.map(|(line, lines)| member(line, lines, format!("hello{HIDDEN}"))),
    )
}

fn chunks() -> Family {
    let bodies: [&[u8]; 32] = [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5;\nxx\r\nhello\r\n0\r\n\r\n",
        b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
        b"5;a=b;c=\"d;\\\"\"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5;\x00ext\r\nhello\r\n0\r\n\r\n",
        b"5;\r\nhello\r\n0\r\n\r\n",
        b"5 ; a\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"\t5\r\nhello\r\n0\r\n\r\n",
        b"0\n\n",
        b"0\r\n\n",
        b"0\n\r\n",
        b"0\r\r\n\r\n",
        b"FFFFFFFFFFFFFFFF1\r\nhello\r\n0\r\n\r\n",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        b"0000000000000005\r\nhello\r\n0\r\n\r\n",
        b"00000000000000005\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b"0_2e\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhel",
        b"5\r\nhello\r\n",
    ];
    let lines = "Transfer-Encoding: chunked\r\n";
    family(
        "A9 A10 chunks",
        bodies.map(|body| member(POST, lines, [body, HIDDEN.as_bytes()].concat())),
    )
}

fn trailers() -> Family {
    let trailers: [&[u8]; 9] = [
        b"Content-Length: 5\r\nAuthorization: Bearer x\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Host: other\r\nConnection: close\r\n",
        b"Digest: x\r\nX: y\r\n",
        b"X : y\r\n",
        b"X: a\r\n b\r\n",
        b"X: a\n",
        b"X\r\n",
        b"X: \0\r\n",
    ];
    let of =
        |trailers: &[u8]| [b"5\r\nhello\r\n0\r\n", trailers, b"\r\n", HIDDEN.as_bytes()].concat();
    family(
        "A12 trailers",
        trailers.map(|text| member(POST, "Transfer-Encoding: chunked\r\n", of(text))),
    )
}

fn nominations() -> Family {
    let lines = [
        "Connection: Transfer-Encoding, Content-Length, Host, Authorization, X-Forwarded-For\r\n\
         Transfer-Encoding: chunked\r\n",
        "Connection: close, Content-Length\r\nContent-Length: 5\r\n",
        "Connection: Expect\r\nExpect: 100-continue\r\nContent-Length: 5\r\n",
        "Connection: X-Forwarded-For, X-Real-IP, Authorization, X-User\r\nX-User: u\r\n",
        "Connection: keep-alive\r\nConnection: close\r\nContent-Length: 5\r\n",
        "Proxy-Connection: close\r\nKeep-Alive: timeout=1\r\nTE: trailers, chunked\r\n",
    ];
    family(
        "A14 C4 nominations",
        lines.map(|lines| member(POST, lines, format!("0\r\n\r\n{HIDDEN}"))),
    )
}

fn paths() -> Family {
    let targets = [
        "//a",
        "/./a",
        "/x/../a",
        "/%61",
        "/a%2f",
        "/x/..%2fa",
        "/%2e%2e/a",
        "/a;a=b",
        "/a%00",
        "/a/.",
        "\\a",
        "/A",
        "/a%c0%af",
        "/x/%252e%252e/a",
        "http://gw/a",
        "http://other/a",
        "http://gw@x/a",
        "*",
        "gw:80",
        "/a#b",
        "/a?x=1#b",
        "/a%",
        "/a?%",
        "/\u{e9}",
        "//gw/a",
        "/a?a=1;b=2&c",
    ];
    let of = |target: &&str| member(&format!("GET {target} HTTP/1.1"), "", HIDDEN);
    family("C1 A16 targets", targets.iter().map(of))
}

fn parameters() -> Family {
    let values = [
        "1%2f..%2fadmin",
        "1%3fx=y",
        "1%23",
        "..",
        "%2e%2e",
        "1%252f2",
        "",
        "%20",
        "a%0d%0aX:%20y",
        "%00",
        "..;",
        "..%5c",
        "a%5cb",
        "caf%C3%A9",
        "%ff",
        "[1]",
        "a b",
        "%5B1%5D%20",
        "100%25",
        "1&x=2",
        "%7B%7B.Id%7D%7D",
        "(a)'b'*",
    ];
    let of = |value: &&str| member(&format!("POST /p/{value}?q={value} HTTP/1.1"), "", HIDDEN);
    family("C2 parameters", values.iter().map(of))
}

fn fields() -> Family {
    let lines = [
        "X_Forwarded_For: 127.0.0.1\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8\r\n",
        "x_user_id: admin\r\nX-User-Id: me\r\n",
        "Content_Length: 60\r\nTransfer_Encoding: chunked\r\n",
        "X-Forwarded-Host: other\r\nX-Forwarded-Prefix: //evil\r\nForwarded: for=1.2.3.4\r\n",
        "Host: other\r\n",
        "Authorization: a\r\nAuthorization: b\r\nCookie: a=b\r\nCookie: c=d\r\n",
        "User-Agent: \r\nAccept-Encoding: gzip, x;q=0\r\nRange: bytes=0-0\r\n",
        "X-Http-Method-Override: DELETE\r\nMax-Forwards: 0\r\nVia: 1.1 gw\r\n",
    ];
    family("C3 C5 fields", lines.map(|lines| member(GET, lines, HIDDEN)))
}

/// What both must take; also what stands around others on one connection.
fn good() -> Family {
    family(
        "good",
        [
            member(GET, "", ""),
            member("GET /p/1?x=y HTTP/1.1", "X-Own: a\r\n", ""),
            member(POST, "Content-Length: 5\r\n", "hello"),
            member(POST, "Content-Length: 0\r\n", ""),
            member(POST, "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n"),
            member("PUT /a HTTP/1.1", format!("Content-Length: {}\r\n", HIDDEN.len()), HIDDEN),
            member(
                "POST /p/a%20b HTTP/1.1",
                "Transfer-Encoding: chunked\r\n",
                "0\r\nDigest: x\r\n\r\n",
            ),
        ],
    )
}

//! The other direction: a backend that lies, behind two gateways. What the second reader takes for a
//! response arrives as that response; everything else never looks like a whole good answer, and its
//! surplus never becomes the answer of another request (docs/reference/hardening.md A15).

use std::sync::{Arc, Mutex, PoisonError};

use crate::chain::passing_on;
use crate::mutate::{Mutator, Random};
use crate::strict::{self, Content, Framing, Start, Why};
use crate::support::backend::Plan;
use crate::support::{Step, backend_with, escaped};
use crate::words::{CHUNKS, HTTP};

/// Generated responses of a short run, besides the plain ones.
const N: usize = 200;

/// What the gateways wait for a backend whose lie is that more would come.
const PATIENCE: &str = "300ms";

/// Plain responses, and the families of broken ones.
const PLAIN: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 1\r\n\r\na",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    b"HTTP/1.1 204 No\r\nContent-Length: 6\r\n\r\npoison",
    b"HTTP/1.1 304 Not\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\npoison",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
    b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\npoison",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
];

pub fn a_lying_backend_fools_neither_gateway() {
    let next = Arc::new(Mutex::new(Vec::new()));
    let lies = Arc::clone(&next);
    let backend = backend_with(move |request| {
        let bytes = match request.target.strip_prefix("/canary/") {
            Some(name) => {
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()).into()
            }
            None => lies.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        let mut steps = vec![Step::Send(bytes.clone())];
        // What is whole, or bad, leaves the connection open: that is for the gateway to end.
        let ends = match final_response(&bytes) {
            Ok((_, framing, _)) => framing == Framing::UntilClose,
            Err(why) => why == Why::More,
        };
        steps.extend(ends.then_some(Step::Close));
        Plan { before_body: Vec::new(), answer: Box::new(move |_| steps) }
    });
    let second = passing_on(&backend.host(), PATIENCE).start();
    let first = passing_on(&format!("http://{}", second.address), PATIENCE).start();
    let mut canary = first.connect();
    let mut random = Random::new(crate::number("FUZZ_SEED").unwrap_or(0x9e37_79b9_7f4a_7c15));
    let pool = PLAIN.iter().map(|bytes| bytes.to_vec()).collect();
    let mut mutator = Mutator::new(pool, &[HTTP, CHUNKS], 2048);
    let until = crate::deadline();
    let mut n_whole = 0;
    for at in 0.. {
        let bytes = match PLAIN.get(at) {
            Some(bytes) => bytes.to_vec(),
            None if until.map_or(at >= PLAIN.len() + N, |end| std::time::Instant::now() >= end) => {
                break;
            }
            None => mutator.next(&mut random).to_vec(),
        };
        next.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bytes);
        let mut connection = first.connect();
        connection.write("GET /p/lie HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n");
        let answer = connection.rest();
        let shown =
            || format!("backend: b\"{}\"\nclient: {}", bytes.escape_ascii(), escaped(&answer));
        match final_response(&answer) {
            // A refusal, or an answer that visibly breaks off.
            Ok((500.., ..)) | Err(Why::More) => {}
            Err(why) => panic!("the answer is {why:?}\n{}", shown()),
            Ok((status, _, content)) => match final_response(&bytes) {
                Err(why) => panic!("{why:?}, but a good answer\n{}", shown()),
                Ok((sent, _, sent_content)) => {
                    let same = (status, &content.bytes) == (sent, &sent_content.bytes);
                    assert!(same, "another answer\n{}", shown());
                    n_whole += 1;
                }
            },
        }
        let request = format!("GET /canary/{at} HTTP/1.1\r\nHost: gw\r\n\r\n");
        let found = canary.send(request);
        assert!(
            found.code == 200 && found.bytes == at.to_string().as_bytes(),
            "{}\n{found}",
            shown()
        );
    }
    assert!(n_whole > 20, "{n_whole} responses came through");
}

/// Status, framing and content of the first response that is no interim one.
fn final_response(mut bytes: &[u8]) -> Result<(u16, Framing, Content), Why> {
    loop {
        let head = strict::response(bytes, "GET")?;
        let Start::Response { status, .. } = head.start else { return Err(Why::Malformed("")) };
        bytes = &bytes[head.head_len..];
        match status {
            101 => return Err(Why::Malformed("an upgrade that nobody asked for")),
            100..200 => {}
            _ => return Ok((status, head.framing, strict::body(head.framing, bytes)?)),
        }
    }
}

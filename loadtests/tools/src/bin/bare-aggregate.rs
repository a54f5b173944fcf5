//! The least that an aggregation does: so many requests to the backend at once, each answer read to
//! the end of its object, and all of them under keys of their own in one object.
//! Arguments: port, core, backend, number of backends.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use loadtest_tools::arguments::argument;
use loadtest_tools::{Pool, READ, Upstream, accept, receive, run};
use monoio::io::AsyncWriteRentExt;
use monoio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many bytes as the gateway's own.
const FIELDS: &[u8] = b" HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nUser-Agent: Bare 00 0.1.0\r\n\
    X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: 127.0.0.1:8080\r\nAccept-Encoding: gzip\r\n\r\n";
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\
    X-Krakend: Bare 00 0.1.0\r\nX-Krakend-Completed: true\r\n\
    Date: Mon, 23 Nov 2026 03:00:00 GMT\r\nContent-Length: ";

fn main() -> io::Result<()> {
    let (port, core) = (argument(1, "port")?, argument(2, "core")?);
    let pool = Rc::new(Pool::new(argument(3, "backend")?));
    let n: u8 = argument(4, "number of backends")?;
    run(core, accept(port, move |stream| serve(stream, pool.clone(), n)))?
}

async fn serve(mut client: TcpStream, pool: Rc<Pool>, n: u8) -> io::Result<()> {
    let mut input = Vec::with_capacity(READ);
    let mut output = Vec::with_capacity(READ);
    let mut body = Vec::with_capacity(READ);
    loop {
        input = receive(&mut client, input).await?;
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut fields);
        request.parse(&input).map_err(io::Error::other)?;
        let answers = all((0..n).map(|at| call(&pool, at)).collect()).await?;
        body.clear();
        for ((upstream, head), name) in answers.iter().zip(b'a'..) {
            body.extend_from_slice(if body.is_empty() { b"{\"" } else { b",\"" });
            body.push(name);
            body.extend_from_slice(b"\":");
            body.extend_from_slice(object(&upstream.input[*head..]));
        }
        body.push(b'}');
        answers.into_iter().for_each(|(upstream, _)| pool.give(upstream));
        output.clear();
        output.extend_from_slice(HEAD);
        output.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        output.extend_from_slice(b"\r\n\r\n");
        output.extend_from_slice(&body);
        let (sent, back) = client.write_all(output).await;
        output = back;
        sent?;
    }
}

async fn call(pool: &Pool, at: u8) -> io::Result<(Upstream, usize)> {
    let mut upstream = pool.take().await?;
    upstream.output.clear();
    upstream.output.extend_from_slice(b"GET /b");
    upstream.output.push(b'0' + at);
    upstream.output.extend_from_slice(FIELDS);
    match upstream.exchange().await? {
        (head, 0) => Ok((upstream, head)),
        _ => Err(io::Error::other("a response of more than one read")),
    }
}

/// Runs all futures at once; their outputs in order, or the first error.
async fn all<T>(futures: Vec<impl Future<Output = io::Result<T>>>) -> io::Result<Vec<T>> {
    let mut running: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut is_pending = false;
        for (future, done) in running.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(cx)? {
                    Poll::Ready(output) => *done = Some(output),
                    Poll::Pending => is_pending = true,
                }
            }
        }
        if is_pending { Poll::Pending } else { Poll::Ready(io::Result::Ok(())) }
    })
    .await?;
    Ok(done.into_iter().flatten().collect())
}

/// The object that begins the bytes, to the brace that ends it.
fn object(bytes: &[u8]) -> &[u8] {
    let (mut at, mut depth) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return &bytes[..at],
            b'}' => depth -= 1,
            b'"' => {
                while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
                    let is_end = bytes[at + found] == b'"';
                    at = bytes.len().min(at + found + if is_end { 1 } else { 2 });
                    if is_end {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    b"null"
}

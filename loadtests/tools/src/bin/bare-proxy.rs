//! The least that a reverse proxy does: reads a head, sends it on with the fields that the gateway
//! adds, and sends the answer back with those that the gateway adds. Arguments: port, core, backend.

use std::io;
use std::rc::Rc;

use loadtest_tools::arguments::argument;
use loadtest_tools::{Pool, READ, accept, receive, run};
use monoio::io::AsyncWriteRentExt;
use monoio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many bytes as the gateway's own.
const TO_BACKEND: &[u8] = b"User-Agent: Bare 00 0.1.0\r\nX-Forwarded-For: 127.0.0.1\r\n\
    X-Forwarded-Host: 127.0.0.1:8080\r\nAccept-Encoding: gzip\r\n\r\n";
const TO_CLIENT: &[u8] = b"X-Krakend: Bare 00 0.1.0\r\nX-Krakend-Completed: false\r\n";

fn main() -> io::Result<()> {
    let (port, core) = (argument(1, "port")?, argument(2, "core")?);
    let pool = Rc::new(Pool::new(argument(3, "backend")?));
    run(core, accept(port, move |stream| serve(stream, pool.clone())))?
}

async fn serve(mut client: TcpStream, pool: Rc<Pool>) -> io::Result<()> {
    let mut input = Vec::with_capacity(READ);
    let mut output = Vec::with_capacity(2048);
    loop {
        input = receive(&mut client, input).await?;
        let mut upstream = pool.take().await?;
        forward(&input, &mut upstream.output)?;
        let (head, missing) = upstream.exchange().await?;
        answer(&upstream.input, head, &mut output)?;
        if missing == 0 {
            pool.give(upstream);
            output = written(&mut client, output).await?;
        } else {
            output = written(&mut client, output).await?;
            upstream.pass(missing, &mut client).await?;
            pool.give(upstream);
        }
    }
}

async fn written(client: &mut TcpStream, output: Vec<u8>) -> io::Result<Vec<u8>> {
    let (sent, output) = client.write_all(output).await;
    sent.map(|_| output)
}

fn forward(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(input);
    let (Ok(httparse::Status::Complete(_)), Some(method), Some(path)) =
        (parsed, request.method, request.path)
    else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    out.clear();
    for part in [method.as_bytes(), b" ", path.as_bytes(), b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
    for field in request.headers.iter() {
        if field.name.eq_ignore_ascii_case("host") {
            put(field, out);
        }
    }
    out.extend_from_slice(TO_BACKEND);
    Ok(())
}

fn answer(input: &[u8], head: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(input).map_err(io::Error::other)?;
    out.clear();
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    out.extend_from_slice(TO_CLIENT);
    for field in response.headers.iter() {
        put(field, out);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&input[head..]);
    Ok(())
}

fn put(field: &httparse::Header<'_>, out: &mut Vec<u8>) {
    for part in [field.name.as_bytes(), b": ", field.value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

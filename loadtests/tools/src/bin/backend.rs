//! The backend of the load tests: the same 119 bytes of JSON for every request, cheaper than any
//! gateway in front of it. Arguments: port, core.

use std::io;

use loadtest_tools::{READ, accept, argument, receive, run};
use monoio::io::AsyncWriteRentExt;
use monoio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY: &str = r#"{"id":123,"name":"hello world","tags":["a","b","c"],"nested":{"x":1.5,"y":null,"z":true},"email":"someone@example.com"}"#;

fn main() -> io::Result<()> {
    let (port, core) = (argument(1, "port")?, argument(2, "core")?);
    run(core, accept(port, serve))?
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Date: Mon, 23 Nov 2026 03:00:00 GMT\r\nServer: backend\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut input = Vec::with_capacity(READ);
    let mut output = Vec::with_capacity(2048);
    loop {
        input = receive(&mut stream, input).await?;
        output.clear();
        // Requests without content only: each blank line ends one.
        for _ in memchr::memmem::find_iter(&input, b"\r\n\r\n") {
            output.extend_from_slice(answer.as_bytes());
        }
        let (sent, back) = stream.write_all(output).await;
        output = back;
        sent?;
    }
}

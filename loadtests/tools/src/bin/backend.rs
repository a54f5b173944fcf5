//! The backend of the load tests: 119 bytes of JSON, or what the path asks for, cheaper than any
//! gateway in front of it. Arguments: port, core.

use std::io;

use loadtest_tools::answers::{Answer, Answers, PIECE, STREAMED};
use loadtest_tools::arguments::argument;
use loadtest_tools::{READ, accept, receive, run};
use monoio::io::AsyncWriteRentExt;
use monoio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Longer answers are written from where they stand.
const COPIED_MAX: usize = 2048;

fn main() -> io::Result<()> {
    let (port, core) = (argument(1, "port")?, argument(2, "core")?);
    let answers = Answers::new();
    run(core, accept(port, move |stream| serve(stream, answers)))?
}

async fn serve(mut stream: TcpStream, answers: Answers) -> io::Result<()> {
    let mut input = Vec::with_capacity(READ);
    let mut output = Vec::with_capacity(COPIED_MAX);
    loop {
        input = receive(&mut stream, input).await?;
        output.clear();
        let mut at = 0;
        // Requests without content only: each blank line ends one.
        while let Some(end) = memchr::memmem::find(&input[at..], b"\r\n\r\n") {
            let answer = answers.of(&input[at..at + end]);
            at += end + 4;
            match answer {
                Answer::Whole(bytes) if bytes.len() <= COPIED_MAX => {
                    output.extend_from_slice(bytes);
                    continue;
                }
                _ if output.is_empty() => {}
                _ => output = written(&mut stream, output).await?,
            }
            match answer {
                Answer::Whole(bytes) => {
                    stream.write_all(bytes).await.0?;
                }
                Answer::Streamed { head, piece } => {
                    stream.write_all(head).await.0?;
                    for _ in 0..STREAMED / PIECE {
                        stream.write_all(piece).await.0?;
                    }
                }
            }
        }
        if !output.is_empty() {
            output = written(&mut stream, output).await?;
        }
    }
}

async fn written(stream: &mut TcpStream, output: Vec<u8>) -> io::Result<Vec<u8>> {
    let (sent, mut output) = stream.write_all(output).await;
    sent?;
    output.clear();
    Ok(output)
}

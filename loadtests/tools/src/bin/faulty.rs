//! The backend that is slow or wrong, as the path asks: `/afterN` answers after N milliseconds,
//! `/hang` never, `/reset` resets, `/cut` ends in the middle, `/garbage` speaks no HTTP, `/sink` takes a
//! body first. Arguments: port, core.

use std::io;
use std::time::Duration;

use loadtest_tools::answers::{Answer, Answers};
use loadtest_tools::arguments::argument;
use loadtest_tools::{READ, accept, receive, run_with_timers};
use monoio::io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt};
use monoio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    let (port, core) = (argument(1, "port")?, argument(2, "core")?);
    let answers = Answers::new();
    run_with_timers(core, accept(port, move |stream| serve(stream, answers)))?
}

async fn serve(mut stream: TcpStream, answers: Answers) -> io::Result<()> {
    let Answer::Whole(small) = answers.of(b"") else { return Ok(()) };
    // The first bytes alone: a connection that is closed with bytes unread is reset by the kernel.
    let (received, first) = stream.read(vec![0; b"GET /reset".len()]).await;
    received?;
    if first == b"GET /reset" {
        return Ok(());
    }
    let mut input = receive(&mut stream, Vec::with_capacity(READ)).await?;
    input.splice(0..0, first);
    loop {
        let target = input.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let target = String::from_utf8_lossy(target).into_owned();
        if let Some(pause) = target.strip_prefix("/after").and_then(|text| text.parse().ok()) {
            monoio::time::sleep(Duration::from_millis(pause)).await;
        }
        match target.as_str() {
            "/hang" => return hang(stream).await,
            "/cut" => {
                let half = small.len() - 60;
                stream.write_all(&small[..half]).await.0?;
                return stream.shutdown().await;
            }
            "/garbage" => {
                stream.write_all(&b"\x16\x03\x01 no HTTP at all\r\n\r\n"[..]).await.0?;
            }
            "/sink" => {
                take_body(&mut stream, &input).await?;
                stream.write_all(small).await.0?;
            }
            _ => {
                stream.write_all(small).await.0?;
            }
        }
        input = receive(&mut stream, input).await?;
    }
}

async fn hang(mut stream: TcpStream) -> io::Result<()> {
    loop {
        let (received, _) = stream.read(vec![0; 512]).await;
        if received? == 0 {
            return Ok(());
        }
    }
}

/// Takes a body by its length, or by chunks whose last one ends a read.
async fn take_body(stream: &mut TcpStream, first: &[u8]) -> io::Result<()> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(head)) = request.parse(first) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let length =
        request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok());
    // Chunks have no length beforehand.
    let mut left = length.unwrap_or(usize::MAX).saturating_sub(first.len() - head);
    let mut is_last = length.is_none() && first.ends_with(b"0\r\n\r\n");
    while left > 0 && !is_last {
        let (received, bytes) = stream.read(vec![0; READ]).await;
        match received? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                left = left.saturating_sub(n);
                is_last = length.is_none() && bytes[..n].ends_with(b"0\r\n\r\n");
            }
        }
    }
    Ok(())
}

//! The little of HTTP that a probe needs: one GET, one status line.

use supervisor_api::manifest::HttpTarget;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::start_error::reason;
use crate::text::printable;

/// More of an answer than this is not read.
const MAX_ANSWER: u64 = 4 * 1024;

/// Asks once. `Ok` for a status from 200 to 399.
///
/// # Errors
///
/// What came instead, in a few words.
pub(crate) async fn get(target: &HttpTarget) -> Result<(), String> {
    let failed = |error: std::io::Error| reason(&error);
    let mut stream = TcpStream::connect(&target.authority).await.map_err(failed)?;
    let HttpTarget { authority, path } = target;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: supervisor\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    let mut bounded = stream.take(MAX_ANSWER);
    while !answer.contains(&b'\n') {
        if bounded.read_buf(&mut answer).await.map_err(failed)? == 0 {
            break;
        }
    }
    judge(&answer)
}

/// Reads the status line at the beginning of `answer`.
fn judge(answer: &[u8]) -> Result<(), String> {
    let line = answer.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err("the connection was closed without an answer".into());
    }
    let status = [&b"HTTP/1.0 "[..], b"HTTP/1.1 "].iter().find_map(|start| line.strip_prefix(*start));
    match status.and_then(|rest| rest.get(..3)) {
        Some([b'2' | b'3', b'0'..=b'9', b'0'..=b'9']) => Ok(()),
        Some([b'1' | b'4' | b'5', b'0'..=b'9', b'0'..=b'9']) => {
            Err(format!("status {}", printable(status.unwrap_or_default(), 80).0))
        }
        _ => Err(format!("not an answer in HTTP/1: {:?}", printable(line, 80).0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_from_200_to_399_is_good_and_nothing_else() {
        for good in ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 204\n", "HTTP/1.1 399 x"] {
            assert_eq!(judge(good.as_bytes()), Ok(()), "{good:?}");
        }
        for (bad, reason) in [
            ("", "closed without an answer"),
            ("HTTP/1.1 503 Service Unavailable\r\n", "status 503 Service Unavailable"),
            ("HTTP/1.1 400 Bad Request", "status 400"),
            ("HTTP/1.1 101 Switching", "status 101"),
            ("HTTP/1.1 600 x", "not an answer"),
            ("HTTP/1.1 2x0 OK", "not an answer"),
            ("HTTP/2 200", "not an answer"),
            ("SSH-2.0-x\r\n", "not an answer in HTTP/1: \"SSH-2.0-x\""),
        ] {
            let error = judge(bad.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{bad:?}: {error}");
        }
    }
}

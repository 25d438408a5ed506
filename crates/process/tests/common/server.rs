//! A small web server.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Gives every request the next of these answers, the last one for ever, and tells what it was asked.
pub(crate) async fn serve(answers: Vec<String>) -> (String, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/up", listener.local_addr().unwrap());
    let (asked, questions) = unbounded_channel();
    tokio::spawn(async move {
        for turn in 0.. {
            let mut stream = listener.accept().await.unwrap().0;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            // Nobody may be left to hear of it, on either side.
            let _ = asked.send(String::from_utf8(request).unwrap());
            let _ = stream.write_all(answers[turn.min(answers.len() - 1)].as_bytes()).await;
        }
    });
    (url, questions)
}

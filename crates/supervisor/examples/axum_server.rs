//! A real web server as a child: it is ready when it listens, and stops gracefully, requests included.
//!
//! Run it with `cargo run -p tokio-supervisor --example axum_server`. It asks itself and ends.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_supervisor::{ChildContext, ChildSpec, Supervisor, SupervisorSpec};

/// Listens, serves until asked to stop, then finishes the requests that are under way.
async fn serve(ctx: ChildContext) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    ctx.phase(listener.local_addr()?.to_string());
    ctx.ready();
    let app = Router::new().route("/", get(|| async { "hello\n" })).route("/slow", get(slow));
    let stopping = ctx.clone();
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            stopping.stopping().await;
        })
        .await
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(300)).await;
    "finished in spite of the shutdown\n"
}

async fn ask(server: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").map_or(answer.as_str(), |(_, body)| body);
    Ok(body.trim().to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let web =
        ChildSpec::service("web", serve).ready_within(Duration::from_secs(5)).grace(Duration::from_secs(5));
    let handle = Supervisor::start(SupervisorSpec::root([web])).await?;
    let server: SocketAddr = handle.child("web")?.phase.ok_or("it said where it listens")?.parse()?;
    println!("listening on {server}");
    println!("GET /      -> {}", ask(server, "/").await?);

    let asked = tokio::spawn(async move { ask(server, "/slow").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let report = handle.shutdown("axum_server", "the example is over").await?;
    println!("GET /slow  -> {}", asked.await??);
    println!("{report}; the web server ended: {}", handle.exits("web")?[0].exit);
    Ok(())
}

//! Which answers of a web server an `http` probe takes, and what it says of the others.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::time::Duration;

use common::{Bench, LONG, end, sh};
use server::serve;
use supervisor_api::Exit;
use supervisor_process::{Http, Probe, Readiness};

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

/// What is said of all answers but the last one, which is good.
async fn heard(answers: Vec<String>, probe: impl FnOnce(Http) -> Http) -> Vec<String> {
    let (url, _questions) = serve(answers).await;
    let bench = Bench::new();
    let probe = Probe::http(probe(Http::get(&url)));
    let often = Readiness::probe(probe).every(Duration::from_millis(5)).within(LONG);
    let run = bench.start(sh("exec sleep 60").readiness(often));
    let seen = bench.until("ready", |seen| seen.ready).await;
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
    let begin = format!("not ready: http {url}: ");
    let mut phases = seen.phases;
    assert!(matches!(phases.pop().as_deref(), None | Some("")), "ready shows nothing");
    phases.into_iter().map(|phase| phase.strip_prefix(&begin).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_status_is_one_of_those_that_are_expected() {
    let answers = || vec![answer("503 x", "", ""), answer("204 x", "", ""), answer("200 OK", "", "")];
    let one = heard(answers(), |http| http.status(200..=200)).await;
    assert_eq!(one, ["expected 200, got 503 Service Unavailable", "expected 200, got 204 No Content"]);
    let many = heard(answers(), |http| http.status(200..=200).status(204..=299)).await;
    assert_eq!(many, ["expected 200 or 204-299, got 503 Service Unavailable"]);
    assert_eq!(heard(answers(), |http| http.status(500..=599)).await, [""; 0]);
}

#[tokio::test]
async fn the_answer_has_the_header_that_is_expected() {
    let hot = || answer("200 OK", "x-state: no\r\nx-state: hot\r\n", "");
    let none = vec![answer("200 OK", "", ""), hot()];
    let said = heard(none, |http| http.response_header_is("X-State", "hot")).await;
    assert_eq!(said, ["expected the header X-State, got none of that name"]);
    let warm = vec![answer("200 OK", "X-State: warm\r\n", ""), hot()];
    let other = heard(warm.clone(), |http| http.response_header_is("x-state", "hot")).await;
    assert_eq!(other, ["expected the header x-state: hot, got x-state: warm"]);
    assert_eq!(heard(warm, |http| http.response_header("x-state")).await, [""; 0], "any value will do");
}

#[tokio::test]
async fn the_body_contains_the_text_that_is_expected_however_it_is_cut() {
    let chunks =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nall is\r\n5\r\n well\r\n0\r\n\r\n";
    let long = answer("200 OK", "", &("x".repeat(70_000) + "is well"));
    let until_closed = "HTTP/1.0 200 OK\r\n\r\nnothing is good".to_owned();
    let answers = vec![answer("200 OK", "", ""), until_closed, long, chunks.to_owned()];
    let said = heard(answers, |http| http.body_contains("is well")).await;
    assert_eq!(
        said,
        [
            r#"expected "is well" in the body, and its 0 bytes do not have it"#,
            r#"expected "is well" in the body, and its 15 bytes do not have it"#,
            r#"expected "is well" in the body, and its first 64 KiB do not have it"#,
        ]
    );
}

#[tokio::test]
async fn headers_are_sent_and_their_values_are_nowhere_else() {
    let (url, mut questions) = serve(vec![answer("500 x", "", ""), answer("200 OK", "", "")]).await;
    let probe = Http::get(&url).header("Authorization", "canary").header("Host", "example.org");
    let spec =
        sh("exec sleep 60").readiness(Readiness::probe(Probe::http(probe)).every(Duration::from_millis(5)));
    assert!(!format!("{spec:?}").contains("canary"));
    let bench = Bench::new();
    let run = bench.start(spec);
    let seen = bench.until("ready", |seen| seen.ready).await;
    assert!(!seen.phases.join(" ").contains("canary"), "{:?}", seen.phases);
    let question = questions.recv().await.unwrap();
    assert!(question.starts_with("GET /up HTTP/1.1\r\n"), "{question}");
    assert!(
        question.contains("Authorization: canary\r\n") && question.contains("Host: example.org\r\n"),
        "{question}"
    );
    assert_eq!(question.matches("Host:").count(), 1);
    bench.stop();
    end(run).await;
}

#[tokio::test]
async fn d19_ready_takes_as_many_good_tries_in_a_row_as_it_is_said() {
    let ok = || answer("200 OK", "", "");
    let (url, mut questions) = serve(vec![ok(), ok(), answer("500 x", "", ""), ok(), ok(), ok()]).await;
    let thrice =
        Readiness::probe(Probe::http(&url)).every(Duration::from_millis(5)).within(LONG).successes(3);
    let bench = Bench::new();
    let run = bench.start(sh("exec sleep 60").readiness(thrice));
    let seen = bench.until("ready", |seen| seen.ready).await;
    let mut tries = 0;
    while questions.try_recv().is_ok() {
        tries += 1;
    }
    assert_eq!(tries, 6, "two good ones before a bad one do not count: {:?}", seen.phases);
    assert!(
        seen.phases.contains(&format!("not ready: http {url} is good, 2 of 3 times in a row")),
        "{:?}",
        seen.phases
    );
    bench.stop();
    end(run).await;
}

#[tokio::test]
async fn a_unix_socket_is_connected_to_like_a_port() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let bench = Bench::new();
    let probe = Probe::tcp(format!("unix:{}", path.display()));
    let run =
        bench.start(sh("exec sleep 60").readiness(Readiness::probe(probe).every(Duration::from_millis(5))));
    bench.until("tried", |seen| seen.phases.iter().any(|phase| phase.contains("no such file"))).await;
    let _listener = tokio::net::UnixListener::bind(&path).unwrap();
    bench.until("ready", |seen| seen.ready).await;
    bench.stop();
    end(run).await;
}

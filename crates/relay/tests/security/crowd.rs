//! Many who connect and say nothing (`security.md` 23).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::place::{Browser, LONG, Place, TOKEN, ask, bearer};

const CROWD: usize = 10_000;
/// Connections from one address: fewer than a relay lets in.
const OF_ADDRESS: usize = 200;
/// By this the crowd knows whom to crowd.
const RELAY: &str = "RELAY_OF_THE_CROWD";

fn as_many_descriptors_as_there_may_be() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// Where the connection with this number comes from.
fn source(number: usize) -> Ipv4Addr {
    let at = u8::try_from(number / OF_ADDRESS).unwrap();
    Ipv4Addr::new(127, 1 + at, at, 1 + at)
}

/// The crowd, in a process of its own: it says when it stands, and stands until its input ends, a minute at the most.
/// Whoever was sent away comes again.
#[tokio::test]
#[ignore = "it is the other process of a test"]
async fn the_crowd() {
    let Some(relay) = std::env::var_os(RELAY) else { return };
    let relay: SocketAddr = relay.to_str().unwrap().parse().unwrap();
    as_many_descriptors_as_there_may_be();
    let mut standing = Vec::with_capacity(CROWD);
    let numbers: Vec<_> = (0..CROWD).collect();
    // Not one by one, which takes long on a busy machine, and not more at a time than a port lets wait.
    for some in numbers.chunks(OF_ADDRESS) {
        let coming: Vec<_> = some.iter().map(|at| tokio::spawn(connect(source(*at), relay))).collect();
        for one in coming {
            standing.push(one.await.unwrap().unwrap());
        }
    }
    println!("the crowd stands: {}", standing.len());
    std::io::stdout().flush().unwrap();
    let told = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]).unwrap());
    let stand = async {
        loop {
            for (number, stream) in standing.iter_mut().enumerate() {
                let mut byte = [0];
                let was_sent_away = !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
                if was_sent_away && let Ok(again) = connect(source(number), relay).await {
                    *stream = again;
                }
                if number % 10 == 0 {
                    sleep(Duration::from_millis(5)).await;
                }
            }
        }
    };
    tokio::select! {
        told = told => drop(told),
        () = stand => {}
        () = sleep(Duration::from_secs(60)) => {}
    }
}

/// Ended with the test, whatever becomes of it.
struct Crowd(Child);

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Crowd {
    fn gather(relay: SocketAddr) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crowd::the_crowd", "--ignored", "--nocapture", "--test-threads", "1"])
            .env(RELAY, relay.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut crowd = Self(child);
        let output = BufReader::new(crowd.0.stdout.take().unwrap());
        let said = output.lines().map_while(Result::ok).find(|line| line.contains("the crowd stands"));
        assert!(said.is_some_and(|line| line.ends_with(&CROWD.to_string())), "it could not gather");
        crowd
    }
}

/// A browser that comes as a page does: when it is sent away, again.
async fn come(place: &Place) -> Browser {
    for _ in 0..20 {
        let Ok(stream) = TcpStream::connect(place.address()).await else { continue };
        let url = format!("ws://{}/ws", place.address());
        let token = bearer(TOKEN);
        if let Ok((mut browser, _)) =
            Browser::over(Box::new(stream), &url, &[("authorization", &token)]).await
        {
            browser.next().await;
            return browser;
        }
    }
    panic!("nobody comes in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s23_ten_thousand_who_say_nothing_keep_nobody_out() {
    as_many_descriptors_as_there_may_be();
    let place = Place::new().await;
    let mut before = place.browser().await;
    before.of("target_list").await;
    let address = place.address();
    let crowd = tokio::task::spawn_blocking(move || Crowd::gather(address));
    let gathered = timeout(Duration::from_secs(120), crowd);
    let crowd = before.reads_during(gathered).await.expect("it did not gather").unwrap();

    let _target = place.target().await;
    before.of("state").await;
    let come_and_ask = async {
        for round in 0..5 {
            let mut browser = come(&place).await;
            browser.hello(&format!("page {round}")).await;
            assert_eq!(browser.of("state").await["target_id"], "shop");
        }
        let other = TcpStream::connect(address).await.unwrap();
        assert_eq!(ask(other, address, "GET", "/nothing", &[], "").await.status, 404);
    };
    before.reads_during(come_and_ask).await;
    before.says(serde_json::json!({"type": "log_event_filter_conditions"})).await;
    before.of("filter_applied").await;
    drop(crowd);
    come(&place).await;
}

#[tokio::test]
async fn s23_an_address_has_256_connections_one_more_ends_its_oldest_and_the_others_have_theirs() {
    let place = Place::new().await;
    let address = place.address();
    let here = Ipv4Addr::new(127, 0, 0, 3);
    let mut streams = Vec::new();
    let mut sent_away = JoinSet::new();
    for at in 0..300 {
        let stream = Arc::new(connect(here, address).await.unwrap());
        streams.push(Some(Arc::clone(&stream)));
        // Who has no seat reads the end; the others read nothing.
        sent_away.spawn(async move { stream.readable().await.map(|()| at).unwrap_or(at) });
    }
    for _ in 256..300 {
        let at = timeout(LONG, sent_away.join_next()).await.expect("all have seats").unwrap().unwrap();
        assert!(at < 300 - 256, "{at} is not among the oldest");
        streams[at] = None;
    }
    sent_away.shutdown().await;
    let there: Vec<_> =
        streams.into_iter().flatten().map(|stream| Arc::into_inner(stream).unwrap()).collect();
    assert_eq!(there.len(), 256);
    let other = connect(Ipv4Addr::new(127, 0, 0, 4), address).await.unwrap();
    assert_eq!(ask(other, address, "GET", "/nothing", &[], "").await.status, 404);
    for stream in there {
        assert_eq!(ask(stream, address, "GET", "/nothing", &[], "").await.status, 404);
    }
}

//! Which ends a request may have.
//!
//! It is answered; or refused while its server is away, from a kill until it is ready again; or cut off in the second in
//! which its server was killed. None takes more than five seconds.

use std::time::{Duration, Instant};

use crate::clients::{Outcome, Request};
use crate::stack::{SERVERS, Server};

/// The longest that a request may take.
const TOO_LONG: Duration = Duration::from_secs(5);
/// How long after a kill a connection may be cut.
const CUT: Duration = Duration::from_secs(1);

/// The main process of a server was killed.
#[derive(Debug)]
pub(crate) struct Kill {
    pub(crate) server: Server,
    pub(crate) at: Instant,
    /// When the server was ready again. None when it was killed once more before that.
    pub(crate) back: Option<Instant>,
}

/// Each request that ended as it may not, in words.
pub(crate) fn wrong(requests: &[Request], kills: &[Kill]) -> Vec<String> {
    let start = kills.first().map(|kill| kill.at);
    let words = |request: &&Request| {
        let since = start.map_or(Duration::ZERO, |start| request.began.saturating_duration_since(start));
        let lasted = request.ended - request.began;
        let kills = kills.iter().filter(|kill| kill.server == request.server);
        let nearest = kills.map(|kill| request.ended.saturating_duration_since(kill.at)).min();
        format!("{since:?} after the first kill, for {lasted:?}, {nearest:?} after a kill: {request:?}")
    };
    requests
        .iter()
        .filter(|request| !is_right(request, kills))
        .take(20)
        .map(|request| words(&request))
        .collect()
}

fn is_right(request: &Request, kills: &[Kill]) -> bool {
    let mut kills = kills.iter().filter(|kill| kill.server == request.server);
    let allowed = match &request.outcome {
        Outcome::Answered => true,
        Outcome::Refused(_) => {
            kills.any(|kill| kill.at <= request.ended && kill.back.is_none_or(|back| request.began <= back))
        }
        Outcome::Reset(_) => kills.any(|kill| kill.at <= request.ended && request.good <= kill.at + CUT),
        Outcome::Hung | Outcome::Wrong(_) => false,
    };
    allowed && request.ended - request.began <= TOO_LONG
}

/// In one line for each server.
pub(crate) fn summary(requests: &[Request], kills: &[Kill]) -> String {
    let line = |server: Server| {
        let of = || requests.iter().filter(|request| request.server == server);
        let count = |is_it: fn(&Outcome) -> bool| of().filter(|request| is_it(&request.outcome)).count();
        let longest = of().map(|request| request.ended - request.began).max().unwrap_or_default();
        let killed = || kills.iter().filter(|kill| kill.server == server);
        let away = killed().filter_map(|kill| Some(kill.back? - kill.at)).max().unwrap_or_default();
        format!(
            "{server:?}: {} kills, away for at most {away:.1?}; {} requests: {} answered, {} refused, {} reset; \
             the longest took {longest:.1?}",
            killed().count(),
            of().count(),
            count(|outcome| *outcome == Outcome::Answered),
            count(|outcome| matches!(outcome, Outcome::Refused(_))),
            count(|outcome| matches!(outcome, Outcome::Reset(_))),
        )
    };
    SERVERS.map(line).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::now;

    /// A request from `began` to `ended`, in milliseconds after a moment at which the server was up.
    fn request(start: Instant, began: u64, ended: u64, outcome: Outcome) -> Request {
        let at = |millis| start + Duration::from_millis(millis);
        Request { server: Server::Db, good: at(began), began: at(began), ended: at(ended), outcome }
    }

    #[test]
    fn a_request_may_fail_only_when_its_own_server_was_killed_and_never_hang() {
        let start = now();
        let at = |millis| start + Duration::from_millis(millis);
        let kill = |server| Kill { server, at: at(1_000), back: Some(at(3_000)) };
        let right = |request: Request, server| is_right(&request, &[kill(server)]);
        let refused = || Outcome::Refused(String::new());
        let reset = || Outcome::Reset(String::new());
        for (began, ended, good) in
            [(0, 900, false), (0, 1_100, true), (2_900, 3_100, true), (3_100, 3_200, false)]
        {
            assert_eq!(right(request(start, began, ended, refused()), Server::Db), good, "{began}");
        }
        for (began, ended, good) in
            [(0, 900, false), (900, 1_100, true), (1_900, 2_100, true), (2_100, 2_200, false)]
        {
            assert_eq!(right(request(start, began, ended, reset()), Server::Db), good, "{began}");
        }
        assert!(!right(request(start, 900, 1_100, reset()), Server::Web), "another's kill");
        assert!(!right(request(start, 900, 6_000, Outcome::Answered), Server::Db), "too long");
        assert!(!right(request(start, 900, 1_100, Outcome::Hung), Server::Db));
        assert!(!right(request(start, 900, 1_100, Outcome::Wrong("7".into())), Server::Db));
    }
}

//! Printed links: a code that is good once and for a short time, traded for a token that a page keeps.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use tokio::time::Instant;

use super::secret::{Fingerprint, Secret};
use crate::rights::Principal;

/// How long a code waits for the person who follows its link.
pub(super) const CODE: Duration = Duration::from_secs(10 * 60);
/// How long the token of a page is good.
pub(super) const TOKEN: Duration = Duration::from_secs(12 * 60 * 60);
/// How many codes and tokens there may be; when there are more the oldest go.
const CODES: usize = 16;
const TOKENS: usize = 1_024;

/// A code that proves once who somebody is. `Debug` does not show it.
#[derive(Debug)]
pub struct LoginCode(Secret);

impl LoginCode {
    /// The link to show to the person: `origin`, such as `http://127.0.0.1:9900`, and the code in the fragment, which a
    /// browser sends to nobody.
    pub fn link(&self, origin: &str) -> String {
        format!("{}/#code={}", origin.trim_end_matches('/'), self.0.reveal())
    }

    /// How long it is good from the moment it was made.
    pub const fn lifetime() -> Duration {
        CODE
    }
}

/// Codes that were not used, and tokens that they were traded for.
#[derive(Debug)]
pub(super) struct Links {
    open: Mutex<Open>,
    used: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Open {
    codes: VecDeque<Code>,
    tokens: HashMap<Fingerprint, Holder>,
}

#[derive(Debug)]
struct Code {
    digest: Fingerprint,
    who: Principal,
    until: Instant,
}

/// Who has the token of a page, and until when.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    pub(super) who: Principal,
    pub(super) until: Instant,
}

impl Default for Links {
    fn default() -> Self {
        Self { open: Mutex::default(), used: watch::Sender::new(0) }
    }
}

impl Links {
    pub(super) fn code(&self, who: Principal) -> io::Result<LoginCode> {
        let code = Secret::fresh()?;
        let mut open = self.open();
        open.tidy();
        if open.codes.len() == CODES {
            open.codes.pop_front();
        }
        open.codes.push_back(Code { digest: code.digest(), who, until: Instant::now() + CODE });
        Ok(LoginCode(code))
    }

    /// A token for a code, which is none from then on. `None`: it never was one, or is no more.
    pub(super) fn trade(&self, code: &str) -> io::Result<Option<Secret>> {
        let offered = Fingerprint::of(code);
        let token = Secret::fresh()?;
        let mut open = self.open();
        open.tidy();
        let Some(Code { who, .. }) = open.take(offered) else { return Ok(None) };
        open.put(token.digest(), Holder { who, until: Instant::now() + TOKEN });
        drop(open);
        self.used.send_modify(|used| *used += 1);
        Ok(Some(token))
    }

    /// A token that was traded before.
    pub(super) fn put(&self, token: Fingerprint, who: Principal, until: Instant) {
        self.open().put(token, Holder { who, until });
    }

    /// The tokens that are good, and until when.
    pub(super) fn tokens(&self) -> Vec<(Fingerprint, Instant)> {
        let mut open = self.open();
        open.tidy();
        open.tokens.iter().map(|(token, holder)| (*token, holder.until)).collect()
    }

    pub(super) fn holder(&self, token: Fingerprint) -> Option<Holder> {
        self.open().tokens.get(&token).filter(|holder| holder.until > Instant::now()).cloned()
    }

    pub(super) fn used(&self) -> watch::Receiver<u64> {
        self.used.subscribe()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn tidy(&mut self) {
        let now = Instant::now();
        self.codes.retain(|code| code.until > now);
        self.tokens.retain(|_, holder| holder.until > now);
    }

    fn put(&mut self, token: Fingerprint, holder: Holder) {
        if self.tokens.len() >= TOKENS {
            let oldest = self.tokens.iter().min_by_key(|(_, holder)| holder.until).map(|(digest, _)| *digest);
            oldest.map(|oldest| self.tokens.remove(&oldest));
        }
        self.tokens.insert(token, holder);
    }

    /// Every code is compared as a whole, so the time tells nothing of any.
    fn take(&mut self, offered: Fingerprint) -> Option<Code> {
        let mut found = None;
        for (at, code) in self.codes.iter().enumerate() {
            if code.digest.ct_eq(&offered).into() {
                found = Some(at);
            }
        }
        self.codes.remove(found?)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::identity::tests::code_in;

    const SECOND: Duration = Duration::from_secs(1);

    fn ann() -> Principal {
        Principal::new("ann")
    }

    #[tokio::test(start_paused = true)]
    async fn s20_a_code_is_good_once_and_its_token_for_twelve_hours() {
        let links = Links::default();
        let mut used = links.used();
        let code = code_in(&links.code(ann()).unwrap());
        assert!(links.trade("wrong").unwrap().is_none());
        assert!(!used.has_changed().unwrap(), "nothing was used");
        let token = links.trade(&code).unwrap().unwrap();
        assert!(used.has_changed().unwrap() && *used.borrow_and_update() == 1);
        assert!(links.trade(&code).unwrap().is_none(), "the second time");
        assert!(links.holder(Fingerprint::of(&code)).is_none(), "a code is no token");
        assert_eq!(links.holder(token.digest()).unwrap().who, ann());
        advance(TOKEN - SECOND).await;
        assert!(links.holder(token.digest()).is_some());
        advance(SECOND).await;
        assert!(links.holder(token.digest()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn s20_a_code_is_good_for_ten_minutes() {
        let links = Links::default();
        let codes = [(); 2].map(|()| code_in(&links.code(ann()).unwrap()));
        advance(CODE - SECOND).await;
        assert!(links.trade(&codes[0]).unwrap().is_some());
        advance(SECOND).await;
        assert!(links.trade(&codes[1]).unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn s20_codes_and_tokens_are_bounded_and_the_oldest_go() {
        let links = Links::default();
        let codes: Vec<_> = (0..=CODES).map(|_| code_in(&links.code(ann()).unwrap())).collect();
        assert!(links.trade(&codes[0]).unwrap().is_none());
        assert!(links.trade(&codes[1]).unwrap().is_some());
        let mut tokens = Vec::new();
        for _ in 0..=TOKENS {
            let code = code_in(&links.code(ann()).unwrap());
            tokens.push(links.trade(&code).unwrap().unwrap().digest());
            advance(SECOND).await;
        }
        assert!(links.holder(tokens[0]).is_none() && links.holder(tokens[1]).is_some());
        assert_eq!(links.open().tokens.len(), TOKENS);
    }

    #[test]
    fn s20_the_link_has_the_code_in_its_fragment_and_debug_shows_none_of_it() {
        let links = Links::default();
        let code = links.code(ann()).unwrap();
        let link = code.link("http://127.0.0.1:9900/");
        let text = link.strip_prefix("http://127.0.0.1:9900/#code=").unwrap();
        assert!(text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(!format!("{code:?} {links:?}").contains(&text[..9]));
    }
}

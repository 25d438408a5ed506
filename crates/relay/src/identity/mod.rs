//! Who may come in (`security.md` 20).
//!
//! ```text
//!   token ────────► its SHA-256 ──► mapping ──► identity ──┐
//!   certificate ──► its name ─────► mapping ──► identity ──┼──► roles ──► principal
//!   code of a link ──► token of a page ────────────────────┴────────────────▲
//! ```
//!
//! What was proved is looked at again when the mapping is another one, and when it runs out: a session ends when its
//! proof does.

mod certificate;
mod development;
mod kept;
mod links;
mod mapping;
mod secret;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::UnixNanos;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::rights::Principal;
use crate::session::Close;
use links::Links;

pub(crate) use certificate::Certificate;
pub use development::{DevCertificateError, DevCertificates, DevIdentity, dev_certificates};
pub use kept::KeptLogins;
pub use links::LoginCode;
pub use mapping::{Mapping, MappingError};
pub(crate) use secret::Fingerprint;
pub use secret::Secret;

/// How long a time on the wall is trusted: it may be set.
const WALL: Duration = Duration::from_secs(30);

/// Who may come in, shared by all that ask. Clones are the same.
///
/// There are three proofs:
///
/// - **A bearer token**, of which the [`Mapping`] has the digest.
/// - **The certificate of a client**, when the door has TLS. Its name is the one common name of its subject. A
///   certificate authority that may sign clients can name anybody.
/// - **The code of a printed link**, traded once for a token that the page keeps for 12 hours. What it may do is said
///   when the code is made; [`replace`](Self::replace) does not touch it.
///
/// Who shows a token is who the token says, whatever certificate it has beside it.
#[derive(Clone)]
pub struct Identities(Arc<Inner>);

struct Inner {
    mapping: watch::Sender<Arc<Mapping>>,
    links: Links,
    wall: Box<dyn Fn() -> UnixNanos + Send + Sync>,
}

/// What somebody shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    Token(Fingerprint),
    Certificate(Arc<Certificate>),
}

/// Somebody who has proved who it is.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    who: Principal,
    proof: Proof,
    identities: Identities,
}

/// What a proof is worth, until it is to be looked at again.
type Worth = (Principal, Option<Instant>);

/// What a code was traded for.
pub(crate) struct Traded {
    pub(crate) token: Secret,
    pub(crate) expires_at: UnixNanos,
}

impl Default for Identities {
    fn default() -> Self {
        Self::new()
    }
}

impl Identities {
    /// Nobody is mapped: only links and certificates let somebody in.
    pub fn new() -> Self {
        Self::with_wall(clock::now)
    }

    fn with_wall(wall: impl Fn() -> UnixNanos + Send + Sync + 'static) -> Self {
        let mapping = watch::Sender::new(Arc::default());
        Self(Arc::new(Inner { mapping, links: Links::default(), wall: Box::new(wall) }))
    }

    /// From now on this holds. A session whose proof is worth nothing any more is closed with 4401, and one of somebody
    /// who may do something else than before with 4403; both before anything more is taken from them.
    pub fn replace(&self, mapping: Mapping) {
        self.0.mapping.send_replace(Arc::new(mapping));
    }

    /// A code for the link by which this person signs in, once and within 10 minutes. At most 16 wait; then the oldest
    /// goes.
    ///
    /// # Errors
    ///
    /// When the kernel has no randomness to give.
    pub fn login_code(&self, who: Principal) -> io::Result<LoginCode> {
        self.0.links.code(who)
    }

    /// How many codes were used so far. When it changes a link that was shown may be good for nothing, and whoever shows
    /// it can make another.
    pub fn login_codes_used(&self) -> watch::Receiver<u64> {
        self.0.links.used()
    }

    /// A token for the code of a link. `None`: it is none, or no more.
    pub(crate) fn trade(&self, code: &str) -> io::Result<Option<Traded>> {
        let expires_at = UnixNanos((self.0.wall)().0.saturating_add(nanos(links::TOKEN)));
        Ok(self.0.links.trade(code)?.map(|token| Traded { token, expires_at }))
    }

    /// Whose proof this is.
    pub(crate) fn guest(&self, proof: Proof) -> Option<Guest> {
        let (who, _) = self.worth(&proof)?;
        Some(Guest { who, proof, identities: self.clone() })
    }

    /// Whether a certificate is refused by its fingerprint.
    pub(crate) fn refuses(&self, certificate: Fingerprint) -> bool {
        self.mapping().refuses(certificate)
    }

    fn worth(&self, proof: &Proof) -> Option<Worth> {
        match proof {
            Proof::Token(token) => self.by_token(*token),
            Proof::Certificate(certificate) => self.by_certificate(certificate),
        }
    }

    fn by_certificate(&self, certificate: &Certificate) -> Option<Worth> {
        let mapping = self.mapping();
        if mapping.refuses(certificate.fingerprint) {
            return None;
        }
        let again = self.until(Some(certificate.until))?;
        Some((mapping.principal(mapping.owner(&certificate.name)), again))
    }

    fn by_token(&self, token: Fingerprint) -> Option<Worth> {
        if let Some(holder) = self.0.links.holder(token) {
            return Some((holder.who, Some(holder.until)));
        }
        let mapping = self.mapping();
        let holder = mapping.holder(token)?;
        let again = self.until(holder.expires_at)?;
        Some((mapping.principal(&holder.identity), again))
    }

    fn mapping(&self) -> Arc<Mapping> {
        Arc::clone(&self.0.mapping.borrow())
    }

    /// When to look again at what ends at this time on the wall. `None`: it is over.
    fn until(&self, end: Option<UnixNanos>) -> Option<Option<Instant>> {
        let Some(end) = end else { return Some(None) };
        let left = end.0.checked_sub((self.0.wall)().0).filter(|left| *left > 0)?;
        Some(Some(Instant::now() + Duration::from_nanos(left).min(WALL)))
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identities").field(&self.mapping()).finish()
    }
}

impl Guest {
    pub(crate) fn who(&self) -> &Principal {
        &self.who
    }

    /// Until it is not as it was proved. Cancel safe.
    pub(crate) async fn ended(&self) -> Close {
        let mut mapping = self.identities.0.mapping.subscribe();
        loop {
            mapping.borrow_and_update();
            let again = match self.identities.worth(&self.proof) {
                None => return Close::NoIdentity,
                Some((who, _)) if who != self.who => return Close::Forbidden,
                Some((_, again)) => again,
            };
            tokio::select! {
                // Its sender is ours.
                _ = mapping.changed() => {}
                () = at(again) => {}
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::rights::Role;

    const SECOND: Duration = Duration::from_secs(1);
    /// The time on the wall when a test begins, in seconds.
    const BEGAN: u64 = 1_800_000_000;

    /// Identities whose wall goes with the time of the test, and can be set forward by so many seconds.
    pub(super) fn identities() -> (Identities, Arc<AtomicU64>) {
        let (began, set) = (Instant::now(), Arc::<AtomicU64>::default());
        let forward = Arc::clone(&set);
        let wall = move || {
            let seconds = BEGAN + began.elapsed().as_secs() + forward.load(Ordering::Relaxed);
            UnixNanos(seconds * 1_000_000_000)
        };
        (Identities::with_wall(wall), set)
    }

    pub(super) fn code_in(code: &LoginCode) -> String {
        code.link("").strip_prefix("/#code=").unwrap().to_owned()
    }

    fn with_token(token: &Secret, expires_at: Option<u64>) -> Mapping {
        Mapping::new().with_token(&token.sha256(), "ann", expires_at).unwrap()
    }

    async fn end_of(guest: &Guest) -> Close {
        timeout(100_000 * SECOND, guest.ended()).await.expect("it does not end")
    }

    fn certificate(name: &str) -> Proof {
        let (name, fingerprint) = (name.into(), Fingerprint::of(name));
        Proof::Certificate(Arc::new(Certificate {
            name,
            fingerprint,
            until: UnixNanos((BEGAN + 60) * 1_000_000_000),
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn s20_a_token_is_good_to_its_last_second_and_its_session_no_longer() {
        let (identities, _) = identities();
        let token = Secret::fresh().unwrap();
        let proof = Proof::Token(token.digest());
        identities.replace(with_token(&token, Some(BEGAN + 100)));
        let guest = identities.guest(proof.clone()).unwrap();
        let began = Instant::now();
        assert_eq!(end_of(&guest).await, Close::NoIdentity);
        assert_eq!(began.elapsed().as_secs(), 100);
        assert!(identities.guest(proof.clone()).is_none());
        identities.replace(with_token(&token, None));
        let guest = identities.guest(proof).unwrap();
        assert!(timeout(1_000_000 * SECOND, guest.ended()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn s20_a_wall_clock_that_is_set_is_seen_within_half_a_minute() {
        let (identities, set) = identities();
        let token = Secret::fresh().unwrap();
        identities.replace(with_token(&token, Some(BEGAN + 1_000_000)));
        let guest = identities.guest(Proof::Token(token.digest())).unwrap();
        let ended = tokio::spawn(async move { guest.ended().await });
        sleep(100 * SECOND).await;
        set.store(1_000_000, Ordering::Relaxed);
        let began = Instant::now();
        assert_eq!(ended.await.unwrap(), Close::NoIdentity);
        assert!(began.elapsed() <= WALL);
    }

    #[tokio::test(start_paused = true)]
    async fn s20_the_token_of_a_page_ends_its_session_after_twelve_hours() {
        let (identities, _) = identities();
        let code = identities.login_code(Principal::new("owner").with("*", Role::Admin)).unwrap();
        let traded = identities.trade(&code_in(&code)).unwrap().unwrap();
        assert_eq!(traded.expires_at, UnixNanos((BEGAN + 12 * 3_600) * 1_000_000_000));
        let guest = identities.guest(Proof::Token(traded.token.digest())).unwrap();
        identities.replace(Mapping::new().unmapped(None));
        let began = Instant::now();
        assert_eq!(end_of(&guest).await, Close::NoIdentity);
        assert_eq!(began.elapsed(), links::TOKEN);
    }

    #[tokio::test(start_paused = true)]
    async fn s20_a_certificate_is_its_name_or_what_that_is_mapped_to_until_it_ends_or_is_refused() {
        let (identities, _) = identities();
        assert_eq!(identities.guest(certificate("ann")).unwrap().who().role_on("x"), Some(Role::Viewer));
        let mapping = || {
            let mapping = Mapping::new().with_certificate("laptop-7", "bob").unwrap();
            mapping.with_role("bob", "*", Role::Admin)
        };
        identities.replace(mapping());
        let bob = identities.guest(certificate("laptop-7")).unwrap();
        assert_eq!((bob.who().identity(), bob.who().highest()), ("bob", Some(Role::Admin)));
        let other = identities.guest(certificate("laptop-8")).unwrap();
        assert_eq!((other.who().identity(), other.who().highest()), ("laptop-8", Some(Role::Viewer)));

        let refused = Secret::from("laptop-7".to_owned()).sha256();
        identities.replace(mapping().without_certificate(&refused).unwrap());
        assert_eq!(end_of(&bob).await, Close::NoIdentity);
        assert!(identities.guest(certificate("laptop-7")).is_none());
        let began = Instant::now();
        assert_eq!(end_of(&other).await, Close::NoIdentity);
        assert_eq!(began.elapsed(), 60 * SECOND, "the certificate has ended");
    }

    #[test]
    fn s20_debug_shows_neither_tokens_nor_codes() {
        let identities = Identities::new();
        let token = Secret::fresh().unwrap();
        identities.replace(with_token(&token, None));
        let guest = identities.guest(Proof::Token(token.digest())).unwrap();
        let code = identities.login_code(Principal::new("owner")).unwrap();
        let shown = format!("{identities:?} {guest:?} {code:?} {token:?}");
        for secret in [token.reveal(), &token.sha256(), &code.link("")[7..]] {
            assert!(!shown.contains(&secret[..10]), "{shown}");
        }
    }
}

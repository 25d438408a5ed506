//! Which session is which page. A page that connects again takes the place of its own session that is still there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::identity::Fingerprint;

/// The pages that are connected.
#[derive(Debug, Default)]
pub(crate) struct Pages(Mutex<Connected>);

#[derive(Debug, Default)]
struct Connected {
    /// The number that the next one gets.
    next: u64,
    /// The number of each, and who is told that it was replaced. Only so many bytes are kept of what pages say.
    now: HashMap<Fingerprint, (u64, oneshot::Sender<()>)>,
}

/// A page that is connected, until it is dropped.
#[derive(Debug)]
pub(crate) struct Page {
    pages: Arc<Pages>,
    key: Fingerprint,
    number: u64,
    replaced: oneshot::Receiver<()>,
}

impl Pages {
    /// The page of this identity that calls itself so is connected. One that was is told.
    pub(crate) fn open(self: &Arc<Self>, identity: &str, store: &str) -> Page {
        // The length keeps the two apart.
        let key = Fingerprint::of(format!("{} {identity}{store}", identity.len()));
        let (tell, replaced) = oneshot::channel();
        let mut connected = self.connected();
        let number = connected.next;
        connected.next += 1;
        if let Some((_, before)) = connected.now.insert(key, (number, tell)) {
            // It may be about to go.
            let _ = before.send(());
        }
        drop(connected);
        Page { pages: Arc::clone(self), key, number, replaced }
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    /// Until another session is this page. Cancel safe.
    pub(crate) async fn replaced(&mut self) {
        // Who tells is dropped only by us, or after it told.
        let _ = (&mut self.replaced).await;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let mut connected = self.pages.connected();
        if connected.now.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            connected.now.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn is_replaced(page: &mut Page) -> bool {
        page.replaced().now_or_never().is_some()
    }

    #[test]
    fn a_page_is_replaced_by_itself_alone_and_nothing_is_kept_of_those_who_left() {
        let pages = Arc::<Pages>::default();
        let mut first = pages.open("ann", "a");
        let mut others = [pages.open("ann", "b"), pages.open("bob", "a"), pages.open("an", "na")];
        assert!(!is_replaced(&mut first));
        let mut second = pages.open("ann", "a");
        assert!(is_replaced(&mut first));
        drop(first);
        assert!(!is_replaced(&mut second));
        let third = pages.open("ann", "a");
        assert!(is_replaced(&mut second), "also after the first has gone");
        assert!(!others.iter_mut().any(is_replaced));
        drop((second, third, others));
        assert!(pages.connected().now.is_empty());
    }
}

//! The rows of a peer: written once, for whatever starts, keeps and stops children by itself.
//!
//! A peer says how it starts and stops them ([`Peer`]), and lists the rows that it can do.

use std::future::Future;
use std::pin::Pin;

use crate::program::Outcome;
use crate::{End, Latch, Pulse, Starting, Stopping, Storm, watched};

/// What a child does. It is the same for all children of a measurement.
#[derive(Debug, Clone, Copy)]
pub enum Child {
    /// Says that it runs.
    Here(&'static Latch),
    /// Of W2: the first fails again and again.
    Pulse(&'static Pulse),
    /// Of W3: each fails again and again.
    Storm(&'static Storm),
}

impl Child {
    /// What a run does before it waits to be stopped.
    ///
    /// # Errors
    ///
    /// When this run is one that fails.
    pub async fn begin(self, place: usize) -> End {
        match self {
            Self::Here(latch) => {
                latch.arrive();
                Ok(())
            }
            Self::Pulse(pulse) => pulse.run(place).await,
            Self::Storm(storm) => storm.run(place).await,
        }
    }
}

/// A peer with children that it has started. To drop it is no part of any row.
pub trait Peer: Sized + Send + 'static {
    /// Starts so many children, each with a name and a restart policy if it knows such. A child that fails is started
    /// again as soon as the peer can.
    ///
    /// # Errors
    ///
    /// What the peer says.
    fn start(children: usize, child: Child) -> impl Future<Output = Result<Self, String>> + Send;

    /// Stops all of them, and gives of how many it tells how they have ended; none if it tells no such thing.
    ///
    /// # Errors
    ///
    /// What the peer says.
    fn stop(self) -> impl Future<Output = Result<Option<usize>, String>> + Send;
}

/// A measurement that goes on.
type Measuring = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// W1.
pub fn start<P: Peer>(children: usize) -> Measuring {
    Box::pin(async move {
        let here = Latch::leaked(children);
        let before = Starting::now()?;
        let peer = P::start(children, Child::Here(here)).await?;
        let figures = before.figures(here, children).await;
        drop(peer);
        figures
    })
}

/// W2.
pub fn latency<P: Peer>(children: usize) -> Measuring {
    Box::pin(async move {
        let pulse = Pulse::of(children);
        let peer = P::start(children, Child::Pulse(pulse)).await?;
        let figures = pulse.figures().await;
        drop(peer);
        Ok(figures)
    })
}

/// W3.
pub fn storm<P: Peer>(children: usize) -> Measuring {
    Box::pin(async move {
        let storm = Storm::of_a_million(children);
        let peer = P::start(children, Child::Storm(storm)).await?;
        let figures = storm.figures().await;
        drop(peer);
        Ok(figures)
    })
}

/// W4.
pub fn stop<P: Peer>(children: usize) -> Measuring {
    Box::pin(async move {
        let here = Latch::leaked(children);
        let peer = P::start(children, Child::Here(here)).await?;
        here.wait().await;
        let before = Stopping::now();
        let told = peer.stop().await?;
        before.figures(children, told.unwrap_or(children))
    })
}

/// W7.
pub fn idle<P: Peer>(children: usize) -> Measuring {
    Box::pin(async move {
        let here = Latch::leaked(children);
        let peer = P::start(children, Child::Here(here)).await?;
        here.wait().await;
        let figures = watched().await;
        drop(peer);
        Ok(figures)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts its children and tells of so many of them how they have ended.
    struct Tells<const OF: usize>;

    impl<const OF: usize> Peer for Tells<OF> {
        async fn start(children: usize, child: Child) -> Result<Self, String> {
            for place in 0..children {
                tokio::spawn(async move { while child.begin(place).await.is_err() {} });
            }
            Ok(Self)
        }

        async fn stop(self) -> Result<Option<usize>, String> {
            Ok((OF > 0).then_some(OF))
        }
    }

    #[tokio::test]
    async fn each_row_is_measured_with_what_its_children_do() {
        assert!(start::<Tells<0>>(3).await.unwrap().get("wall_ns_per_child") > 0.0);
        let latency = latency::<Tells<0>>(3).await.unwrap();
        assert!(latency.get("p50_ns") > 0.0 && latency.get("p99_ns") >= latency.get("p50_ns"));
        assert!(storm::<Tells<0>>(1_000).await.unwrap().get("restarts_per_s") > 0.0);
    }

    #[tokio::test]
    async fn a_peer_may_tell_no_outcome_but_not_some() {
        stop::<Tells<0>>(3).await.unwrap();
        stop::<Tells<3>>(3).await.unwrap();
        assert!(stop::<Tells<2>>(3).await.unwrap_err().contains("2 have an outcome"));
    }
}

//! Programs that start when their time has come.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use supervisor_api::manifest::{MissedRun, ScheduleEntry, ScheduleManifest, Seconds};
use tokio_supervisor::{ChildSpec, Missed, Severity, Times};

use crate::cron::Cron;

/// How often the clock is looked at: somebody may set it, and a machine that slept finds it moved.
const LOOK: Duration = Duration::from_secs(20);

/// How late a run may begin that is not to be made up for.
const LATE: Duration = Duration::from_secs(60);

/// The same child with the schedule that its manifest says.
///
/// # Errors
///
/// A sentence about the schedule.
pub(crate) fn scheduled(child: ChildSpec, said: &ScheduleManifest) -> Result<ChildSpec, String> {
    by_clock(child, said, Timestamp::now)
}

fn by_clock<C>(child: ChildSpec, said: &ScheduleManifest, now: C) -> Result<ChildSpec, String>
where
    C: Fn() -> Timestamp + Clone + Send + Sync + 'static,
{
    let ScheduleEntry { cron, every_secs, time_zone, missed } = said.entry();
    let missed = match missed.unwrap_or(MissedRun::Skip) {
        MissedRun::Skip => Missed::Skip,
        MissedRun::RunOnce => Missed::RunOnce,
    };
    let child = match (cron, every_secs) {
        (Some(text), _) => {
            let cron = Cron::parse(&text).map_err(|why| format!("`schedule`: {why}"))?;
            let zone = match &time_zone {
                Some(name) => TimeZone::get(name).map_err(|_| {
                    format!("`schedule`: '{}' is no time zone that this machine knows", name.escape_debug())
                })?,
                None => TimeZone::system(),
            };
            let says = format!("{text} {}", time_zone.unwrap_or_default());
            child.scheduled(says, move |times| {
                let (zone, now) = (zone.clone(), now.clone());
                async move { wait(&times, &cron, &zone, missed, now).await }
            })
        }
        (None, Some(period)) => every(child, period, now),
        (None, None) => return Err("`schedule` needs `cron` or `every_secs`".to_owned()),
    };
    Ok(child.missed(missed))
}

fn every(
    child: ChildSpec,
    period: Seconds,
    now: impl Fn() -> Timestamp + Send + Sync + 'static,
) -> ChildSpec {
    let period = period.duration();
    child.scheduled(format!("every {period:?}"), move |times| {
        tell(&times, now().checked_add(period).ok(), &TimeZone::system());
        tokio::time::sleep(period)
    })
}

/// Waits for the next time. One over which the machine slept is left out, unless it is to be made up for.
async fn wait(times: &Times, cron: &Cron, zone: &TimeZone, missed: Missed, now: impl Fn() -> Timestamp) {
    let mut due = cron.after(now(), zone);
    loop {
        tell(times, due, zone);
        let Some(time) = due else { return std::future::pending().await };
        let late = until(time, &now).await;
        if late < LATE || missed == Missed::RunOnce {
            return;
        }
        let text = format!("its time was {late:.0?} ago, since the clock has moved; that run is left out");
        times.log(Severity::Warning, text);
        due = cron.after(now(), zone);
    }
}

/// Waits until the clock says so; returns how late that was noticed.
async fn until(time: Timestamp, now: &impl Fn() -> Timestamp) -> Duration {
    loop {
        let left = time.duration_since(now());
        match Duration::try_from(left) {
            Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(LOOK)).await,
            _ => return left.unsigned_abs(),
        }
    }
}

/// Shows when the next run is.
fn tell(times: &Times, due: Option<Timestamp>, zone: &TimeZone) {
    let text = due.map_or("never again".to_owned(), |due| {
        due.to_zoned(zone.clone()).strftime("next run %a %F %H:%M:%S %Z").to_string()
    });
    times.next_is(text);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::{Arc, Mutex};

    use jiff::ToSpan as _;
    use tokio::time::Instant;
    use tokio_supervisor::{Supervisor, SupervisorHandle, SupervisorSpec};

    use super::*;

    /// A clock that follows Tokio's, and that somebody may set.
    #[derive(Clone)]
    struct Wall {
        begun: Instant,
        moved: Arc<AtomicI64>,
    }

    impl Wall {
        fn now(&self) -> Timestamp {
            let begun: Timestamp = "2026-11-23T02:00:00Z".parse().unwrap();
            begun + self.begun.elapsed() + self.moved.load(Ordering::SeqCst).seconds()
        }
    }

    /// A job with this schedule notes the clock in each of its runs.
    async fn run(said: &str, moved: i64) -> (SupervisorHandle, Wall, Arc<Mutex<Vec<String>>>) {
        let wall = Wall { begun: Instant::now(), moved: Arc::default() };
        let ran = Arc::new(Mutex::new(Vec::new()));
        let (notes, clock) = (Arc::clone(&ran), wall.clone());
        let job = ChildSpec::job("job", move |_| {
            notes.lock().unwrap().push(clock.now().strftime("%d %H:%M").to_string());
            async {}
        });
        let clock = wall.clone();
        let job = by_clock(job, &serde_json::from_str(said).unwrap(), move || clock.now()).unwrap();
        let handle = Supervisor::start(SupervisorSpec::root([job])).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        wall.moved.store(moved, Ordering::SeqCst);
        (handle, wall, ran)
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_runs_at_the_times_of_its_expression() {
        let (handle, _, ran) = run(r#"{"cron": "30 2 * * *", "time_zone": "UTC"}"#, 0).await;
        let shown = &handle.child("/job").unwrap().diagnostics["schedule"];
        assert_eq!(shown, "next run Mon 2026-11-23 02:30:00 UTC");
        tokio::time::sleep(Duration::from_secs(3 * 24 * 3600)).await;
        assert_eq!(*ran.lock().unwrap(), ["23 02:30", "24 02:30", "25 02:30"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_out_between_two_runs_is_told() {
        let (handle, wall, ran) = run(r#"{"cron": "30 2 * * *", "time_zone": "UTC"}"#, 0).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        // Over 02:30 of the next day.
        wall.moved.store(26 * 3600, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
        assert_eq!(*ran.lock().unwrap(), ["23 02:30", "25 02:30"]);
        let logs = handle.logs("/job").unwrap();
        assert!(logs.iter().any(|line| line.message.contains("that run is left out")), "{logs:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_moves_over_a_time_leaves_it_out_or_has_it_made_up_for() {
        let hour = 3600;
        for (said, moved, expected) in [
            (r#"{"cron": "30 2 * * *", "time_zone": "UTC"}"#, hour, &["24 02:30"][..]),
            (
                r#"{"cron": "30 2 * * *", "time_zone": "UTC", "missed": "run_once"}"#,
                hour,
                &["23 03:01", "24 02:30"],
            ),
            // Set back: it is waited for all the longer.
            (r#"{"cron": "30 2 * * *", "time_zone": "UTC"}"#, -hour, &["23 02:30", "24 02:30"]),
            (r#"{"every_secs": 7200}"#, 9 * hour, &["23 13:00"]),
        ] {
            let (handle, wall, ran) = run(said, moved).await;
            let end = if said.contains("every") { "2026-11-23T14:00:00Z" } else { "2026-11-24T03:00:00Z" };
            let end: Timestamp = end.parse().unwrap();
            tokio::time::sleep(Duration::try_from(end.duration_since(wall.now())).unwrap()).await;
            assert_eq!(*ran.lock().unwrap(), expected, "{said}");
            let told =
                handle.logs("/job").unwrap().iter().any(|line| line.message.contains("that run is left out"));
            assert_eq!(told, expected.len() == 1 && !said.contains("every"), "{said}");
        }
    }
}

use std::path::Path;
use std::time::{Duration, SystemTime};

use metrics::{Unit, describe_gauge, gauge};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::limits::{LOOK, REST, WARN_AGAIN};
use crate::{EXPIRES_SOON, Identity, Seen, TlsError, Trust};

const EXPIRES: &str = "quorate_certificate_expires_seconds";

/// What is read from files again.
pub trait Kept: Clone + Send + 'static {
    /// Reads them. `true`: what they say has changed and is in use.
    ///
    /// # Errors
    /// They cannot be used. What was in use goes on.
    fn reload(&self) -> Result<bool, TlsError>;

    /// When it ends.
    fn expires_at(&self) -> SystemTime;

    /// The file, for the log.
    fn file(&self) -> &Path;

    /// All of its files.
    fn files(&self) -> Vec<&Path>;
}

macro_rules! kept {
    ($kind:ty) => {
        impl Kept for $kind {
            fn reload(&self) -> Result<bool, TlsError> {
                self.reload()
            }

            fn expires_at(&self) -> SystemTime {
                self.expires_at()
            }

            fn file(&self) -> &Path {
                self.file()
            }

            fn files(&self) -> Vec<&Path> {
                self.files()
            }
        }
    };
}

kept!(Identity);
kept!(Trust);

/// How long a certificate still lasts; none that has ended.
pub fn lasts(expires_at: SystemTime) -> Duration {
    expires_at.duration_since(SystemTime::now()).unwrap_or_default()
}

/// Puts into a metric how long a certificate still lasts; `of`: what it is used for.
pub fn record_end(of: &'static str, expires_at: SystemTime) {
    describe_gauge!(
        EXPIRES,
        Unit::Seconds,
        "How long a certificate of this node lasts, by what it is for; of authorities (`…_ca`) the last. 0: it has expired."
    );
    gauge!(EXPIRES, "use" => of).set(lasts(expires_at).as_secs_f64());
}

/// Looks every few seconds whether files say something else, and has new connections use it, once the files have come to rest: somebody
/// may still write. Whenever `look` changes it reads them at once. It never returns. Files that cannot be used change nothing: the log
/// says so, once; and of a certificate that ends soon, or has ended, at once and then once a day.
/// `of`: whose it is, for the log.
pub async fn keep_fresh(of: &'static str, kept: impl Kept, mut look: watch::Receiver<()>) {
    let mut refused = None;
    let mut warned = None;
    let (mut seen, mut rests) = (Vec::new(), true);
    loop {
        warn_of_end(of, &kept, &mut warned);
        let wait = if rests { LOOK } else { REST };
        let told = match timeout(wait, look.changed()).await {
            Ok(Ok(())) => true,
            Ok(Err(_nobody_tells_any_more)) => {
                sleep(wait).await;
                false
            }
            Err(_nobody_tells) => false,
        };
        let (reading, before) = (kept.clone(), std::mem::take(&mut seen));
        // A disk may take its time.
        let read = tokio::task::spawn_blocking(move || {
            let now: Vec<_> = reading.files().into_iter().map(Seen::of).collect();
            let rests = told || now == before;
            (now, rests.then(|| reading.reload()))
        });
        let Ok((now, read)) = read.await else { return };
        (seen, rests) = (now, read.is_some());
        let file = kept.file().display();
        let Some(read) = read else { continue };
        match read {
            Ok(false) => refused = None,
            Ok(true) => {
                (refused, warned) = (None, None);
                let days = days(lasts(kept.expires_at()));
                tracing::info!(of, %file, days, "a new certificate is in use");
            }
            Err(error) => {
                let said = error.to_string();
                if refused.as_ref() != Some(&said) {
                    tracing::error!(of, %file, "the certificate as it was goes on: {said}");
                    refused = Some(said);
                }
            }
        }
    }
}

/// What was said last of a certificate's end, and when.
#[derive(Clone, Copy)]
struct Warned {
    ended: bool,
    at: Instant,
}

fn warn_of_end(of: &str, kept: &impl Kept, warned: &mut Option<Warned>) {
    let lasts = lasts(kept.expires_at());
    let Some(now) = warning(lasts, *warned, Instant::now()) else { return };
    *warned = Some(now);
    let file = kept.file().display();
    if now.ended {
        tracing::error!(of, %file, "the certificate has expired: put a new one there, no restart is needed");
    } else {
        let days = days(lasts);
        tracing::warn!(of, %file, days, "the certificate expires soon: put a new one there, no restart is needed");
    }
}

/// What is to be said now, if anything: the same once a day, something else at once.
fn warning(lasts: Duration, warned: Option<Warned>, at: Instant) -> Option<Warned> {
    let ended = lasts.is_zero();
    let is_said = warned.is_some_and(|said| said.ended == ended && at.duration_since(said.at) < WARN_AGAIN);
    (lasts <= EXPIRES_SOON && !is_said).then_some(Warned { ended, at })
}

fn days(time: Duration) -> u64 {
    time.as_secs() / (24 * 3_600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_at_once_and_again_each_day() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let start = Instant::now();
        let mut warned = None;
        for (hour, lasts, expected) in [
            (0, EXPIRES_SOON + HOUR, None),
            (1, EXPIRES_SOON, Some(false)),
            (24, HOUR, None),
            (25, HOUR / 2, Some(false)),
            (26, Duration::ZERO, Some(true)),
            (27, Duration::ZERO, None),
            (50, Duration::ZERO, Some(true)),
        ] {
            let said = warning(lasts, warned, start + hour * HOUR);
            assert_eq!(said.map(|said| said.ended), expected, "after {hour} hours");
            warned = said.or(warned);
        }
    }
}

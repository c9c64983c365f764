//! How fast lines may be sent: a bucket of tokens, so that the network does not end the link for a flood.

use std::time::Duration;
use tokio::time::Instant;

/// A bucket that holds `burst` tokens, and gets one every `every`.
#[derive(Debug, Clone)]
pub struct Bucket {
    burst: u32,
    every: Duration,
    /// When it will be full again.
    full: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(burst: u32, every: Duration) -> Bucket {
        Bucket { burst: burst.max(1), every, full: Instant::now() }
    }

    /// When the next token can be had.
    pub fn ready(&self) -> Instant {
        let ahead = self.every * (self.burst - 1);
        self.full.checked_sub(ahead).unwrap_or_else(Instant::now).max(Instant::now())
    }

    /// Takes a token, which is owed where there is none.
    pub fn take(&mut self) {
        self.full = self.full.max(Instant::now()) + self.every;
    }

    /// Takes a token; false where there is none.
    pub fn try_take(&mut self) -> bool {
        let is_ready = self.ready() <= Instant::now();
        if is_ready {
            self.take();
        }
        is_ready
    }
}

/// Between the half and the whole of `pause`: not all who wait come back at once.
pub fn with_jitter(pause: Duration) -> Duration {
    let half = pause / 2;
    let span = u64::try_from(half.as_millis()).unwrap_or(u64::MAX - 1);
    half + Duration::from_millis(getrandom::u64().map_or(span, |chance| chance % (span + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_its_pace() {
        let mut bucket = Bucket::new(3, Duration::from_secs(2));
        assert_eq!(
            [bucket.try_take(), bucket.try_take(), bucket.try_take(), bucket.try_take()],
            [true, true, true, false]
        );
        assert_eq!(bucket.ready() - Instant::now(), Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!([bucket.try_take(), bucket.try_take()], [true, false]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((0..9).filter(|_| bucket.try_take()).count(), 3);
    }

    #[test]
    fn jitter_is_between_the_half_and_the_whole() {
        for _ in 0..100 {
            let wait = with_jitter(Duration::from_secs(8));
            assert!((Duration::from_secs(4)..=Duration::from_secs(8)).contains(&wait), "{wait:?}");
        }
    }
}

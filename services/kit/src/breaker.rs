//! A circuit breaker: after too many failed or slow calls, none are made for a while, then a few to try.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When a breaker opens, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many of the last calls are judged.
    pub window_calls: usize,
    /// Fewer calls than this are not judged.
    pub calls_min: usize,
    /// Percent of failed calls that open it.
    pub failed_percent: usize,
    /// Percent of slow calls that open it.
    pub slow_percent: usize,
    /// A call that takes longer is slow.
    pub slow_after: Duration,
    /// How long no call is made.
    pub open_for: Duration,
    /// Calls made to try, once it was open for so long.
    pub probes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_calls: 20,
            calls_min: 10,
            failed_percent: 60,
            slow_percent: 70,
            slow_after: Duration::from_secs(2),
            open_for: Duration::from_secs(10),
            probes: 5,
        }
    }
}

/// How a call went, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whether it failed, with all its tries.
    pub failed: bool,
    /// How long the other side took.
    pub took: Duration,
}

/// Judges calls to one other side. Pure: the time is an argument.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: Settings,
    calls: VecDeque<Call>,
    state: State,
    openings: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// `admitted` probes are out; those that are never told of are replaced once `until` has passed.
    Probing {
        admitted: usize,
        until: Instant,
    },
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            calls: VecDeque::new(),
            state: State::Closed,
            openings: 0,
        }
    }

    /// How often it has opened.
    #[must_use]
    pub fn openings(&self) -> u64 {
        self.openings
    }

    /// Whether a call may be made now.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match &mut self.state {
            State::Closed => Ok(()),
            State::Probing { admitted, .. } if *admitted < self.settings.probes => {
                *admitted += 1;
                Ok(())
            }
            State::Open { until } | State::Probing { until, .. } if now < *until => Err(*until - now),
            State::Open { .. } => {
                self.calls.clear();
                self.state = State::Probing {
                    admitted: 1,
                    until: now + self.settings.open_for,
                };
                Ok(())
            }
            // what was heard of the probes so far still counts
            State::Probing { .. } => {
                let admitted = self.calls.len() + 1;
                self.state = State::Probing {
                    admitted,
                    until: now + self.settings.open_for,
                };
                Ok(())
            }
        }
    }

    /// An admitted call that is not to be judged gives its place to another.
    pub fn forget(&mut self) {
        if let State::Probing { admitted, .. } = &mut self.state {
            *admitted = admitted.saturating_sub(1);
        }
    }

    /// Tells how an admitted call went; `true` if that opened the breaker.
    pub fn record(&mut self, call: Call, now: Instant) -> bool {
        let enough = match self.state {
            // a call from before it opened says nothing new
            State::Open { .. } => return false,
            State::Closed => self.settings.calls_min,
            State::Probing { .. } => self.settings.probes,
        };
        self.calls.push_back(call);
        while self.calls.len() > self.settings.window_calls {
            self.calls.pop_front();
        }
        if self.calls.len() < enough {
            return false;
        }
        let opens = self.is_bad();
        if opens {
            self.calls.clear();
            self.openings += 1;
            self.state = State::Open {
                until: now + self.settings.open_for,
            };
        } else {
            self.state = State::Closed;
        }
        opens
    }

    fn is_bad(&self) -> bool {
        let percent = |count: usize| count * 100 / self.calls.len().max(1);
        let failed = self.calls.iter().filter(|call| call.failed).count();
        let slow = self
            .calls
            .iter()
            .filter(|call| call.took > self.settings.slow_after)
            .count();
        percent(failed) >= self.settings.failed_percent || percent(slow) >= self.settings.slow_percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Call = Call {
        failed: false,
        took: Duration::from_millis(300),
    };
    const BAD: Call = Call {
        failed: true,
        took: Duration::from_millis(300),
    };
    const SLOW: Call = Call {
        failed: false,
        took: Duration::from_millis(2_001),
    };

    fn told(calls: &[(Call, usize)]) -> (Breaker, Instant, bool) {
        let (mut breaker, now) = (Breaker::new(Settings::default()), Instant::now());
        let calls = calls
            .iter()
            .flat_map(|(call, times)| std::iter::repeat_n(*call, *times));
        let opened = calls.filter(|call| breaker.record(*call, now)).count() > 0;
        (breaker, now, opened)
    }

    #[test]
    fn it_opens_at_sixty_percent_failures_of_at_least_ten() {
        assert!(!told(&[(BAD, 9)]).2);
        assert!(told(&[(BAD, 10)]).2);
        assert!(!told(&[(GOOD, 9), (BAD, 11)]).2);
        assert!(told(&[(GOOD, 8), (BAD, 12)]).2);
    }

    #[test]
    fn it_opens_at_seventy_percent_slow_calls() {
        assert!(!told(&[(GOOD, 7), (SLOW, 13)]).2);
        assert!(told(&[(GOOD, 6), (SLOW, 14)]).2);
    }

    #[test]
    fn only_the_last_twenty_calls_count() {
        assert!(!told(&[(BAD, 5), (GOOD, 20), (BAD, 11)]).2);
    }

    #[test]
    fn open_for_ten_seconds_then_five_probes_decide() {
        let (mut breaker, now, _) = told(&[(BAD, 10)]);
        assert_eq!(breaker.admit(now + Duration::from_secs(4)), Err(Duration::from_secs(6)));
        let later = now + Duration::from_secs(10);
        assert!((0..5).all(|_| breaker.admit(later).is_ok()));
        assert!(breaker.admit(later).is_err());
        let mut recovered = breaker.clone();
        assert!((0..5).all(|_| !recovered.record(GOOD, later)));
        assert!((0..50).all(|_| recovered.admit(later).is_ok()));
        let opened = (0..5).map(|_| breaker.record(BAD, later)).collect::<Vec<_>>();
        assert_eq!(opened, [false, false, false, false, true]);
        assert_eq!((breaker.openings(), recovered.openings()), (2, 1));
        assert!(breaker.admit(later).is_err());
    }

    #[test]
    fn a_probe_that_is_not_judged_gives_its_place_to_another() {
        let (mut breaker, now, _) = told(&[(BAD, 10)]);
        let later = now + Duration::from_secs(10);
        for _ in 0..4 {
            assert!(breaker.admit(later).is_ok());
            breaker.forget();
            assert!(breaker.admit(later).is_ok() && !breaker.record(GOOD, later));
        }
        assert!(breaker.admit(later).is_ok() && !breaker.record(GOOD, later));
        assert!((0..50).all(|_| breaker.admit(later).is_ok()));
    }

    #[test]
    fn probes_that_are_never_told_of_are_replaced() {
        let (mut breaker, now, _) = told(&[(BAD, 10)]);
        let later = now + Duration::from_secs(10);
        assert!((0..5).all(|_| breaker.admit(later).is_ok()));
        assert!(breaker.admit(later + Duration::from_secs(9)).is_err());
        assert!(breaker.admit(later + Duration::from_secs(10)).is_ok());
    }
}

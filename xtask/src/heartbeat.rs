//! A sign of life of what takes long and says nothing.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often.
const INTERVAL: Duration = Duration::from_secs(60);

/// Does something, and says every now and then that it has not ended yet.
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    thread::scope(|scope| {
        let (ended, end) = channel::<()>();
        scope.spawn(move || {
            while end.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                eprintln!("   {}, and it goes on", shown(start.elapsed()));
            }
        });
        let made = work();
        drop(ended);
        made
    })
}

/// A time as people say it.
pub(crate) fn shown(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, shown};

    #[test]
    fn times_are_said_in_two_units() {
        let said = |seconds| shown(Duration::from_secs(seconds));
        assert_eq!(
            [said(59), said(60), said(3599), said(3661)],
            ["59 s", "1 min 00 s", "59 min 59 s", "1 h 01 min"]
        );
    }
}

//! MSI-X vectors as event descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// One vector: the descriptor that the device signals, and whether anybody has asked since.
#[derive(Debug)]
pub struct Vector {
    event: OwnedFd,
    arrived: AtomicBool,
}

impl Vector {
    /// A vector that nobody signals yet.
    ///
    /// # Errors
    /// The process may have no more descriptors.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            event,
            arrived: AtomicBool::new(false),
        })
    }

    /// What the device has to signal.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Notes what has arrived, so that the descriptor is quiet again.
    fn collect(&self) -> bool {
        let mut count = [0; 8];
        let some = rustix::io::read(&self.event, &mut count).is_ok();
        if some {
            self.arrived.store(true, Ordering::Release);
        }
        some
    }

    /// Takes what has arrived since the last call: true when at least one interrupt.
    pub(crate) fn take(&self) -> bool {
        self.collect();
        self.arrived.swap(false, Ordering::AcqRel)
    }
}

/// The vectors that end one thread's sleep. The transports of all functions that one thread looks
/// after share one set; what another thread looks after must not be in it.
#[derive(Clone, Debug, Default)]
pub struct WakeSet(Arc<Mutex<Vec<Arc<Vector>>>>);

impl WakeSet {
    /// A set without vectors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self, vector: &Arc<Vector>) {
        let mut vectors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !vectors.iter().any(|known| Arc::ptr_eq(known, vector)) {
            vectors.push(Arc::clone(vector));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Sleeps until a vector was signalled, at most `timeout_ns`; true when one was.
    pub(crate) fn sleep(&self, timeout_ns: u64) -> io::Result<bool> {
        let vectors = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut events: Vec<PollFd<'_>> = vectors
            .iter()
            .map(|vector| PollFd::new(&vector.event, PollFlags::IN))
            .collect();
        let timeout = Timespec {
            tv_sec: (timeout_ns / 1_000_000_000) as i64,
            tv_nsec: (timeout_ns % 1_000_000_000) as _,
        };
        match poll(&mut events, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // All of them: what stays signalled would end the next sleep at once.
        let mut woken = false;
        for vector in &vectors {
            woken |= vector.collect();
        }
        Ok(woken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(vector: &Vector) {
        rustix::io::write(vector.event(), &1u64.to_ne_bytes()).expect("signalled");
    }

    #[test]
    fn a_sleep_ends_with_a_signal_and_the_signal_is_kept_for_who_asks() {
        let (set, vectors) = (
            WakeSet::new(),
            [0; 2].map(|_| Arc::new(Vector::new().expect("one"))),
        );
        vectors.iter().for_each(|vector| set.add(vector));
        assert!(!set.sleep(1_000).expect("slept"), "nothing has come");
        signal(&vectors[1]);
        assert!(set.sleep(60_000_000_000).expect("slept"));
        assert!(
            !set.sleep(1_000).expect("slept"),
            "the signal was collected"
        );
        assert!(!vectors[0].take());
        assert!(vectors[1].take(), "and is still known");
        assert!(!vectors[1].take(), "but once");
    }

    #[test]
    fn two_signals_before_a_look_are_one() {
        let vector = Vector::new().expect("a vector");
        signal(&vector);
        signal(&vector);
        assert!(vector.take());
        assert!(!vector.take());
    }
}

//! Bytes that have arrived and are not taken yet.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Room for what is read at once: more than all the values that are outstanding.
const BUFFER_BYTES: usize = 1 << 20;
/// What is moved to the front when less than this is free behind it.
const LEAST_FREE_BYTES: usize = BUFFER_BYTES / 4;

/// A server that says nothing for so long is stuck.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(20);

/// What a client does while nothing has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// Sleeps in the read, as clients do; the kernel wakes it.
    Sleep,
    /// Asks again and again; its core is never idle.
    Spin,
}

/// Bytes that have arrived and are not taken yet. Replies are parsed and lent where the kernel has
/// put them.
pub struct Received {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Default for Received {
    fn default() -> Self {
        Self {
            bytes: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }
}

impl Received {
    /// What has arrived.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Forgets the first `count` bytes.
    pub fn take(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Waits until more has arrived.
    ///
    /// # Errors
    /// The connection's, its end among them.
    pub fn wait(&mut self, stream: &mut impl Read) -> Result<()> {
        if self.bytes.len() - self.end < LEAST_FREE_BYTES {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let mut silent_since = None;
        loop {
            match stream.read(&mut self.bytes[self.end..]) {
                Ok(count) => {
                    ensure!(count > 0, "the server has closed the connection");
                    self.end += count;
                    return Ok(());
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
                {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    ensure!(
                        since.elapsed() < LONGEST_SILENCE,
                        "the server has not answered for {LONGEST_SILENCE:?}"
                    );
                    std::hint::spin_loop();
                }
                Err(error) => return Err(error).context("reading from the server"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_in_order_however_they_arrive_and_are_taken() {
        let mut stream = (0..8 * BUFFER_BYTES)
            .map(|at| (at % 251) as u8)
            .collect::<Vec<_>>();
        let expected = stream.clone();
        stream.reverse();
        let mut source = Backwards(stream);
        let mut received = Received::default();
        let mut taken = Vec::new();
        while taken.len() < expected.len() {
            if received.bytes().len() < 5000
                && taken.len() + received.bytes().len() < expected.len()
            {
                received.wait(&mut source).unwrap();
            }
            let some = received.bytes().len().min(3600);
            taken.extend_from_slice(&received.bytes()[..some]);
            received.take(some);
        }
        assert!(taken == expected);
        let closed = received.wait(&mut source).unwrap_err().to_string();
        assert!(closed.contains("closed"), "{closed}");
    }

    /// Gives its bytes from the end on, at most 70,001 at a time.
    struct Backwards(Vec<u8>);

    impl Read for Backwards {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = into.len().min(70_001).min(self.0.len());
            for slot in &mut into[..count] {
                *slot = self.0.pop().unwrap_or_default();
            }
            Ok(count)
        }
    }
}

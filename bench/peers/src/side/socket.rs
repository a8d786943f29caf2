//! A connection to a server: requests gathered and sent by one system call, replies parsed in place.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};

use crate::protocol::receive::{LONGEST_SILENCE, Received, Waiting};

/// A TCP or Unix stream.
pub trait Stream: Read + Write {
    /// What a read does while nothing has arrived.
    ///
    /// # Errors
    /// The operating system's.
    fn set_waiting(&self, waiting: Waiting) -> std::io::Result<()>;
}

impl Stream for TcpStream {
    fn set_waiting(&self, waiting: Waiting) -> std::io::Result<()> {
        self.set_nodelay(true)?;
        self.set_read_timeout(Some(LONGEST_SILENCE))?;
        self.set_nonblocking(waiting == Waiting::Spin)
    }
}

impl Stream for UnixStream {
    fn set_waiting(&self, waiting: Waiting) -> std::io::Result<()> {
        self.set_read_timeout(Some(LONGEST_SILENCE))?;
        self.set_nonblocking(waiting == Waiting::Spin)
    }
}

/// Requests to a server and what it answers.
pub struct Connection<S> {
    stream: S,
    /// Requests to be sent.
    pub(super) requests: Vec<u8>,
    /// Replies to be taken.
    pub(super) received: Received,
}

impl<S: Stream> Connection<S> {
    /// Takes a connected stream.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(stream: S, waiting: Waiting) -> Result<Self> {
        stream
            .set_waiting(waiting)
            .context("setting a connection up")?;
        Ok(Self {
            stream,
            requests: Vec::new(),
            received: Received::default(),
        })
    }

    /// Sends the requests.
    pub(super) fn send(&mut self) -> Result<()> {
        let mut sent = 0;
        while sent < self.requests.len() {
            match self.stream.write(&self.requests[sent..]) {
                Ok(count) => sent += count,
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted
                    ) =>
                {
                    std::hint::spin_loop();
                }
                Err(error) => return Err(error).context("writing to the server"),
            }
        }
        self.requests.clear();
        Ok(())
    }

    /// Waits until more has arrived.
    pub(super) fn wait(&mut self) -> Result<()> {
        self.received.wait(&mut self.stream)
    }
}

//! Sockets: who comes, what clients say, and the sleep between.

use std::os::fd::AsFd;
use std::time::Duration;

use pcie_host::endpoint::{Cycle, FunctionId, NANOSECONDS_PER_CYCLE};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use super::{CLIENTS, LISTENERS, STOP, Server};
use crate::doorbells::DoorbellPage;
use crate::options::{Event, ServerError};
use crate::session::Session;

/// Messages of one client in a row.
const MESSAGES_A_LOOK: usize = 256;
/// Shortest and longest sleep while a client stores its doorbells where nobody is woken by them.
const NAP: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(1));
/// What is due sooner than this is waited for without sleeping.
const SHORTEST_SLEEP_CYCLES: Cycle = 60_000 / NANOSECONDS_PER_CYCLE;

/// How long the server sleeps before it looks at what has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rest {
    /// Not at all.
    Not,
    /// So long, if nothing comes.
    For(Duration),
    /// Until something comes.
    UntilWoken,
}

impl Rest {
    fn at_most(self, limit: Duration) -> Self {
        match self {
            Self::Not => Self::Not,
            Self::For(rest) => Self::For(rest.min(limit)),
            Self::UntilWoken => Self::For(limit),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs() as i64,
        tv_nsec: duration.subsec_nanos().into(),
    }
}

impl Server {
    /// Messages and clients, after a rest that they end; true when there was anything.
    pub(super) fn look_at_sockets(&mut self, rest: Rest) -> Result<bool, ServerError> {
        if let Rest::For(nap) = rest {
            // The poll set itself sleeps in milliseconds on some kernels. An interrupted sleep is a short one.
            let mut fds = [PollFd::from_borrowed_fd(self.epoll.as_fd(), PollFlags::IN)];
            if poll(&mut fds, Some(&timespec(nap))) == Ok(0) && !self.has_unsent() {
                return Ok(false);
            }
        }
        let mut events = Vec::with_capacity(32);
        let limit = timespec(Duration::ZERO);
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            (rest != Rest::UntilWoken).then_some(&limit),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(ServerError::system("epoll")(errno.into())),
        }
        let mut busy = false;
        for index in 0..self.functions.len() {
            let session = self.functions[index].session.as_ref();
            if session.is_some_and(|session| session.connection.has_unsent()) {
                self.at_desk(FunctionId(index as u8), |desk| {
                    desk.session.connection.flush()?;
                    Ok(())
                });
            }
        }
        // Clients before listeners: who reconnects finds the function free.
        events.sort_by_key(|event| std::cmp::Reverse(event.data.u64()));
        for event in events {
            match event.data.u64() {
                STOP => {
                    self.stopped = true;
                    busy = true;
                }
                data @ CLIENTS.. => {
                    self.serve(FunctionId((data - CLIENTS) as u8));
                    busy = true;
                }
                data => busy |= self.welcome(FunctionId((data - LISTENERS) as u8)),
            }
        }
        Ok(busy)
    }

    /// Takes a client's messages.
    fn serve(&mut self, function: FunctionId) {
        self.at_desk(function, |desk| {
            for _ in 0..MESSAGES_A_LOOK {
                let Some(message) = desk.session.connection.try_receive()? else {
                    break;
                };
                desk.receive(message)?;
            }
            Ok(())
        });
    }

    /// Takes a client that wants to connect; false when it has to wait for the function's reset.
    fn welcome(&mut self, function: FunctionId) -> bool {
        let row = &mut self.functions[function.index()];
        if row.resetting && row.session.is_none() {
            return false;
        }
        let Ok(Some(stream)) = row.socket.accept() else {
            return false;
        };
        if row.session.is_some() {
            (self.tell)(&Event::Refused { function });
            return true;
        }
        let data = epoll::EventData::new_u64(CLIENTS + u64::from(function.0));
        let flags = epoll::EventFlags::IN;
        let Ok(doorbells) = DoorbellPage::new(self.engine.vectors()) else {
            return true;
        };
        if epoll::add(&self.epoll, &stream, data, flags).is_err() {
            return true;
        }
        row.session = Some(Session::new(stream, doorbells));
        (self.tell)(&Event::Connected { function });
        true
    }

    /// Something waits for a client to read it.
    fn has_unsent(&self) -> bool {
        let mut sessions = self.functions.iter().filter_map(|row| row.session.as_ref());
        sessions.any(|session| session.connection.has_unsent())
    }

    /// There is nothing to do, for `idle` now: may it sleep?
    pub(super) fn rest(&self, idle: Duration) -> Rest {
        let Some(spin) = self.options.spin else {
            return Rest::Not;
        };
        if idle < spin {
            return Rest::Not;
        }
        let mut rest = Rest::UntilWoken;
        if let Some(next) = self.engine.next_event()
            && self.engine.is_paced()
        {
            let cycles = next.saturating_sub(self.engine.now());
            if cycles < SHORTEST_SLEEP_CYCLES {
                return Rest::Not;
            }
            let nanoseconds = (cycles - SHORTEST_SLEEP_CYCLES / 2) * NANOSECONDS_PER_CYCLE;
            rest = rest.at_most(Duration::from_nanos(nanoseconds));
        }
        // Nobody is told sooner of what a doorbell begins now, so there is no use in looking before.
        let held = self.engine.host.next_interrupt();
        let shortest = held.map_or(NAP.0, |wait| wait.max(NAP.0));
        if let Some(wait) = held {
            rest = rest.at_most(wait);
        }
        let looks = |session: &Session| session.doorbells.shared || session.connection.has_unsent();
        let mut sessions = self.functions.iter().filter_map(|row| row.session.as_ref());
        if sessions.any(looks) {
            rest = rest.at_most((idle / 8).clamp(shortest, NAP.1.max(shortest)));
        }
        rest
    }
}

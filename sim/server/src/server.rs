//! The server: sockets, clients and the endpoint in one loop.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use pcie_host::endpoint::{Cycle, Endpoint, FunctionId};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use crate::commands::{Desk, ring_doorbells};
use crate::config::Shape;
use crate::directory::Socket;
use crate::doorbells::DoorbellPage;
use crate::engine::Engine;
use crate::function::Function;
use crate::mapped_file::MappedFiles;
use crate::options::{Event, ServerError, ServerOptions};
use crate::session::{Dropped, Session};
use crate::sigbus;

/// Steps of the endpoint between two looks at the doorbells.
const STEPS: usize = 32;
/// Looks at the doorbells between two looks at the sockets: a system call each.
const TURNS_A_LOOK_AT_SOCKETS: u32 = 32;
/// Messages of one client in a row.
const MESSAGES_A_LOOK: usize = 256;
/// Shortest and longest sleep while a client stores its doorbells where nobody is woken by them.
const NAP: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(1));
/// What is due sooner than this is waited for without sleeping.
const SHORTEST_SLEEP_CYCLES: Cycle = 60_000 / 8;

/// What an event of the poll set belongs to.
const LISTENERS: u64 = 0;
const CLIENTS: u64 = 1 << 8;
const STOP: u64 = 1 << 16;

/// A server of one device.
pub struct Server {
    options: ServerOptions,
    engine: Engine,
    functions: Vec<Function>,
    files: MappedFiles,
    epoll: OwnedFd,
    lost_seen: usize,
    stopped: bool,
    tell: Box<dyn FnMut(&Event)>,
}

impl Server {
    /// Serves `endpoint`: the sockets are there when this returns.
    ///
    /// # Errors
    /// Options that do not fit the device, or sockets that cannot be made.
    pub fn new(endpoint: Box<dyn Endpoint>, options: ServerOptions) -> Result<Self, ServerError> {
        options.host.validate()?;
        let available = endpoint.virtual_functions() + 1;
        let wanted = options.functions;
        if wanted == 0 {
            return Err(ServerError::NoFunctions);
        }
        if wanted > available {
            return Err(ServerError::TooManyFunctions { wanted, available });
        }
        let engine = Engine::new(endpoint, &options);
        let set = || -> rustix::io::Result<OwnedFd> { epoll::create(epoll::CreateFlags::CLOEXEC) };
        let epoll = set().map_err(|errno| ServerError::system("epoll")(errno.into()))?;
        let mut functions = vec![];
        for function in (0..wanted).map(FunctionId) {
            let socket = Socket::listen(&options.directory, function)?;
            let data = epoll::EventData::new_u64(LISTENERS + u64::from(function.0));
            epoll::add(&epoll, &socket.listener, data, epoll::EventFlags::IN)
                .map_err(|errno| ServerError::system("epoll")(errno.into()))?;
            let shape = Shape {
                function,
                vectors: engine.vectors(),
                shown_vfs: if options.reveal_sriov && function == FunctionId::PF {
                    wanted - 1
                } else {
                    0
                },
            };
            functions.push(Function::new(shape, socket));
        }
        Ok(Self {
            options,
            engine,
            functions,
            files: MappedFiles::default(),
            epoll,
            lost_seen: sigbus::lost_count(),
            stopped: false,
            tell: Box::new(|_| {}),
        })
    }

    /// Who wants to hear what happens.
    pub fn on_event(&mut self, tell: impl FnMut(&Event) + 'static) {
        self.tell = Box::new(tell);
    }

    /// The sockets, PF first.
    pub fn sockets(&self) -> Vec<std::path::PathBuf> {
        let path = |function: &Function| function.socket.path.clone();
        self.functions.iter().map(path).collect()
    }

    /// Serves until `stop` can be read.
    ///
    /// # Errors
    /// The poll set does not work.
    pub fn run(&mut self, stop: BorrowedFd<'_>) -> Result<(), ServerError> {
        let data = epoll::EventData::new_u64(STOP);
        epoll::add(&self.epoll, stop, data, epoll::EventFlags::IN)
            .map_err(|errno| ServerError::system("epoll")(errno.into()))?;
        let mut idle_since: Option<Instant> = None;
        let mut turns = 0;
        while !self.stopped {
            let mut busy = self.turn();
            turns += 1;
            if turns >= TURNS_A_LOOK_AT_SOCKETS {
                turns = 0;
                busy |= self.look_at_sockets()?;
                if !busy {
                    let since = *idle_since.get_or_insert_with(Instant::now);
                    if self.rest(since.elapsed()) {
                        turns = TURNS_A_LOOK_AT_SOCKETS;
                    }
                }
            }
            if busy {
                idle_since = None;
            } else {
                std::hint::spin_loop();
            }
        }
        Ok(())
    }

    /// Doorbells, then the endpoint, then what it has said; true when anything happened.
    #[inline]
    fn turn(&mut self) -> bool {
        let mut busy = false;
        for function in &self.functions {
            if let Some(session) = &function.session {
                busy |= ring_doorbells(function, session, &mut self.engine);
            }
        }
        let limit = self.engine.limit();
        for _ in 0..STEPS {
            if !self.engine.step(limit) {
                self.engine.pass_time(limit);
                break;
            }
            busy = true;
            // A client may have to be asked: then the limit is another one.
            if self.engine.host.noticed {
                break;
            }
        }
        if self.engine.host.noticed {
            self.notice();
        }
        if sigbus::lost_count() != self.lost_seen {
            self.drop_lost();
        }
        busy
    }

    /// What the endpoint has said: answers, resets that are done, memory of clients that it wants.
    fn notice(&mut self) {
        self.engine.host.noticed = false;
        for function in std::mem::take(&mut self.engine.host.resets_done) {
            let Some(row) = self.functions.get_mut(function.index()) else {
                continue;
            };
            row.reset_done(&mut self.engine);
            self.at_desk(function, |desk| desk.finish_reset());
        }
        if let Some((tag, value)) = self.engine.take_register_answer() {
            for index in 0..self.functions.len() {
                let function = FunctionId(index as u8);
                self.at_desk(function, |desk| {
                    desk.take_register(tag, value)?;
                    desk.go_on_reading()
                });
            }
        }
        for index in 0..self.functions.len() {
            if !self.engine.host.functions[index].remote.outbox.is_empty() {
                self.at_desk(FunctionId(index as u8), |desk| desk.send_outbox());
            }
        }
    }

    /// Does something for a function's client, if there is one, and drops it if that is the outcome.
    fn at_desk(
        &mut self,
        function: FunctionId,
        work: impl FnOnce(&mut Desk<'_>) -> Result<(), Dropped>,
    ) {
        let row = &mut self.functions[function.index()];
        let Some(mut session) = row.session.take() else {
            return;
        };
        let mut desk = Desk {
            function: row,
            session: &mut session,
            engine: &mut self.engine,
            files: &mut self.files,
            doorbells: self.options.doorbells,
        };
        let result = work(&mut desk);
        row.session = Some(session);
        if let Err(Dropped(reason)) = result {
            self.drop_client(function, reason);
        }
    }

    fn drop_client(&mut self, function: FunctionId, reason: String) {
        self.functions[function.index()].abandon(&mut self.engine);
        (self.tell)(&Event::Left { function, reason });
    }

    /// Drops those whose memory is gone.
    fn drop_lost(&mut self) {
        self.lost_seen = sigbus::lost_count();
        for index in 0..self.functions.len() {
            let lost = self.engine.host.functions[index].ranges.has_lost_memory();
            if lost && self.functions[index].session.is_some() {
                let reason = "it has shortened a file that it had given for DMA".to_owned();
                self.drop_client(FunctionId(index as u8), reason);
            }
        }
    }

    /// Messages and clients; true when there was anything.
    fn look_at_sockets(&mut self) -> Result<bool, ServerError> {
        let mut events = Vec::with_capacity(32);
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&zero),
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

    /// There is nothing to do for `idle` now: sleeps, if that is wanted and nothing is due soon. True
    /// when it has slept.
    fn rest(&mut self, idle: Duration) -> bool {
        let Some(spin) = self.options.spin else {
            return false;
        };
        if idle < spin {
            return false;
        }
        let mut nap = None;
        let mut at_most = |limit: Duration| {
            nap = Some(nap.map_or(limit, |nap: Duration| nap.min(limit)));
        };
        if let Some(next) = self.engine.next_event()
            && self.engine.is_paced()
        {
            let cycles = next.saturating_sub(self.engine.now());
            if cycles < SHORTEST_SLEEP_CYCLES {
                return false;
            }
            at_most(Duration::from_nanos(
                (cycles - SHORTEST_SLEEP_CYCLES / 2) * 8,
            ));
        }
        for session in self.functions.iter().filter_map(|row| row.session.as_ref()) {
            if session.doorbells.shared || session.connection.has_unsent() {
                at_most((idle / 8).clamp(NAP.0, NAP.1));
            }
        }
        let timeout = nap.map(|nap| Timespec {
            tv_sec: nap.as_secs() as i64,
            tv_nsec: nap.subsec_nanos().into(),
        });
        let mut fds = [PollFd::from_borrowed_fd(self.epoll.as_fd(), PollFlags::IN)];
        // An interrupted sleep is a short one.
        let _ = poll(&mut fds, timeout.as_ref());
        true
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.options.directory.display())
    }
}

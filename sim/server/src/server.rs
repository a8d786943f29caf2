//! The server: sockets, clients and the endpoint in one loop.

mod sockets;

use std::num::NonZeroU64;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use pcie_host::endpoint::{Endpoint, FunctionId};
use rustix::event::epoll;

use crate::commands::{Desk, ring_doorbells};
use crate::config::Shape;
use crate::directory::Socket;
use crate::engine::Engine;
use crate::function::Function;
use crate::mapped_file::MappedFiles;
use crate::options::{Event, ServerError, ServerOptions};
use crate::session::Dropped;
use crate::sigbus;
use sockets::Rest;

/// Steps of the endpoint between two looks at the doorbells.
const STEPS: usize = 32;
/// Looks at the doorbells between two looks at the sockets: a system call each.
const TURNS_A_LOOK_AT_SOCKETS: u32 = 32;
/// How much later than asked for the kernel may end a sleep; it takes 50 µs unless it is told, more than
/// twice the shortest nap.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::new(1_000).expect("not zero");
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
        // Where the kernel cannot, naps are longer, which is no error.
        let _ = rustix::thread::set_current_timer_slack(Some(TIMER_SLACK_NS));
        let mut idle_since: Option<Instant> = None;
        let mut turns = 0;
        // Who is not to spin gains nothing by another look at the doorbells before the sockets.
        let idle_turns = match self.options.spin {
            Some(Duration::ZERO) => 1,
            _ => TURNS_A_LOOK_AT_SOCKETS,
        };
        while !self.stopped {
            let mut busy = self.turn();
            turns += 1;
            if turns >= TURNS_A_LOOK_AT_SOCKETS || (!busy && turns >= idle_turns) {
                turns = 0;
                let rest = if busy {
                    Rest::Not
                } else {
                    let since = *idle_since.get_or_insert_with(Instant::now);
                    self.rest(since.elapsed())
                };
                busy |= self.look_at_sockets(rest)?;
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
        self.engine.host.signal_interrupts();
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
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.options.directory.display())
    }
}

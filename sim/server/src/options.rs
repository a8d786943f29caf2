//! What a server is made from, and what it tells.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use pcie_host::HostOptions;
use pcie_host::endpoint::FunctionId;
use thiserror::Error;

/// How simulated time and real time belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// As fast as possible: simulated time jumps to the next thing that happens.
    Fast,
    /// Real time: a cycle takes 8 ns, and the link's round trip lies between doorbell and device.
    Real,
    /// The medium in real time: as `Real`, but what a command takes beside the medium is for free, up
    /// to [`FREE_CYCLES`](crate::FREE_CYCLES).
    Media,
}

/// Whether clients map the doorbell page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doorbells {
    /// Clients may map the page, which is polled then; or write by messages.
    Mapped,
    /// By messages only, which keeps every write in order.
    Trapped,
}

/// Parameters of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where the sockets are: `pf/cntrl`, `vf0/cntrl` and so on below it. Made if it is not there.
    pub directory: PathBuf,
    /// Functions served: the PF and the first VFs.
    pub functions: u8,
    /// How fast time goes.
    pub pace: Pace,
    /// How doorbells come.
    pub doorbells: Doorbells,
    /// How long the server looks for work without a pause after there was some; then it sleeps, and
    /// looks at mapped doorbells now and then. `None`: it never sleeps.
    pub spin: Option<Duration>,
    /// A client is interrupted once in so long by a vector whose messages come in a stream, which is four and more in
    /// that time; by any other at once. For clients to whom an interrupt costs far more than a command, as to an
    /// emulated processor.
    pub interrupt_gap: Duration,
    /// Show the PF's SR-IOV capability once the client has reset the device, as a vendor's capability
    /// until then: QEMU takes SR-IOV away from what it sees at its start.
    pub reveal_sriov: bool,
    /// The link.
    pub host: HostOptions,
}

impl ServerOptions {
    /// The defaults for sockets below `directory`: one function, as fast as possible.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            functions: 1,
            pace: Pace::Fast,
            doorbells: Doorbells::Mapped,
            spin: Some(Duration::from_micros(200)),
            interrupt_gap: Duration::ZERO,
            reveal_sriov: false,
            host: HostOptions::default(),
        }
    }
}

/// Why a server could not be made, or could not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// More functions than the device has.
    #[error(
        "{wanted} functions are to be served and the device has {available}: the PF and its VFs"
    )]
    TooManyFunctions {
        /// Asked for.
        wanted: u8,
        /// There are.
        available: u8,
    },
    /// No functions at all.
    #[error("0 functions are to be served; serve at least one")]
    NoFunctions,
    /// A parameter of the link.
    #[error(transparent)]
    Host(#[from] pcie_host::HostError),
    /// Another server listens there.
    #[error("{}: another server is listening; stop it, or serve in another directory", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket is in the way.
    #[error("{}: there is something else than a socket; move it away", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried, and with what.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl ServerError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

/// Something that happened to a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A client is there.
    Connected {
        /// At which function.
        function: FunctionId,
    },
    /// A client was sent away: the function has one already.
    Refused {
        /// At which function.
        function: FunctionId,
    },
    /// A client has gone, or was dropped; its function is being reset.
    Left {
        /// At which function.
        function: FunctionId,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { function } => write!(f, "{function}: a client has connected"),
            Self::Refused { function } => {
                write!(f, "{function}: a second client was refused")
            }
            Self::Left { function, reason } => write!(f, "{function}: the client left: {reason}"),
        }
    }
}

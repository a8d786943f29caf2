//! Starts all servers, fills them, and lists who takes part in what.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::contest::{Contest, Discipline};
use crate::cores::Cores;
use crate::device::{Device, Pacing, serve};
use crate::load::{Load, Mix};
use crate::protocol::receive::Waiting;
use crate::servers::{memcached_on_tcp, memcached_on_unix, redis_on_unix};
use crate::side::memcached::{Dialect, Memcached};
use crate::side::redis::Redis;
use crate::side::socket::{Connection, Stream};
use crate::verdict::Roles;

const SEED: u64 = 1;

const ONE: usize = 1;
const MANY: usize = 32;

/// What the sides that are compared most closely take part in.
const ALL: &[Discipline] = &[
    Discipline::new(Mix::Gets, ONE),
    Discipline::new(Mix::Updates, ONE),
    Discipline::new(Mix::A, ONE),
    Discipline::new(Mix::Gets, MANY),
    Discipline::new(Mix::Updates, MANY),
    Discipline::new(Mix::A, MANY),
];
const GETS_AND_UPDATES: &[Discipline] = &[
    Discipline::new(Mix::Gets, ONE),
    Discipline::new(Mix::Updates, ONE),
    Discipline::new(Mix::Gets, MANY),
    Discipline::new(Mix::Updates, MANY),
];
const LATENCIES: &[Discipline] = &[
    Discipline::new(Mix::Gets, ONE),
    Discipline::new(Mix::Updates, ONE),
];
const UPDATES: &[Discipline] = &[
    Discipline::new(Mix::Updates, ONE),
    Discipline::new(Mix::Updates, MANY),
];
const MANY_GETS: &[Discipline] = &[Discipline::new(Mix::Gets, MANY)];
const READS: &[Discipline] = &[
    Discipline::new(Mix::Reads, ONE),
    Discipline::new(Mix::Reads, MANY),
];

/// How the clients of sockets wait, as the table says it.
const SLEEPS: &str = "client sleeps";
const SPINS: &str = "client spins";

/// Everybody, ready and paused.
pub struct LineUp {
    /// Those who take part.
    pub contest: Contest,
    /// Who is who in the ratios.
    pub roles: Roles,
    /// Who runs where.
    pub cores: Cores,
    /// The served devices.
    pub devices: Devices,
    /// Sockets and logs; they go when it is dropped.
    pub folder: TempDir,
}

/// The served devices, each with the number of its server.
pub struct Devices([(usize, Device); 2]);

impl Devices {
    /// Fused pairs that have written so far, by the devices' own counters.
    ///
    /// # Errors
    /// A device does not answer.
    pub fn pairs_written(&self, contest: &Contest) -> Result<u64> {
        let mut sum = 0;
        for (server, device) in &self.0 {
            sum += contest.awake(*server, || device.pairs_written())?;
        }
        Ok(sum)
    }

    /// Updates of the store that stints have made so far.
    pub fn updates(&self, contest: &Contest) -> u64 {
        let servers = self.0.iter().map(|(server, _)| *server);
        servers.map(|server| contest.updates(server)).sum()
    }
}

/// Starts everybody; `rdstore` is the program that serves the devices.
///
/// # Errors
/// Something is not installed, does not come up, or loses a record.
pub fn line_up(rdstore: &Path, records: u32, mut say: impl FnMut(&str)) -> Result<LineUp> {
    let cores = Cores::of_this_process()?;
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let place = folder.path();
    say("starting memcached (twice), Redis and two devices");
    let (tcp_process, address) = memcached_on_tcp(cores.server, place)?;
    let (unix_process, memcached_socket) = memcached_on_unix(cores.server, place)?;
    let (redis_process, redis_socket) = redis_on_unix(cores.server, place)?;
    cores.pin_client()?;

    let tcp = |dialect, waiting| {
        let stream = TcpStream::connect(address).context("connecting to memcached")?;
        memcached(stream, dialect, waiting)
    };
    let unix = |dialect| {
        let stream = UnixStream::connect(&memcached_socket).context("connecting to memcached")?;
        memcached(stream, dialect, Waiting::Sleep)
    };
    let redis = |multi_get| {
        let stream = UnixStream::connect(&redis_socket).context("connecting to Redis")?;
        let connection = Connection::new(stream, Waiting::Sleep)?;
        anyhow::Ok(Redis::new(connection, multi_get))
    };

    let mut contest = Contest::new(Load::new(records, SEED));
    say("filling memcached on TCP");
    let mut plain = tcp(Dialect::Plain, Waiting::Sleep)?;
    let server = contest.add_server(tcp_process, &mut plain)?;
    let roles_tcp = contest.add(server, "memcached TCP", SLEEPS, ALL, plain);
    let spinning = tcp(Dialect::Plain, Waiting::Spin)?;
    let roles_spinning = contest.add(server, "memcached TCP", SPINS, LATENCIES, spinning);
    let cas = tcp(Dialect::CompareAndSwap, Waiting::Sleep)?;
    let roles_cas = contest.add(server, "memcached TCP, gets+cas", SLEEPS, UPDATES, cas);
    let multi = tcp(Dialect::MultiGet, Waiting::Sleep)?;
    contest.add(server, "memcached TCP, multiget", SLEEPS, MANY_GETS, multi);

    say("filling memcached on a Unix socket");
    let mut plain = unix(Dialect::Plain)?;
    let server = contest.add_server(unix_process, &mut plain)?;
    let label = "memcached Unix socket";
    let mut on_unix = vec![contest.add(server, label, SLEEPS, GETS_AND_UPDATES, plain)];
    let multi = unix(Dialect::MultiGet)?;
    let label = "memcached Unix socket, multiget";
    on_unix.push(contest.add(server, label, SLEEPS, MANY_GETS, multi));

    say("filling Redis");
    let mut plain = redis(false)?;
    let server = contest.add_server(redis_process, &mut plain)?;
    let label = "Redis Unix socket";
    on_unix.push(contest.add(server, label, SLEEPS, GETS_AND_UPDATES, plain));
    let multi = redis(true)?;
    let label = "Redis Unix socket, MGET";
    on_unix.push(contest.add(server, label, SLEEPS, MANY_GETS, multi));

    say("filling a store on the served device");
    let fast = add_device(
        &mut contest,
        rdstore,
        cores,
        place,
        Pacing::AsFastAsPossible,
    )?;
    say("filling a store on the paced device");
    let pacing = Pacing::TenMicrosecondsOfMedia;
    let paced = add_device(&mut contest, rdstore, cores, place, pacing)?;
    Ok(LineUp {
        contest,
        roles: Roles {
            tcp: roles_tcp,
            tcp_spinning: roles_spinning,
            tcp_cas: roles_cas,
            unix: on_unix,
            store: fast.store,
            reads: fast.reads,
            paced_store: paced.store,
        },
        cores,
        devices: Devices([(fast.server, fast.device), (paced.server, paced.device)]),
        folder,
    })
}

fn memcached<S: Stream>(stream: S, dialect: Dialect, waiting: Waiting) -> Result<Memcached<S>> {
    Ok(Memcached::new(Connection::new(stream, waiting)?, dialect))
}

/// A served device and its entries.
struct Added {
    server: usize,
    device: Device,
    store: usize,
    reads: usize,
}

fn add_device(
    contest: &mut Contest,
    rdstore: &Path,
    cores: Cores,
    folder: &Path,
    pacing: Pacing,
) -> Result<Added> {
    let (process, sockets) = serve(rdstore, cores.server, folder, pacing)?;
    let device = Device::open(&sockets)?;
    let mut store = device.store()?;
    let reads = device.random_reads()?;
    let server = contest.add_server(process, &mut store)?;
    let shown = pacing.shown();
    let store = contest.add(server, "RDStore vfio-user", shown, ALL, store);
    let reads = contest.add(server, "driver vfio-user", shown, READS, reads);
    Ok(Added {
        server,
        device,
        store,
        reads,
    })
}

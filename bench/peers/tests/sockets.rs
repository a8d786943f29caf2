//! The sides that speak over sockets, on the real servers: every operation ends, every value is right.
//! Needs Debian's memcached and redis-tools (`cargo xtask setup`).

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rdstore_peers::cores::Cores;
use rdstore_peers::load::{Ledger, Load, Mix};
use rdstore_peers::protocol::receive::Waiting;
use rdstore_peers::servers::{memcached_on_tcp, memcached_on_unix, redis_on_unix};
use rdstore_peers::side::Side;
use rdstore_peers::side::memcached::{Dialect, Memcached};
use rdstore_peers::side::redis::Redis;
use rdstore_peers::side::socket::{Connection, Stream};
use rdstore_peers::stint::{Stint, run};

/// Few enough that updates of one record meet all the time.
const RECORDS: u32 = 20;

fn check(mut side: impl Side, load: &Load) {
    let mut ledger = Ledger::fill(&mut side, load).unwrap();
    for (mix, outstanding, batch) in [
        (Mix::Gets, 1, 1),
        (Mix::Updates, 1, 1),
        (Mix::A, 1, 1),
        (Mix::Gets, 32, 16),
        (Mix::Updates, 32, 8),
        (Mix::A, 32, 1),
    ] {
        let stint = Stint {
            mix,
            outstanding,
            batch,
            measured: Duration::from_millis(30),
            warm_up: Duration::ZERO,
        };
        let ran = run(&mut side, &mut ledger, load, 0, &stint).unwrap();
        assert_eq!(ran.verified + ran.updates, ran.operations, "{mix:?}");
        assert!(ran.operations >= outstanding as u64, "{mix:?}");
    }
}

fn memcached<S: Stream>(stream: S, dialect: Dialect, waiting: Waiting) -> Memcached<S> {
    Memcached::new(Connection::new(stream, waiting).unwrap(), dialect)
}

#[test]
fn memcached_and_redis_answer_right() {
    let folder = tempfile::tempdir().unwrap();
    let core = Cores::of_this_process().unwrap().server;
    let load = Load::new(RECORDS, 3);
    let (_tcp, address) = memcached_on_tcp(core, folder.path()).unwrap();
    let (_unix, memcached_socket) = memcached_on_unix(core, folder.path()).unwrap();
    let (_redis, redis_socket) = redis_on_unix(core, folder.path()).unwrap();
    for dialect in [Dialect::Plain, Dialect::MultiGet, Dialect::CompareAndSwap] {
        for waiting in [Waiting::Sleep, Waiting::Spin] {
            let tcp = TcpStream::connect(address).unwrap();
            check(memcached(tcp, dialect, waiting), &load);
            let unix = UnixStream::connect(&memcached_socket).unwrap();
            check(memcached(unix, dialect, waiting), &load);
        }
    }
    for multi_get in [false, true] {
        let unix = UnixStream::connect(&redis_socket).unwrap();
        let connection = Connection::new(unix, Waiting::Sleep).unwrap();
        check(Redis::new(connection, multi_get), &load);
    }
}

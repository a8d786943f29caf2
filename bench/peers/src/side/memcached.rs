//! memcached, over TCP or a Unix socket.

use std::collections::VecDeque;

use anyhow::{Result, bail};

use super::gathered::Gathered;
use super::socket::{Connection, Stream};
use super::{Ended, Place, Side};
use crate::protocol::memcached::{Reply, cas, get, parse, set};

/// How values are looked up and replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// `get` for each look-up, `set` for each update.
    Plain,
    /// As `Plain`, with all look-ups that are started together in one `get`.
    MultiGet,
    /// As `Plain`, with `gets` and `cas` for each update, again when somebody else was faster: what
    /// an update has to be when several clients write.
    CompareAndSwap,
}

/// A reply that is due.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// A value, then `END` if it is the last of its command.
    Value { place: Place, last: bool },
    /// The value and the cas number of a key that is to be updated, then `END`.
    CasNumber { place: Place },
    /// The outcome of `set` or `cas`.
    Stored { place: Place },
}

/// One connection to memcached.
pub struct Memcached<S> {
    connection: Connection<S>,
    dialect: Dialect,
    due: VecDeque<Due>,
    /// `MultiGet`: the keys of the next `get`.
    gathered: Gathered,
    /// `CompareAndSwap`: key and value of the update of each place.
    updates: Vec<(Vec<u8>, Vec<u8>)>,
}

const END: &[u8] = b"END\r\n";

impl<S: Stream> Memcached<S> {
    /// Speaks `dialect` on a connection.
    pub fn new(connection: Connection<S>, dialect: Dialect) -> Self {
        Self {
            connection,
            dialect,
            due: VecDeque::new(),
            gathered: Gathered::default(),
            updates: Vec::new(),
        }
    }

    /// One `get` for all look-ups since the last one.
    fn request_gathered(&mut self) {
        let gathered = self.gathered.take();
        let count = gathered.len();
        if count == 0 {
            return;
        }
        let keys = gathered.clone().map(|(_, key)| key);
        get(&mut self.connection.requests, keys, false);
        for (index, (place, _)) in gathered.enumerate() {
            let last = index + 1 == count;
            self.due.push_back(Due::Value { place, last });
        }
    }

    /// Takes one reply; false while none is whole.
    fn take_reply(
        &mut self,
        on_end: &mut impl FnMut(Place, Ended<'_>) -> Result<()>,
    ) -> Result<bool> {
        let Some((reply, mut consumed)) = parse(self.connection.received.bytes())? else {
            return Ok(false);
        };
        if let (Reply::Value { .. }, Some(Due::Value { last: true, .. } | Due::CasNumber { .. })) =
            (reply, self.due.front())
        {
            // The reply is whole with its last line.
            let rest = &self.connection.received.bytes()[consumed..];
            if rest.len() < END.len() {
                return Ok(false);
            }
            if !rest.starts_with(END) {
                bail!("memcached sent more values than it was asked for");
            }
            consumed += END.len();
        }
        match (self.due.pop_front(), reply) {
            (Some(Due::Value { place, .. }), Reply::Value { data, .. }) => {
                on_end(place, Ended::Found(data))?;
            }
            (Some(Due::CasNumber { place }), Reply::Value { cas: number, .. }) => {
                let (key, value) = &self.updates[place];
                cas(&mut self.connection.requests, key, value, number);
                self.due.push_back(Due::Stored { place });
            }
            (Some(Due::Stored { place }), Reply::Stored) => on_end(place, Ended::Updated)?,
            (Some(Due::Stored { place }), Reply::Exists) => self.request_cas_number(place),
            (_, Reply::End | Reply::NotFound) => {
                bail!("memcached has lost a key: it was evicted, or another server answers here")
            }
            (due, reply) => bail!("memcached sent {reply:?} where {due:?} was due"),
        }
        self.connection.received.take(consumed);
        Ok(true)
    }

    fn request_cas_number(&mut self, place: Place) {
        let key = self.updates[place].0.as_slice();
        get(&mut self.connection.requests, [key], true);
        self.due.push_back(Due::CasNumber { place });
    }
}

impl<S: Stream> Side for Memcached<S> {
    fn get(&mut self, place: Place, key: &[u8]) -> Result<()> {
        if self.dialect != Dialect::MultiGet {
            get(&mut self.connection.requests, [key], false);
            self.due.push_back(Due::Value { place, last: true });
            return Ok(());
        }
        self.gathered.push(place, key);
        Ok(())
    }

    fn update(&mut self, place: Place, key: &[u8], value: &[u8]) -> Result<()> {
        if self.dialect != Dialect::CompareAndSwap {
            set(&mut self.connection.requests, key, value);
            self.due.push_back(Due::Stored { place });
            return Ok(());
        }
        if self.updates.len() <= place {
            self.updates.resize_with(place + 1, Default::default);
        }
        let (kept_key, kept_value) = &mut self.updates[place];
        kept_key.clear();
        kept_key.extend_from_slice(key);
        kept_value.clear();
        kept_value.extend_from_slice(value);
        self.request_cas_number(place);
        Ok(())
    }

    fn advance(&mut self, mut on_end: impl FnMut(Place, Ended<'_>) -> Result<()>) -> Result<()> {
        self.request_gathered();
        self.connection.send()?;
        if !self.due.is_empty() {
            self.connection.wait()?;
            while self.take_reply(&mut on_end)? {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::protocol::receive::Waiting;

    /// A side whose server has said `replies` already, and the server's end.
    fn scripted(dialect: Dialect, replies: &[u8]) -> (Memcached<UnixStream>, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(replies).unwrap();
        let connection = Connection::new(ours, Waiting::Sleep).unwrap();
        (Memcached::new(connection, dialect), theirs)
    }

    fn advance(side: &mut impl Side) -> Result<Vec<(Place, Option<Vec<u8>>)>> {
        let mut ended = Vec::new();
        side.advance(|place, end| {
            ended.push(match end {
                Ended::Found(value) => (place, Some(value.to_vec())),
                Ended::Updated => (place, None),
            });
            Ok(())
        })?;
        Ok(ended)
    }

    fn requests(side: Memcached<UnixStream>, mut server: UnixStream) -> String {
        drop(side);
        let mut text = String::new();
        server.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn many_look_ups_share_a_request_and_keep_their_places() {
        let replies = b"VALUE a 0 1\r\nA\r\nVALUE b 0 2\r\nBB\r\nEND\r\n";
        let (mut side, mut server) = scripted(Dialect::MultiGet, replies);
        side.get(5, b"a").unwrap();
        side.get(3, b"b").unwrap();
        let found = |place, value: &[u8]| (place, Some(value.to_vec()));
        assert_eq!(
            advance(&mut side).unwrap(),
            [found(5, b"A"), found(3, b"BB")]
        );
        side.update(5, b"a", b"new").unwrap();
        server.write_all(b"STORED\r\n").unwrap();
        assert_eq!(advance(&mut side).unwrap(), [(5, None)]);
        assert_eq!(requests(side, server), "get a b\r\nset a 0 0 3\r\nnew\r\n");
    }

    #[test]
    fn an_update_that_lost_the_race_is_made_again() {
        let replies =
            b"VALUE k 0 1 7\r\nx\r\nEND\r\nEXISTS\r\nVALUE k 0 1 8\r\ny\r\nEND\r\nSTORED\r\n";
        let (mut side, server) = scripted(Dialect::CompareAndSwap, replies);
        side.update(2, b"k", b"new").unwrap();
        assert_eq!(advance(&mut side).unwrap(), [(2, None)]);
        // What is left of it goes out, so that the server's end sees it.
        advance(&mut side).unwrap();
        let asked = "gets k\r\ncas k 0 0 3 7\r\nnew\r\n".to_owned();
        let again = asked.replace('7', "8");
        assert_eq!(requests(side, server), asked + &again);
    }

    #[test]
    fn a_missing_key_and_a_reply_out_of_turn_are_errors() {
        for (replies, part) in [
            (&b"END\r\n"[..], "lost a key"),
            (b"STORED\r\n", "STORED"),
            (b"VALUE k 0 1\r\nx\r\nVALUE k 0 1\r\nx\r\n", "more values"),
            (b"SERVER_ERROR out of memory\r\n", "out of memory"),
        ] {
            let (mut side, _server) = scripted(Dialect::Plain, replies);
            side.get(0, b"k").unwrap();
            let message = advance(&mut side).unwrap_err().to_string();
            let message = message.to_uppercase();
            assert!(message.contains(&part.to_uppercase()), "{message}");
        }
        let (mut side, server) = scripted(Dialect::Plain, b"");
        drop(server);
        side.get(0, b"k").unwrap();
        assert!(advance(&mut side).is_err(), "the server is gone");
    }
}

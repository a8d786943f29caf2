//! Redis, over a Unix socket.

use std::collections::VecDeque;

use anyhow::{Result, bail};

use super::gathered::Gathered;
use super::socket::{Connection, Stream};
use super::{Ended, Place, Side};
use crate::protocol::resp::{Reply, get, get_many, parse, set};

/// A reply, or a part of an array, that is due.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// The head of `MGET`'s array.
    Array {
        parts: u64,
    },
    Value {
        place: Place,
    },
    Done {
        place: Place,
    },
}

/// One connection to Redis.
pub struct Redis<S> {
    connection: Connection<S>,
    /// All look-ups that are started together go in one `MGET`.
    multi_get: bool,
    due: VecDeque<Due>,
    /// The keys of the next `MGET`.
    gathered: Gathered,
}

impl<S: Stream> Redis<S> {
    /// Look-ups go one by one, or all that are started together in one `MGET`.
    pub fn new(connection: Connection<S>, multi_get: bool) -> Self {
        Self {
            connection,
            multi_get,
            due: VecDeque::new(),
            gathered: Gathered::default(),
        }
    }

    fn request_gathered(&mut self) {
        let gathered = self.gathered.take();
        let parts = gathered.len() as u64;
        if parts == 0 {
            return;
        }
        let keys = gathered.clone().map(|(_, key)| key);
        get_many(&mut self.connection.requests, keys);
        self.due.push_back(Due::Array { parts });
        self.due
            .extend(gathered.map(|(place, _)| Due::Value { place }));
    }

    /// Takes one reply; false while none is whole.
    fn take_reply(
        &mut self,
        on_end: &mut impl FnMut(Place, Ended<'_>) -> Result<()>,
    ) -> Result<bool> {
        let Some((reply, consumed)) = parse(self.connection.received.bytes())? else {
            return Ok(false);
        };
        match (self.due.pop_front(), reply) {
            (Some(Due::Value { place }), Reply::Value(data)) => {
                on_end(place, Ended::Found(data))?;
            }
            (Some(Due::Done { place }), Reply::Done) => on_end(place, Ended::Updated)?,
            (Some(Due::Array { parts }), Reply::Array(sent)) if parts == sent => {}
            (_, Reply::Missing) => {
                bail!("Redis has lost a key: it was evicted, or another server answers here")
            }
            (due, reply) => bail!("Redis sent {reply:?} where {due:?} was due"),
        }
        self.connection.received.take(consumed);
        Ok(true)
    }
}

impl<S: Stream> Side for Redis<S> {
    fn get(&mut self, place: Place, key: &[u8]) -> Result<()> {
        if !self.multi_get {
            get(&mut self.connection.requests, key);
            self.due.push_back(Due::Value { place });
            return Ok(());
        }
        self.gathered.push(place, key);
        Ok(())
    }

    fn update(&mut self, place: Place, key: &[u8], value: &[u8]) -> Result<()> {
        set(&mut self.connection.requests, key, value);
        self.due.push_back(Due::Done { place });
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
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::protocol::receive::Waiting;

    fn scripted(multi_get: bool, replies: &[u8]) -> (Redis<UnixStream>, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(replies).unwrap();
        let connection = Connection::new(ours, Waiting::Sleep).unwrap();
        (Redis::new(connection, multi_get), theirs)
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

    #[test]
    fn replies_find_their_places_in_both_ways_of_asking() {
        for (multi_get, replies) in [
            (false, &b"+OK\r\n$1\r\nA\r\n$2\r\nBB\r\n"[..]),
            (true, b"+OK\r\n*2\r\n$1\r\nA\r\n$2\r\nBB\r\n"),
        ] {
            let (mut side, _server) = scripted(multi_get, replies);
            side.update(0, b"z", b"Z").unwrap();
            side.get(5, b"a").unwrap();
            side.get(3, b"b").unwrap();
            let expected = [
                (0, None),
                (5, Some(b"A".to_vec())),
                (3, Some(b"BB".to_vec())),
            ];
            assert_eq!(advance(&mut side).unwrap(), expected);
        }
    }

    #[test]
    fn a_missing_key_and_a_reply_out_of_turn_are_errors() {
        for (multi_get, replies, part) in [
            (false, &b"$-1\r\n"[..], "lost a key"),
            (true, b"*1\r\n$-1\r\n", "lost a key"),
            (true, b"*2\r\n", "Array"),
            (false, b"+OK\r\n", "Done"),
            (false, b"-LOADING\r\n", "LOADING"),
        ] {
            let (mut side, _server) = scripted(multi_get, replies);
            side.get(0, b"k").unwrap();
            let message = advance(&mut side).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}

//! The witness of a process that will be killed: records of fixed size, each one `write`.
//!
//! A record that was written is in the pipe, whatever happens to its writer; no record is torn,
//! because a pipe takes so few bytes whole (POSIX: up to `PIPE_BUF`).

use std::io::Write;

use crate::witness::{Action, Answer, Begun, Witness};

/// Bytes of a record.
pub const RECORD_BYTES: usize = 40;

/// Something that has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// An operation is about to be submitted.
    Begun(Begun),
    /// An operation has ended.
    Ended {
        /// Which one.
        operation: u64,
        /// How.
        answer: Answer,
    },
    /// A client has got its id.
    Opened(u64),
}

impl Record {
    /// Tells a witness.
    pub fn tell(self, witness: &mut impl Witness) {
        match self {
            Self::Begun(begun) => witness.begun(begun),
            Self::Ended { operation, answer } => witness.ended(operation, answer),
            Self::Opened(client_id) => witness.opened(client_id),
        }
    }

    /// Kind, operation, and up to three further words.
    fn words(self) -> [u64; 5] {
        match self {
            Self::Begun(begun) => {
                let (action, expected) = match begun.action {
                    Action::Get => (0, 0),
                    Action::Put => (1, 0),
                    Action::Delete => (2, 0),
                    Action::Add => (3, 0),
                    Action::Swap { expected } => (4, expected),
                };
                let both = u64::from(begun.key) << 32 | u64::from(begun.value_bytes);
                [1, begun.operation, both, action, expected]
            }
            Self::Ended { operation, answer } => {
                let (kind, a, b) = match answer {
                    Answer::Found {
                        version,
                        writer,
                        value_bytes,
                    } => (u64::from(value_bytes) << 8, version, writer),
                    Answer::Missing(version) => (1, version, 0),
                    Answer::Stored(version) => (2, version, 0),
                    Answer::Deleted(version) => (3, version, 0),
                    Answer::Refused(version) => (4, version, 0),
                    Answer::NothingChanged => (5, 0, 0),
                    Answer::Unknown => (6, 0, 0),
                    Answer::Broken => (7, 0, 0),
                };
                [2, operation, kind, a, b]
            }
            Self::Opened(client_id) => [3, client_id, 0, 0, 0],
        }
    }

    /// The record as bytes.
    pub fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.words()) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The record that `bytes` is; `None` when it is none.
    pub fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let mut words = [0; 5];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        let [kind, operation, a, b, c] = words;
        match kind {
            1 => Some(Self::Begun(Begun {
                operation,
                key: (a >> 32) as u32,
                value_bytes: a as u32,
                action: match b {
                    0 => Action::Get,
                    1 => Action::Put,
                    2 => Action::Delete,
                    3 => Action::Add,
                    4 => Action::Swap { expected: c },
                    _ => return None,
                },
            })),
            2 => Some(Self::Ended {
                operation,
                answer: match a & 0xff {
                    0 => Answer::Found {
                        version: b,
                        writer: c,
                        value_bytes: (a >> 8) as u32,
                    },
                    1 => Answer::Missing(b),
                    2 => Answer::Stored(b),
                    3 => Answer::Deleted(b),
                    4 => Answer::Refused(b),
                    5 => Answer::NothingChanged,
                    6 => Answer::Unknown,
                    7 => Answer::Broken,
                    _ => return None,
                },
            }),
            3 => Some(Self::Opened(operation)),
            _ => None,
        }
    }
}

/// Writes records without a buffer of its own.
pub struct Journal<W: Write>(pub W);

impl<W: Write> Journal<W> {
    fn write(&mut self, record: Record) {
        self.0
            .write_all(&record.to_bytes())
            .expect("the reader lives longer than this process");
    }
}

impl<W: Write> Witness for Journal<W> {
    fn begun(&mut self, begun: Begun) {
        self.write(Record::Begun(begun));
    }

    fn ended(&mut self, operation: u64, answer: Answer) {
        self.write(Record::Ended { operation, answer });
    }

    fn opened(&mut self, client_id: u64) {
        self.write(Record::Opened(client_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let mut records = vec![Record::Opened(12)];
        for action in [
            Action::Get,
            Action::Put,
            Action::Delete,
            Action::Add,
            Action::Swap { expected: 77 },
        ] {
            records.push(Record::Begun(Begun {
                operation: 1 << 50,
                key: 65_537,
                action,
                value_bytes: 3000,
            }));
        }
        for answer in [
            Answer::Found {
                version: 3,
                writer: 1 << 49,
                value_bytes: 3000,
            },
            Answer::Missing(4),
            Answer::Stored(5),
            Answer::Deleted(6),
            Answer::Refused(7),
            Answer::NothingChanged,
            Answer::Unknown,
            Answer::Broken,
        ] {
            records.push(Record::Ended {
                operation: 9,
                answer,
            });
        }
        for record in records {
            assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        }
        assert_eq!(Record::from_bytes(&[9; RECORD_BYTES]), None);
    }
}

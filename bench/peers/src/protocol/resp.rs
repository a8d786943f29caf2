//! Redis's serialization protocol, version 2: `GET`, `MGET`, `SET`.

use super::{ProtocolError, data, first_line, number, push_number, shown};

/// A reply, or one part of an array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// A bulk string: a value.
    Value(&'a [u8]),
    /// The null bulk string: there is no such key.
    Missing,
    /// `+OK`
    Done,
    /// An array of so many parts, which follow.
    Array(u64),
}

fn command(into: &mut Vec<u8>, words: u64) {
    into.push(b'*');
    push_number(into, words);
    into.extend_from_slice(b"\r\n");
}

fn word(into: &mut Vec<u8>, word: &[u8]) {
    into.push(b'$');
    push_number(into, word.len() as u64);
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(word);
    into.extend_from_slice(b"\r\n");
}

/// `GET key`
pub fn get(into: &mut Vec<u8>, key: &[u8]) {
    command(into, 2);
    word(into, b"GET");
    word(into, key);
}

/// `MGET key…`
pub fn get_many<'a>(into: &mut Vec<u8>, keys: impl ExactSizeIterator<Item = &'a [u8]>) {
    command(into, 1 + keys.len() as u64);
    word(into, b"MGET");
    for key in keys {
        word(into, key);
    }
}

/// `SET key value`
pub fn set(into: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    command(into, 3);
    word(into, b"SET");
    word(into, key);
    word(into, value);
}

/// The first reply of `input` and the bytes it takes; `None` while it is not whole.
///
/// # Errors
/// Bytes that are no reply, and the server's errors.
pub fn parse(input: &[u8]) -> Result<Option<(Reply<'_>, usize)>, ProtocolError> {
    let Some((line, after)) = first_line(input)? else {
        return Ok(None);
    };
    let unknown = || ProtocolError::Unknown(shown(line));
    let reply = match line {
        b"+OK" => Reply::Done,
        b"$-1" => Reply::Missing,
        [b'-', message @ ..] => return Err(ProtocolError::Refused(shown(message))),
        [b'*', digits @ ..] => Reply::Array(number(digits).ok_or_else(unknown)?),
        [b'$', digits @ ..] => {
            let bytes = number(digits).and_then(|bytes| usize::try_from(bytes).ok());
            return Ok(data(input, after, bytes.ok_or_else(unknown)?)?
                .map(|(data, consumed)| (Reply::Value(data), consumed)));
        }
        _ => return Err(unknown()),
    };
    Ok(Some((reply, after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_arrays_of_bulk_strings() {
        let mut out = Vec::new();
        get(&mut out, b"k");
        get_many(&mut out, [&b"a"[..], b"bc"].into_iter());
        set(&mut out, b"k", b"12");
        assert_eq!(
            out,
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n\
              *3\r\n$4\r\nMGET\r\n$1\r\na\r\n$2\r\nbc\r\n\
              *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n12\r\n"
        );
    }

    #[test]
    fn replies_are_taken_one_by_one_wherever_they_are_cut() {
        let stream = b"+OK\r\n$4\r\n\r\n\r\n\r\n*2\r\n$-1\r\n$0\r\n\r\n";
        let expected = [
            Reply::Done,
            Reply::Value(b"\r\n\r\n"),
            Reply::Array(2),
            Reply::Missing,
            Reply::Value(b""),
        ];
        let mut at = 0;
        for reply in expected {
            let (found, consumed) = parse(&stream[at..]).unwrap().expect("whole");
            assert_eq!(found, reply);
            for cut in 0..consumed {
                assert_eq!(
                    parse(&stream[at..at + cut]),
                    Ok(None),
                    "{reply:?} cut at {cut}"
                );
            }
            at += consumed;
        }
        assert_eq!(at, stream.len());
    }

    #[test]
    fn what_is_no_reply_is_named() {
        for (text, part) in [
            (&b"-OOM command not allowed\r\n"[..], "OOM command"),
            (b"$x\r\n", "$x"),
            (b"*-1\r\n", "*-1"),
            (b"$1\r\nabc", "$1"),
            (b"?\r\n", "no reply"),
            (b"\r\n", "no reply"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}

//! memcached's text protocol (`doc/protocol.txt` of memcached): `get`, `gets`, `set`, `cas`.

use super::{ProtocolError, data, first_line, number, push_number, shown};

/// A reply, or one value of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// `VALUE`: one of the keys asked for.
    Value {
        /// The value.
        data: &'a [u8],
        /// What `gets` brings, for `cas`; 0 from `get`.
        cas: u64,
    },
    /// The last value asked for was sent; keys without a value are left out.
    End,
    /// `set` or `cas` has written.
    Stored,
    /// `cas`: somebody else has written since.
    Exists,
    /// `cas`: the key is not there.
    NotFound,
}

/// `get KEY…`, or `gets KEY…` when the values' cas numbers are wanted.
pub fn get<'a>(into: &mut Vec<u8>, keys: impl IntoIterator<Item = &'a [u8]>, with_cas: bool) {
    into.extend_from_slice(if with_cas { b"gets" } else { b"get" });
    for key in keys {
        into.push(b' ');
        into.extend_from_slice(key);
    }
    into.extend_from_slice(b"\r\n");
}

/// `set KEY`.
pub fn set(into: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    store(into, b"set ", key, value, None);
}

/// `cas KEY`: writes if the value is still the one that `gets` gave with `cas`.
pub fn cas(into: &mut Vec<u8>, key: &[u8], value: &[u8], cas: u64) {
    store(into, b"cas ", key, value, Some(cas));
}

fn store(into: &mut Vec<u8>, command: &[u8], key: &[u8], value: &[u8], cas: Option<u64>) {
    into.extend_from_slice(command);
    into.extend_from_slice(key);
    // Flags and expiry.
    into.extend_from_slice(b" 0 0 ");
    push_number(into, value.len() as u64);
    if let Some(cas) = cas {
        into.push(b' ');
        push_number(into, cas);
    }
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(value);
    into.extend_from_slice(b"\r\n");
}

/// The first reply of `input` and the bytes it takes; `None` while it is not whole.
///
/// # Errors
/// Bytes that are no reply, and the server's errors.
pub fn parse(input: &[u8]) -> Result<Option<(Reply<'_>, usize)>, ProtocolError> {
    let Some((line, after)) = first_line(input)? else {
        return Ok(None);
    };
    let reply = match line {
        b"END" => Reply::End,
        b"STORED" => Reply::Stored,
        b"EXISTS" => Reply::Exists,
        b"NOT_FOUND" => Reply::NotFound,
        _ => {
            let Some(header) = line.strip_prefix(b"VALUE ") else {
                return Err(error(line));
            };
            let Some((bytes, cas)) = value_header(header) else {
                return Err(ProtocolError::Unknown(shown(line)));
            };
            return Ok(data(input, after, bytes)?
                .map(|(data, consumed)| (Reply::Value { data, cas }, consumed)));
        }
    };
    Ok(Some((reply, after)))
}

/// `KEY FLAGS BYTES [CAS]`
fn value_header(header: &[u8]) -> Option<(usize, u64)> {
    let mut words = header.split(|&byte| byte == b' ').skip(2);
    let bytes = number(words.next()?)?;
    let cas = match words.next() {
        Some(word) => number(word)?,
        None => 0,
    };
    words.next().is_none().then_some(())?;
    Some((usize::try_from(bytes).ok()?, cas))
}

fn error(line: &[u8]) -> ProtocolError {
    let is = |prefix: &[u8]| line.starts_with(prefix);
    if line == b"ERROR" || is(b"CLIENT_ERROR") || is(b"SERVER_ERROR") || line == b"NOT_STORED" {
        ProtocolError::Refused(shown(line))
    } else {
        ProtocolError::Unknown(shown(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_those_of_the_protocol() {
        let mut out = Vec::new();
        get(&mut out, [&b"a"[..]], false);
        get(&mut out, [&b"a"[..], b"bc"], true);
        set(&mut out, b"key", b"12");
        cas(&mut out, b"key", b"", 99);
        assert_eq!(
            out,
            b"get a\r\ngets a bc\r\nset key 0 0 2\r\n12\r\ncas key 0 0 0 99\r\n\r\n"
        );
    }

    #[test]
    fn replies_are_taken_one_by_one_wherever_they_are_cut() {
        let stream = b"VALUE k 0 4\r\n\r\n\r\n\r\nEND\r\nVALUE k 7 0 12\r\n\r\nSTORED\r\nEXISTS\r\nNOT_FOUND\r\n";
        let expected = [
            Reply::Value {
                data: b"\r\n\r\n",
                cas: 0,
            },
            Reply::End,
            Reply::Value { data: b"", cas: 12 },
            Reply::Stored,
            Reply::Exists,
            Reply::NotFound,
        ];
        let mut at = 0;
        for reply in expected {
            let whole = parse(&stream[at..]).unwrap();
            let (found, consumed) = whole.expect("whole");
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
            (
                &b"SERVER_ERROR out of memory storing object\r\n"[..],
                "out of memory",
            ),
            (b"ERROR\r\n", "answered 'ERROR'"),
            (b"VALUE k 0\r\n", "VALUE k 0"),
            (b"VALUE k 0 x\r\n", "VALUE k 0 x"),
            (b"VALUE k 0 1 2 3\r\n", "VALUE k 0 1 2 3"),
            (b"VALUE k 0 1\r\nabc", "VALUE k 0 1"),
            (b"HELLO\r\n", "no reply"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}

//! What memcached and Redis say on their sockets.

pub mod memcached;
pub mod receive;
pub mod resp;

use thiserror::Error;

/// A reply that is none, or that says that something is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ProtocolError {
    /// Bytes that the protocol has no meaning for.
    #[error("the server sent '{0}', which is no reply that this client knows")]
    Unknown(String),
    /// The server refused a request.
    #[error("the server answered '{0}'")]
    Refused(String),
}

/// The begin of what was received, for an error message.
fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 80;
    String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)])
        .escape_debug()
        .to_string()
}

/// The first line without its `\r\n`, and the bytes it takes with it; `None` while it is not whole.
fn first_line(input: &[u8]) -> Result<Option<(&[u8], usize)>, ProtocolError> {
    /// No line of these protocols is longer: keys have at most 250 bytes.
    const LONGEST_LINE: usize = 1024;
    let Some(at) = input
        .iter()
        .take(LONGEST_LINE)
        .position(|&byte| byte == b'\n')
    else {
        return if input.len() < LONGEST_LINE {
            Ok(None)
        } else {
            Err(ProtocolError::Unknown(shown(input)))
        };
    };
    match input[..at].strip_suffix(b"\r") {
        Some(line) => Ok(Some((line, at + 1))),
        None => Err(ProtocolError::Unknown(shown(&input[..at]))),
    }
}

/// The data of `bytes` bytes at `from`, and where what follows its `\r\n` begins; `None` while it is
/// not whole.
fn data(input: &[u8], from: usize, bytes: usize) -> Result<Option<(&[u8], usize)>, ProtocolError> {
    let Some(end) = from.checked_add(bytes).and_then(|end| end.checked_add(2)) else {
        return Err(ProtocolError::Unknown(shown(input)));
    };
    let Some(whole) = input.get(from..end) else {
        return Ok(None);
    };
    match whole.strip_suffix(b"\r\n") {
        Some(data) => Ok(Some((data, end))),
        None => Err(ProtocolError::Unknown(shown(input))),
    }
}

/// A number in decimal digits.
fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Appends a number in decimal digits, without an allocation.
fn push_number(into: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for value in [0, 7, 10, 3584, u64::MAX] {
            let mut text = Vec::new();
            push_number(&mut text, value);
            assert_eq!(number(&text), Some(value));
            assert_eq!(text, value.to_string().as_bytes());
        }
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(b""), None);
    }

    #[test]
    fn a_line_that_never_ends_is_an_error_and_no_wait() {
        assert_eq!(first_line(&[b'x'; 1023]), Ok(None));
        assert!(first_line(&[b'x'; 1024]).is_err());
        assert!(first_line(b"END\n").is_err(), "a line ends with \\r\\n");
    }

    #[test]
    fn a_length_that_overflows_is_an_error() {
        assert!(data(b"abc\r\n", 2, usize::MAX).is_err());
    }
}

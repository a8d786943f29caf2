//! Framing, descriptors and limits over a pair of sockets.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use vfio_user_wire::{Command, Connection, Header, Limits, WireError};
use zerocopy::IntoBytes;

fn pair(limits: Limits) -> (Connection, Connection) {
    let (a, b) = UnixStream::pair().unwrap();
    (Connection::new(a, limits), Connection::new(b, limits))
}

fn command(id: u16) -> Header {
    Header::command(id, Command::RegionWrite)
}

/// A pipe, so that a test can see which descriptor came and whether it was closed.
fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe().unwrap()
}

/// The other end of the pipe has no writer left.
fn is_closed(reader: &OwnedFd) -> bool {
    let mut byte = [0];
    let mut file = std::fs::File::from(reader.try_clone().unwrap());
    file.read(&mut byte).unwrap() == 0
}

#[test]
fn messages_keep_their_bounds_and_their_descriptors() {
    let (mut near, mut far) = pair(Limits::default());
    let (reader, writer) = pipe();
    near.send(command(1), &[b"ab", b"c"], &[]).unwrap();
    near.send(command(2), &[b"d"], &[writer.as_fd(), reader.as_fd()])
        .unwrap();
    near.send(command(3), &[], &[]).unwrap();
    near.send(command(4), &[], &[writer.as_fd()]).unwrap();
    let mut seen = vec![];
    while let Some(message) = far.try_receive().unwrap() {
        seen.push((
            message.header.message_id,
            message.payload,
            message.fds.len(),
        ));
    }
    assert_eq!(
        seen,
        [
            (1, b"abc".to_vec(), 0),
            (2, b"d".to_vec(), 2),
            (3, vec![], 0),
            (4, vec![], 1)
        ]
    );
}

#[test]
fn a_message_may_come_byte_by_byte() {
    let (mut near, far) = UnixStream::pair().unwrap();
    let mut far = Connection::new(far, Limits::default());
    let mut header = command(9);
    header.message_size = 19;
    let bytes = [header.as_bytes(), b"xyz"].concat();
    for (index, byte) in bytes.iter().enumerate() {
        assert!(far.try_receive().unwrap().is_none(), "after {index} bytes");
        near.write_all(&[*byte]).unwrap();
    }
    assert_eq!(far.try_receive().unwrap().unwrap().payload, b"xyz");
}

#[test]
fn descriptors_that_nobody_takes_are_closed() {
    let (mut near, mut far) = pair(Limits::default());
    let (reader, writer) = pipe();
    near.send(command(1), &[], &[writer.as_fd()]).unwrap();
    drop(writer);
    drop(far.receive().unwrap());
    assert!(is_closed(&reader));

    // Also those of a message that never becomes whole.
    let (reader, writer) = pipe();
    near.send(command(2), &[], &[writer.as_fd()]).unwrap();
    drop(writer);
    assert!(far.receive().is_ok());
    drop((near, far));
    assert!(is_closed(&reader));
}

#[test]
fn too_many_descriptors_end_the_connection() {
    let limits = Limits {
        message_fds: 2,
        ..Limits::default()
    };
    let (mut near, mut far) = pair(limits);
    let (reader, writer) = pipe();
    let fd = writer.as_fd();
    near.send(command(1), &[], &[fd, fd, fd]).unwrap();
    assert!(matches!(
        far.receive(),
        Err(WireError::TooManyDescriptors { most: 2 })
    ));
    drop((near, far, writer));
    assert!(is_closed(&reader));
}

#[test]
fn sizes_that_no_message_has_end_the_connection() {
    for size in [0, 15, 1 << 30, u32::MAX] {
        let (mut near, far) = UnixStream::pair().unwrap();
        let mut far = Connection::new(far, Limits::default());
        let mut header = command(1);
        header.message_size = size;
        near.write_all(header.as_bytes()).unwrap();
        let error = far.try_receive().unwrap_err();
        assert!(
            matches!(error, WireError::Size { bytes, .. } if bytes == size),
            "{error}"
        );
        assert_eq!(error.errno(), Errno::PROTO);
    }
}

#[test]
fn the_end_is_told_apart_from_the_middle() {
    let (near, far) = UnixStream::pair().unwrap();
    let mut far = Connection::new(far, Limits::default());
    drop(near);
    assert!(matches!(far.try_receive(), Err(WireError::Closed)));

    let (mut near, far) = UnixStream::pair().unwrap();
    let mut far = Connection::new(far, Limits::default());
    near.write_all(&[0; 7]).unwrap();
    drop(near);
    assert!(matches!(
        far.try_receive(),
        Err(WireError::ClosedInside { bytes: 7 })
    ));
    assert!(matches!(
        far.try_send(command(1), &[], &[]),
        Err(WireError::Closed)
    ));
}

#[test]
fn what_the_socket_does_not_take_waits_in_order() {
    let (mut near, mut far) = pair(Limits::default());
    let (reader, writer) = pipe();
    let data = vec![7; 100_000];
    for id in 0..20 {
        near.try_send(command(id), &[&data], &[writer.as_fd()])
            .unwrap();
    }
    assert!(near.has_unsent());
    drop(writer);
    for id in 0..20 {
        let message = loop {
            near.flush().unwrap();
            if let Some(message) = far.try_receive().unwrap() {
                break message;
            }
        };
        assert_eq!(message.header.message_id, id);
        assert_eq!(message.payload, data);
        assert_eq!(message.fds.len(), 1);
    }
    assert!(near.flush().unwrap() && !near.has_unsent());
    assert!(is_closed(&reader));
}

#[test]
fn a_peer_that_reads_nothing_is_noticed() {
    let (mut near, _far) = pair(Limits::default());
    let data = vec![0; 1 << 20];
    let error = (0..100)
        .find_map(|id| near.try_send(command(id), &[&data], &[]).err())
        .unwrap();
    assert!(matches!(error, WireError::PeerStalled { .. }), "{error}");
}

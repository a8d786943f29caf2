//! Image files: creation, locking, and everything that can be wrong with one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::trailer::{Description, TRAILER_BYTES};
use super::{Medium, MediumError};

const MIB: u64 = 1 << 20;

#[track_caller]
fn open_error(path: &Path) -> (MediumError, String) {
    let error = Medium::open_file(path, None).expect_err("this must not open");
    let text = error.to_string();
    assert!(
        text.contains(path.to_str().unwrap()),
        "does not name the file: {text}"
    );
    (error, text)
}

#[test]
fn what_was_written_is_there_when_it_is_opened_again() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    let mut medium = Medium::create_file(&path, MIB, 512).unwrap();
    assert_eq!((medium.len(), medium.block_bytes()), (MIB, 512));
    assert!(medium.bytes(0, MIB as usize).iter().all(|byte| *byte == 0));
    medium.write_atomic(MIB - 512, &[7; 512]);
    medium.write_atomic(0, &[9; 16384]);
    drop(medium);

    let medium = Medium::open_file(&path, None).unwrap();
    assert_eq!((medium.len(), medium.block_bytes()), (MIB, 512));
    let mut back = [0; 513];
    medium.read(MIB - 513, &mut back);
    assert_eq!((back[0], back[1], back[512]), (0, 7, 7));
    medium.read(16384 - 513, &mut back);
    assert_eq!(back, [9; 513]);
    assert_eq!(
        fs::read(&path).unwrap()[0],
        9,
        "LBA 0 is at byte 0 of the file"
    );
}

#[test]
fn a_new_image_takes_no_space() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    let medium = Medium::create_file(&path, 64 << 30, 4096).unwrap();
    assert_eq!(medium.bytes((64 << 30) - 1, 1), [0]);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), (64 << 30) + TRAILER_BYTES as u64);
    assert!(
        metadata.blocks() * 512 < MIB,
        "{} bytes on disk",
        metadata.blocks() * 512
    );
    let leftovers: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(leftovers, [path], "the temporary name is gone");
}

#[test]
fn a_size_that_is_no_multiple_of_a_page_has_its_trailer_behind_it() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    let mut medium = Medium::create_file(&path, 4096 + 512, 512).unwrap();
    medium.write_atomic(4096, &[5; 512]);
    drop(medium);
    let medium = Medium::open_file(&path, Some(4608)).unwrap();
    assert_eq!(medium.len(), 4608);
    assert_eq!(medium.bytes(4607, 1), [5]);
}

#[test]
fn a_second_opener_is_told_and_the_third_gets_it() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    let medium = Medium::create_file(&path, MIB, 4096).unwrap();
    let (error, text) = open_error(&path);
    assert!(matches!(error, MediumError::InUse { .. }));
    assert!(text.contains("in use"), "{text}");
    drop(medium);
    Medium::open_file(&path, None).unwrap();
}

#[test]
fn creation_replaces_nothing() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    fs::write(&path, "somebody's thesis").unwrap();
    let error = Medium::create_file(&path, MIB, 4096).unwrap_err();
    assert!(
        matches!(error, MediumError::AlreadyExists { .. }),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's thesis");

    let dangling = folder.path().join("link");
    symlink(folder.path().join("nowhere"), &dangling).unwrap();
    let error = Medium::create_file(&dangling, MIB, 4096).unwrap_err();
    assert!(
        matches!(error, MediumError::AlreadyExists { .. }),
        "{error}"
    );
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    for (bytes, block_bytes) in [(0, 4096), (5000, 512), (MIB, 1024), (MIB, 0), (512, 4096)] {
        let error = Medium::create_file(&path, bytes, block_bytes).unwrap_err();
        assert!(
            matches!(error, MediumError::ImpossibleSize { .. }),
            "{error}"
        );
        let error = Medium::in_memory(bytes, block_bytes).unwrap_err();
        assert!(
            matches!(error, MediumError::ImpossibleSize { .. }),
            "{error}"
        );
    }
    for bytes in [1 << 62, u64::MAX - 4095] {
        let error = Medium::in_memory(bytes, 4096).unwrap_err();
        assert!(matches!(error, MediumError::OutOfMemory { .. }), "{error}");
        Medium::create_file(&path, bytes, 4096).unwrap_err();
        assert!(
            fs::read_dir(folder.path()).unwrap().next().is_none(),
            "nothing is left behind"
        );
    }
}

#[test]
fn a_missing_file_or_folder_is_said_to_be_missing() {
    let folder = TempDir::new().expect("a temporary folder");
    let (error, text) = open_error(&folder.path().join("x.img"));
    assert!(matches!(error, MediumError::NotFound { .. }), "{error:?}");
    assert!(text.contains("does not exist"), "{text}");
    let error = Medium::create_file(folder.path().join("no/x.img"), MIB, 4096).unwrap_err();
    assert!(matches!(error, MediumError::NotFound { .. }), "{error:?}");
}

#[test]
fn folders_pipes_and_devices_are_no_images() {
    let folder = TempDir::new().expect("a temporary folder");
    let (error, text) = open_error(folder.path());
    assert!(
        matches!(
            error,
            MediumError::NotAFile {
                what: "a folder",
                ..
            }
        ),
        "{text}"
    );

    // A pipe must not even be opened: that would wait for a writer.
    let pipe = folder.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let (error, text) = open_error(&pipe);
    assert!(
        matches!(error, MediumError::NotAFile { what: "a pipe", .. }),
        "{text}"
    );

    let (error, text) = open_error(Path::new("/dev/null"));
    assert!(
        matches!(
            error,
            MediumError::NotAFile {
                what: "a device",
                ..
            }
        ),
        "{text}"
    );
}

#[test]
fn a_file_without_permission_says_which_permission() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    drop(Medium::create_file(&path, MIB, 4096).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    if rustix::process::geteuid().is_root() {
        // Root may do everything; the mapping of the error is what is left to check.
        let source = std::io::ErrorKind::PermissionDenied.into();
        let error = super::file::error_of(&path, "open", source);
        assert!(
            error.to_string().contains("read and write permission"),
            "{error}"
        );
        return;
    }
    let (error, text) = open_error(&path);
    assert!(
        matches!(error, MediumError::PermissionDenied { .. }),
        "{error:?}"
    );
    assert!(text.contains("read and write permission"), "{text}");
}

#[test]
fn files_of_something_else_are_foreign() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    for content in [
        Vec::new(),
        vec![0; 100],
        vec![0xa5; 50_000],
        vec![0; MIB as usize],
    ] {
        fs::write(&path, &content).unwrap();
        let (error, text) = open_error(&path);
        assert!(matches!(error, MediumError::Foreign { .. }), "{error:?}");
        assert!(text.contains("not an image"), "{text}");
        assert_eq!(
            fs::read(&path).unwrap(),
            content,
            "a foreign file must stay as it is"
        );
    }
}

#[test]
fn an_image_that_lost_its_end_or_grew_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    drop(Medium::create_file(&path, MIB, 4096).unwrap());
    let whole = fs::read(&path).unwrap();

    for lost in [1, 512, 4096, 8192, TRAILER_BYTES - 4096] {
        fs::write(&path, &whole[..whole.len() - lost]).unwrap();
        let (error, text) = open_error(&path);
        // Cut at a page the header is found, a little further back, and tells how much is missing.
        if lost.is_multiple_of(4096) {
            assert!(
                matches!(error, MediumError::WrongLength { expected_bytes, actual_bytes, .. }
                    if expected_bytes - actual_bytes == lost as u64),
                "{text}"
            );
        } else {
            assert!(matches!(error, MediumError::Foreign { .. }), "{text}");
        }
        assert!(text.contains("cut off"), "{text}");
    }
    fs::write(&path, &whole[..4096]).unwrap();
    assert!(matches!(open_error(&path).0, MediumError::Foreign { .. }));

    let mut grown = whole;
    grown.extend([0; 4096]);
    fs::write(&path, grown).unwrap();
    assert!(matches!(open_error(&path).0, MediumError::Foreign { .. }));
}

#[test]
fn another_size_than_asked_for_is_named() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    drop(Medium::create_file(&path, MIB, 4096).unwrap());
    let error = Medium::open_file(&path, Some(2 * MIB)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} holds an image of 1048576 bytes, not of 2097152: leave the size out, or give the one \
             it has",
            path.display()
        )
    );
    Medium::open_file(&path, Some(MIB)).unwrap();
}

#[test]
fn later_layouts_and_damaged_headers_are_told_apart() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    drop(Medium::create_file(&path, MIB, 4096).unwrap());
    let whole = fs::read(&path).unwrap();

    let mut later = whole.clone();
    later[MIB as usize + 16] = 2;
    fs::write(&path, &later).unwrap();
    let (error, text) = open_error(&path);
    assert!(
        matches!(
            error,
            MediumError::UnknownLayout {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{text}"
    );

    let mut damaged = whole;
    damaged[MIB as usize + 24] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let (error, text) = open_error(&path);
    assert!(matches!(error, MediumError::Damaged { .. }), "{text}");
    assert!(text.contains("checksum"), "{text}");
}

#[test]
fn a_header_of_an_impossible_size_is_damaged_whatever_its_checksum_says() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    drop(Medium::create_file(&path, MIB, 4096).unwrap());
    let whole = fs::read(&path).unwrap();
    for (image_bytes, block_bytes) in [(0, 4096), (MIB, 1000), (u64::MAX - 4095, 4096)] {
        let header = Description {
            image_bytes,
            block_bytes,
        };
        let header = header.to_bytes();
        let mut forged = whole.clone();
        forged[MIB as usize..][..header.len()].copy_from_slice(&header);
        fs::write(&path, &forged).unwrap();
        let (error, text) = open_error(&path);
        assert!(matches!(error, MediumError::Damaged { .. }), "{text}");
    }
}

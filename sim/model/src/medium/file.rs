//! Image files: creating, checking, locking, mapping.

use std::ffi::OsString;
use std::fs::{self, File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

use memmap2::MmapMut;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use super::MediumError;
use super::image::mapping_length;
use super::trailer::{Description, HeaderError, LAYOUT_VERSION, PAGE_BYTES, TRAILER_BYTES};

/// Sizes that an image can have.
pub(super) fn checked_description(
    image_bytes: u64,
    block_bytes: u32,
) -> Result<Description, MediumError> {
    let description = Description {
        image_bytes,
        block_bytes,
    };
    if !matches!(block_bytes, 512 | 4096)
        || image_bytes == 0
        || !image_bytes.is_multiple_of(u64::from(block_bytes))
    {
        return Err(MediumError::ImpossibleSize {
            bytes: image_bytes,
            block_bytes,
        });
    }
    Ok(description)
}

/// Makes a sparse image under a temporary name, and gives it its name when it is complete.
pub(super) fn create(path: &Path, description: Description) -> Result<(), MediumError> {
    let length = mapping_length(description).ok_or_else(|| MediumError::OutOfMemory {
        bytes: description.image_bytes,
        source: io::ErrorKind::FileTooLarge.into(),
    })? as u64;
    if fs::symlink_metadata(path).is_ok() {
        return Err(MediumError::AlreadyExists {
            path: path.to_owned(),
        });
    }
    let partial = partial_name(path);
    let result = fill_new(&partial, length, description)
        .map_err(|source| error_of(path, "create", source))
        .and_then(|()| publish(&partial, path).map_err(|source| error_of(path, "create", source)));
    if result.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&partial);
    }
    result
}

fn fill_new(partial: &Path, length: u64, description: Description) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(partial)?;
    file.set_len(length)?;
    file.write_all_at(&description.to_bytes(), length - TRAILER_BYTES as u64)
}

/// `x.img` → `.x.img.4711.partial` in the same folder; the process id keeps two creators apart.
fn partial_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

/// Renames without replacing, so that of two creators one loses and nobody's image is lost.
fn publish(partial: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, partial, CWD, path, RenameFlags::NOREPLACE) {
        // A file system without that flag: a hard link does not replace either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::hard_link(partial, path)?;
            fs::remove_file(partial)
        }
        result => result.map_err(io::Error::from),
    }
}

/// Opens, locks and checks an image file.
pub(super) fn open(path: &Path) -> Result<(File, Description), MediumError> {
    let kind = fs::metadata(path)
        .map_err(|source| error_of(path, "open", source))?
        .file_type();
    if let Some(what) = not_a_file(kind) {
        return Err(MediumError::NotAFile {
            path: path.to_owned(),
            what,
        });
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|source| error_of(path, "open", source))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(MediumError::InUse {
                path: path.to_owned(),
            });
        }
        Err(errno) => return Err(error_of(path, "lock", errno.into())),
    }
    let description = describe(&file, path)?;
    Ok((file, description))
}

/// Maps image and trailer of a file that `open` has checked.
#[expect(unsafe_code, reason = "mapping a file")]
pub(super) fn map(
    file: &File,
    path: &Path,
    description: Description,
) -> Result<MmapMut, MediumError> {
    let out_of_memory = |source| MediumError::OutOfMemory {
        bytes: description.image_bytes,
        source,
    };
    let length = mapping_length(description)
        .ok_or_else(|| out_of_memory(io::ErrorKind::FileTooLarge.into()))?;
    // SAFETY: the file is locked against every program that keeps to the lock, and is never resized
    // by this one. A process that ignores the lock can change the bytes (which are plain data, every
    // value of which is valid) or truncate the file, which ends this process with SIGBUS; the module's
    // documentation says so.
    unsafe { memmap2::MmapOptions::new().len(length).map_mut(file) }.map_err(|source| {
        if source.kind() == io::ErrorKind::OutOfMemory {
            out_of_memory(source)
        } else {
            error_of(path, "map", source)
        }
    })
}

fn describe(file: &File, path: &Path) -> Result<Description, MediumError> {
    let actual_bytes = file
        .metadata()
        .map_err(|source| error_of(path, "read", source))?
        .len();
    let tail_bytes = actual_bytes.min(TRAILER_BYTES as u64) as usize;
    let mut tail = vec![0; tail_bytes];
    file.read_exact_at(&mut tail, actual_bytes - tail_bytes as u64)
        .map_err(|source| error_of(path, "read", source))?;

    // A header at the start of the tail is an image; one further on, an image that lost its end.
    for start in (0..tail.len()).step_by(PAGE_BYTES) {
        let description = match Description::from_bytes(&tail[start..]) {
            Ok(description) => description,
            Err(HeaderError::NoMagic) => continue,
            Err(HeaderError::UnknownLayout(found)) => {
                return Err(MediumError::UnknownLayout {
                    path: path.to_owned(),
                    found,
                    known: LAYOUT_VERSION,
                });
            }
            Err(HeaderError::Damaged(what)) => {
                return Err(MediumError::Damaged {
                    path: path.to_owned(),
                    what,
                });
            }
        };
        return check_length(path, description, actual_bytes);
    }
    Err(MediumError::Foreign {
        path: path.to_owned(),
        actual_bytes,
    })
}

fn check_length(
    path: &Path,
    description: Description,
    actual_bytes: u64,
) -> Result<Description, MediumError> {
    let sound = checked_description(description.image_bytes, description.block_bytes).is_ok();
    let Some(offset) = description.trailer_offset().filter(|_| sound) else {
        return Err(MediumError::Damaged {
            path: path.to_owned(),
            what: "its size is not one that an image can have",
        });
    };
    let expected_bytes = offset + TRAILER_BYTES as u64;
    if expected_bytes != actual_bytes {
        return Err(MediumError::WrongLength {
            path: path.to_owned(),
            expected_bytes,
            actual_bytes,
        });
    }
    Ok(description)
}

fn not_a_file(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// The error for what the system said about `path`.
pub(super) fn error_of(path: &Path, action: &'static str, source: io::Error) -> MediumError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => MediumError::NotFound { path },
        io::ErrorKind::AlreadyExists => MediumError::AlreadyExists { path },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            MediumError::PermissionDenied { path, action }
        }
        _ => MediumError::Io {
            path,
            action,
            source,
        },
    }
}

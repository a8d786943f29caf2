//! An initramfs: a cpio archive in the "newc" form the kernel unpacks, not compressed, because a
//! guest without hardware help unpacks slowly and a fast host reads quickly.

use std::collections::BTreeMap;

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

struct Entry {
    mode: u32,
    device: (u32, u32),
    data: Vec<u8>,
}

/// The files of an archive by path, without a leading slash.
#[derive(Default)]
pub(crate) struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    fn add(&mut self, path: &str, mode: u32, device: (u32, u32), data: Vec<u8>) {
        // A folder stands before what is in it: BTreeMap's order does that.
        let mut at = 0;
        while let Some(slash) = path[at..].find('/') {
            at += slash;
            let folder = Entry {
                mode: FOLDER,
                device: (0, 0),
                data: Vec::new(),
            };
            self.entries.entry(path[..at].to_owned()).or_insert(folder);
            at += 1;
        }
        self.entries
            .insert(path.to_owned(), Entry { mode, device, data });
    }

    pub(crate) fn folder(&mut self, path: &str) {
        self.add(path, FOLDER, (0, 0), Vec::new());
    }

    pub(crate) fn file(&mut self, path: &str, data: Vec<u8>) {
        self.add(path, FILE, (0, 0), data);
    }

    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.add(path, LINK, (0, 0), to.as_bytes().to_vec());
    }

    pub(crate) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.add(path, CHARACTER_DEVICE, (major, minor), Vec::new());
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, (path, entry)) in (1..).zip(&self.entries) {
            write(&mut bytes, number, path, entry);
        }
        let end = Entry {
            mode: 0,
            device: (0, 0),
            data: Vec::new(),
        };
        write(&mut bytes, 0, "TRAILER!!!", &end);
        bytes
    }
}

fn write(bytes: &mut Vec<u8>, number: u32, path: &str, entry: &Entry) {
    let pad = |bytes: &mut Vec<u8>| bytes.resize(bytes.len().next_multiple_of(4), 0);
    let length = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
    let (major, minor) = entry.device;
    bytes.extend(b"070701");
    // Inode, mode, user, group, links, time, size, device of the file system (2), device (2), name, check.
    let fields = [
        number,
        entry.mode,
        0,
        0,
        1,
        0,
        length(entry.data.len()),
        0,
        0,
        major,
        minor,
        length(path.len() + 1),
        0,
    ];
    for field in fields {
        bytes.extend(format!("{field:08x}").bytes());
    }
    bytes.extend(path.bytes());
    bytes.push(0);
    pad(bytes);
    bytes.extend(&entry.data);
    pad(bytes);
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn folders_stand_before_their_files_and_entries_are_aligned() {
        let mut archive = Archive::default();
        archive.file("usr/bin/a", b"12345".to_vec());
        let bytes = archive.bytes();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let at = |name: &str| text.find(name).expect(name);
        assert!(at("usr\0") < at("usr/bin\0") && at("usr/bin\0") < at("usr/bin/a\0"));
        assert_eq!(at("12345") % 4, 0);
        assert!(text.contains("TRAILER!!!"));
    }
}

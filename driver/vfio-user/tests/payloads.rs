//! Layouts against the specification's tables, and what a peer can get wrong in them.

use rustix::io::Errno;
use vfio_user_wire::irq::{self, Action, Data, IrqInfo, IrqSet};
use vfio_user_wire::message::{
    DeviceInfo, DmaAccess, DmaMap, DmaUnmap, RegionAccess, RegionIoFds, VersionNumbers,
};
use vfio_user_wire::region::{
    CAPABILITIES, MMAP, RegionInfo, SparseArea, decode_region_info, encode_region_info,
};
use vfio_user_wire::{
    Capabilities, Command, HEADER_BYTES, Header, MessageType, Version, VersionError, payload,
};
use zerocopy::IntoBytes;

#[test]
fn sizes_are_those_of_the_specification() {
    assert_eq!(size_of::<Header>(), HEADER_BYTES);
    assert_eq!(size_of::<VersionNumbers>(), 4);
    assert_eq!(size_of::<DmaMap>(), 32);
    assert_eq!(size_of::<DmaUnmap>(), 24);
    assert_eq!(size_of::<DeviceInfo>(), 16);
    assert_eq!(size_of::<RegionInfo>(), 32);
    assert_eq!(size_of::<RegionIoFds>(), 16);
    assert_eq!(size_of::<IrqInfo>(), 16);
    assert_eq!(size_of::<IrqSet>(), 20);
    assert_eq!(size_of::<RegionAccess>(), 16);
    assert_eq!(size_of::<DmaAccess>(), 16);
}

#[test]
fn a_header_is_laid_out_as_the_specification_says() {
    let mut header = Header::command(0x1234, Command::DmaMap).without_reply();
    header.message_size = 48;
    assert_eq!(
        header.as_bytes(),
        [0x34, 0x12, 2, 0, 48, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(header.message_type(), MessageType::Command);
    let reply = header.error_reply(22);
    assert_eq!(
        reply.as_bytes(),
        [0x34, 0x12, 2, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 22, 0, 0, 0]
    );
    assert_eq!(reply.message_type(), MessageType::Reply);
    assert!(reply.is_error() && !reply.no_reply());
    header.flags = 2;
    assert_eq!(header.message_type(), MessageType::Unknown);
}

#[test]
fn commands_have_their_numbers() {
    for (index, command) in Command::ALL.into_iter().enumerate() {
        assert_eq!(command as usize, index + 1);
        assert_eq!(Command::from_number(command as u16), Some(command));
    }
    assert_eq!(Command::from_number(0), None);
    assert_eq!(Command::from_number(19), None);
}

#[test]
fn a_short_payload_is_einval() {
    assert_eq!(payload::<DmaMap>(&[0; 31]), Err(Errno::INVAL));
    assert!(payload::<DmaMap>(&[0; 33]).is_ok());
}

#[test]
fn mappable_areas_go_both_ways() {
    let info = RegionInfo {
        flags: MMAP,
        size: 0x4000,
        ..RegionInfo::default()
    };
    let areas = [
        SparseArea {
            offset: 0x1000,
            size: 0x1000,
        },
        SparseArea {
            offset: 0x3000,
            size: 0x1000,
        },
    ];
    let payload = encode_region_info(info, &areas, 1024);
    assert_eq!(payload.len(), 32 + 16 + 32);
    let (decoded, seen) = decode_region_info(&payload).unwrap();
    assert_eq!(seen, areas);
    assert_eq!((decoded.argsz, decoded.cap_offset), (80, 32));
    assert_eq!(decoded.flags, MMAP | CAPABILITIES);

    // A client that asks with too little room is told how much it takes, and asks again.
    let payload = encode_region_info(info, &areas, 32);
    assert_eq!(payload.len(), 32);
    let (decoded, seen) = decode_region_info(&payload).unwrap();
    // (QEMU 11.1 refuses a short reply whose capabilities begin nowhere.)
    assert_eq!((decoded.argsz, decoded.cap_offset), (80, 32));
    assert!(seen.is_empty());

    let payload = encode_region_info(info, &[], 32);
    assert_eq!(decode_region_info(&payload).unwrap().0.argsz, 32);
}

#[test]
fn a_capability_chain_that_makes_no_sense_is_einval() {
    let area = SparseArea {
        offset: 0,
        size: 4096,
    };
    let good = encode_region_info(RegionInfo::default(), &[area], 1024);
    let broken = |at: usize, value: u32| {
        let mut payload = good.clone();
        payload[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        decode_region_info(&payload).map(|(_, areas)| areas)
    };
    assert_eq!(broken(12, 1000), Err(Errno::INVAL), "beyond the end");
    assert_eq!(broken(36, 32), Err(Errno::INVAL), "a circle");
    assert_eq!(broken(40, 2), Err(Errno::INVAL), "more areas than bytes");
    assert_eq!(broken(40, u32::MAX), Err(Errno::INVAL), "very many areas");
}

#[test]
fn interrupt_messages_go_both_ways() {
    let set = IrqSet::none(irq::MSIX, Action::Trigger, 0, 0);
    assert_eq!(
        IrqSet::decode(set.as_bytes()),
        Ok((set, Action::Trigger, Data::None))
    );
    let set = IrqSet::bools(irq::MSIX, Action::Mask, 1, 2);
    let payload = [set.as_bytes(), &[1, 0, 9]].concat();
    assert_eq!(
        IrqSet::decode(&payload),
        Ok((set, Action::Mask, Data::Bool(&[1, 0])))
    );
    assert_eq!(set.argsz, 22);
    let set = IrqSet::eventfds(irq::MSIX, Action::Trigger, 0, 5);
    assert_eq!(set.flags, 0x24);
    assert_eq!(
        IrqSet::decode(set.as_bytes()),
        Ok((set, Action::Trigger, Data::Eventfd))
    );
}

#[test]
fn interrupt_messages_that_make_no_sense_are_einval() {
    let mut set = IrqSet::bools(irq::MSIX, Action::Trigger, 0, u32::MAX);
    assert_eq!(IrqSet::decode(set.as_bytes()), Err(Errno::INVAL));
    for flags in [0, 1, 0x20, 0x23, 0x31, 0x61] {
        set.flags = flags;
        set.count = 0;
        assert_eq!(
            IrqSet::decode(set.as_bytes()),
            Err(Errno::INVAL),
            "{flags:#x}"
        );
    }
    assert_eq!(IrqSet::decode(&[0; 19]), Err(Errno::INVAL));
}

fn with_text(text: &str) -> Result<Version, VersionError> {
    Version::decode(&[&[0, 0, 1, 0], text.as_bytes()].concat())
}

#[test]
fn a_version_goes_both_ways() {
    let version = Version::new(Capabilities {
        max_msg_fds: 16,
        max_data_xfer_size: 4096,
        max_dma_maps: 7,
        pgsizes: 0x20_1000,
        write_multiple: true,
    });
    let payload = version.encode();
    assert_eq!(payload.last(), Some(&0), "QEMU wants a NUL at the end");
    assert_eq!(Version::decode(&payload), Ok(version));
}

#[test]
fn a_version_without_json_means_the_defaults() {
    // SPDK's client sends the numbers alone.
    let defaults = Ok(Version::new(Capabilities::default()));
    for text in [
        "",
        "\0",
        " \0",
        "{}",
        "{}\0",
        "{\"capabilities\":{}}\0",
        "{\"capabilities\":null}",
    ] {
        assert_eq!(with_text(text), defaults, "{text:?}");
    }
    let unknown =
        "{\"capabilities\":{\"migration\":{\"pgsize\":4096},\"twin_socket\":{}},\"x\":1}\0";
    assert_eq!(with_text(unknown), defaults);
}

#[test]
fn a_version_that_makes_no_sense_is_refused() {
    assert_eq!(
        Version::decode(&[0, 0, 1]),
        Err(VersionError::Short { bytes: 3 })
    );
    for text in ["{", "[]", "7", "nonsense", "{\"capabilities\":3}", "{} {}"] {
        let error = with_text(text).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{text}: {error}");
    }
    let error = with_text("{\"capabilities\":{\"max_msg_fds\":-1}}").unwrap_err();
    assert!(error.to_string().contains("max_msg_fds"), "{error}");
    let other = Version {
        major: 1,
        ..Version::default()
    };
    assert!(other.agree(Capabilities::default()).is_err());
    let newer = Version {
        minor: 9,
        ..Version::default()
    };
    assert_eq!(newer.agree(Capabilities::default()).unwrap().minor, 1);
}

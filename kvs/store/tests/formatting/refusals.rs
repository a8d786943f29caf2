//! Devices and sizes that no store can be made of, each refused by name.

use rdstore::testing::{MemoryDevice, MemoryOptions};
use rdstore::{Client, DeviceCapabilities, Error, FormatOptions, OpenOptions, format};

use super::blank;

#[test]
fn a_device_that_promises_too_little_is_refused_by_name() {
    let whole = DeviceCapabilities::atomic(16384);
    let cases = [
        (
            "FUSES",
            DeviceCapabilities {
                fused_compare_and_write: false,
                ..whole
            },
        ),
        (
            "ACWU",
            DeviceCapabilities {
                acwu_bytes: 4096,
                ..whole
            },
        ),
        (
            "AWUN",
            DeviceCapabilities {
                awun_bytes: 4096,
                ..whole
            },
        ),
        (
            "AWUPF",
            DeviceCapabilities {
                awupf_bytes: 512,
                ..whole
            },
        ),
        (
            "0Ah",
            DeviceCapabilities {
                atomicity_disabled: true,
                ..whole
            },
        ),
        (
            "VWC",
            DeviceCapabilities {
                volatile_write_cache: true,
                forced_unit_access: false,
                ..whole
            },
        ),
    ];
    let options = FormatOptions {
        page_bytes: 8192,
        ..FormatOptions::default()
    };
    for (field, capabilities) in cases {
        let memory = MemoryOptions {
            capabilities,
            ..MemoryOptions::default()
        };
        let device = MemoryDevice::new(1 << 20, memory);
        let error = format(&mut device.handle(), &options).unwrap_err();
        assert!(error.to_string().contains(field), "{field}: {error}");
        // The same when the store was made before the device lost the ability.
        device.set_options(MemoryOptions::default());
        format(&mut device.handle(), &options).unwrap();
        device.set_options(memory);
        let error = Client::open(device.handle(), OpenOptions::default())
            .err()
            .unwrap();
        assert!(matches!(error, Error::UnfitDevice { .. }), "{error}");
        let read_only = OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        };
        assert!(
            Client::open(device.handle(), read_only).is_ok(),
            "reading needs nothing"
        );
    }
    let cached = DeviceCapabilities {
        volatile_write_cache: true,
        ..whole
    };
    let memory = MemoryOptions {
        capabilities: cached,
        ..MemoryOptions::default()
    };
    let device = MemoryDevice::new(1 << 20, memory);
    format(&mut device.handle(), &options).unwrap();
}

#[test]
fn impossible_sizes_are_refused() {
    let device = blank();
    let mut handle = device.handle();
    let options = |page_bytes| FormatOptions {
        page_bytes,
        ..FormatOptions::default()
    };
    assert!(matches!(
        format(&mut handle, &options(5000)),
        Err(Error::Option { .. })
    ));
    let too_many = FormatOptions {
        pages: Some(9),
        ..FormatOptions::default()
    };
    let error = format(&mut handle, &too_many).unwrap_err();
    assert!(
        matches!(
            error,
            Error::DeviceTooSmall {
                needed_pages: 25,
                ..
            }
        ),
        "{error}"
    );
    let too_few = FormatOptions {
        pages: Some(1),
        ..FormatOptions::default()
    };
    assert!(matches!(
        format(&mut handle, &too_few),
        Err(Error::Option { .. })
    ));
    let exact = FormatOptions {
        pages: Some(5),
        ..FormatOptions::default()
    };
    assert_eq!(format(&mut handle, &exact).unwrap().info.home_pages, 5);
    for bytes in [4096, 64 << 10, (64 << 10) + 4096] {
        let small = MemoryDevice::new(bytes, MemoryOptions::default());
        let error = format(&mut small.handle(), &FormatOptions::default()).unwrap_err();
        assert!(matches!(error, Error::DeviceTooSmall { .. }), "{error}");
    }
    // A store on a device that has shrunk.
    let image = device.bytes(0, 20 * 4096);
    let shrunk = MemoryDevice::new(20 * 4096, MemoryOptions::default());
    shrunk.write_bytes(0, &image);
    let error = Client::open(shrunk.handle(), OpenOptions::default())
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            Error::DeviceTooSmall {
                needed_pages: 21,
                ..
            }
        ),
        "{error}"
    );
}

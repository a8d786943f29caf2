//! Every byte of the Identify data structures is the cycle model's.
#![cfg(feature = "verilator")]

use nvme_model::admin::{AdminConfig, identify_controller, identify_namespace};
use nvme_spec::identify::{CNS_ACTIVE_NAMESPACES, CNS_CONTROLLER, CNS_NAMESPACE, IDENTIFY_BYTES};
use rtl_units::Module;
use zerocopy::IntoBytes;

fn structure(module: &mut Module, structure: u8) -> Vec<u8> {
    module.set("structure", structure.into());
    let mut bytes = Vec::new();
    for beat in 0..IDENTIFY_BYTES as u64 / 32 {
        module.set("beat", beat);
        module.evaluate();
        bytes.extend(module.get_bytes("data"));
    }
    bytes
}

fn check(name: &str, functions: std::ops::Range<u8>, config: &AdminConfig) {
    let mut module = Module::new(name);
    module.set("namespace_blocks", config.namespace_blocks);
    let serial: Vec<u8> = config
        .serial_number
        .bytes()
        .chain([b' '; 20])
        .take(20)
        .collect();
    module.set_bytes("serial_number", &serial);
    for function in functions {
        module.set("function_number", function.into());
        let expected = identify_controller(function, config);
        assert_eq!(
            structure(&mut module, CNS_CONTROLLER),
            expected.as_bytes(),
            "function {function}"
        );
    }
    let expected = identify_namespace(config);
    assert_eq!(structure(&mut module, CNS_NAMESPACE), expected.as_bytes());
    for (above, first) in [(0, 1), (1, 0), (7, 0)] {
        module.set("namespace_id", above);
        let mut list = vec![0; IDENTIFY_BYTES];
        list[0] = first;
        assert_eq!(structure(&mut module, CNS_ACTIVE_NAMESPACES), list);
    }
}

#[test]
fn identify_rom_holds_what_the_model_answers() {
    check("identify_rom", 0..7, &AdminConfig::default());
    let small = AdminConfig {
        block_bytes: 512,
        namespace_blocks: 0x0123_4567_89ab,
        virtual_functions: 0,
        atomic_unit_bytes: 4096,
        serial_number: String::from("ABCDEFGHIJKLMNOPQRST"),
        ..AdminConfig::default()
    };
    check("identify_rom_small", 0..1, &small);
}

//! A script as text.

use std::fmt::Write as _;

use nvme_spec::{Fuse, opcode::nvm};

use crate::script::{Command, Group, Script};

/// The device, the host, and every command in the order of sending.
pub fn describe(script: &Script) -> String {
    let setup = &script.setup;
    let host = &setup.host;
    let mut text = format!(
        "seed {}: {:?}, blocks of {} bytes, {} functions, polls every {} cycles\n\
         host: MPS {}, MRRS {}, completions split at {}, round trip {} cycles, completion space {} bytes / {} headers, \
         software {} cycles; memory {} / {} cycles; stalls: {}\n",
        script.seed,
        setup.mix,
        setup.block_bytes,
        setup.functions.len(),
        setup.polling_cycles,
        host.max_payload_bytes,
        host.max_read_request_bytes,
        host.completion_split_bytes,
        host.rtt_cycles,
        host.completion_space_bytes,
        host.completion_space_headers,
        host.software_cycles,
        setup.mem_cycles,
        setup.write_response_cycles,
        if setup.stalls.is_some() { "yes" } else { "no" },
    );
    for (number, function) in setup.functions.iter().enumerate() {
        let _ = writeln!(
            text,
            "function {number}: completion queues of {:?}, submission queues (entries, completion queue) {:?}{}",
            function.completion_queues,
            function.submission_queues,
            if function.interrupts { ", MSI-X" } else { "" }
        );
    }
    for (number, round) in script.rounds.iter().enumerate() {
        let how = if round.serial {
            "one at a time"
        } else {
            "together"
        };
        let _ = writeln!(text, "round {number}, {how}:");
        if let Some(upheaval) = &round.upheaval {
            let _ = writeln!(text, "  {upheaval:?}");
        }
        for (function, offset, value) in &round.doorbells {
            let _ = writeln!(
                text,
                "  doorbell {offset:#x} of function {function} = {value:#x}"
            );
        }
        for group in &round.groups {
            text.push_str(&describe_group(group));
        }
        if round.look {
            text.push_str("  logs and features are read\n");
        }
    }
    text
}

fn describe_group(group: &Group) -> String {
    let mut text = String::new();
    let each = if group.doorbell_each && group.commands.len() > 1 {
        ", a doorbell each"
    } else {
        ""
    };
    for (index, command) in group.commands.iter().enumerate() {
        let lead = if index == 0 {
            let wait = group.wait_cycles;
            format!(
                "  function {} queue {} after {wait}{each}: ",
                group.function, group.queue
            )
        } else {
            "    with ".to_owned()
        };
        let _ = writeln!(
            text,
            "{lead}{}",
            describe_command(command, group.queue == 0)
        );
    }
    text
}

fn describe_command(command: &Command, is_admin: bool) -> String {
    let entry = &command.entry;
    let name = match entry.opcode() {
        _ if is_admin => format!(
            "admin opcode {:#04x}, dwords 10 and 11 {:#x} {:#x}",
            entry.opcode(),
            entry.cdw10,
            entry.cdw11
        ),
        nvm::FLUSH => "Flush".to_owned(),
        nvm::READ => "Read".to_owned(),
        nvm::WRITE => "Write".to_owned(),
        nvm::COMPARE => "Compare".to_owned(),
        opcode => format!("opcode {opcode:#04x}"),
    };
    let fuse = match entry.fuse() {
        Fuse::Normal => "",
        Fuse::First => " first",
        Fuse::Second => " second",
        Fuse::Reserved => " fuse 11b",
    };
    let mut text = format!("{:#x} {name}{fuse}", command.id);
    if let Some(data) = &command.data {
        if !is_admin {
            let _ = write!(
                text,
                " of {} blocks at {:#x}",
                entry.block_count(),
                entry.starting_lba()
            );
        }
        let _ = write!(text, ", {} bytes at offset {:#x}", data.bytes, data.offset);
        if data.pages() > 2 {
            let _ = write!(text, ", list at {:#x}", data.list_offset);
        }
        if let Some(byte) = data.flipped_byte {
            let _ = write!(text, ", byte {byte} differs");
        }
        if let Some(spoil) = data.spoil {
            let _ = write!(text, ", {spoil:?}");
        }
    }
    let _ = write!(
        text,
        " → {:?}{}",
        command.expect,
        if command.races { ", races" } else { "" }
    );
    text
}

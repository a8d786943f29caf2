//! `identify_rom.v`: the Identify data structures, beat by beat.
//!
//! The bytes are those that the cycle model answers; fields that depend on parameters or inputs are
//! given by an expression each, and everything else must not depend on the configuration.

use nvme_model::admin::{AdminConfig, identify_controller, identify_namespace};
use nvme_spec::DataStructure;
use nvme_spec::identify::{IDENTIFY_BYTES, IdentifyController, IdentifyNamespace};

use crate::verilog::{GENERATED, LICENCE};

/// Bytes of a beat.
const BEAT_BYTES: usize = 32;

/// Fields that are not the same for every controller, and what stands in them. A wider expression
/// than the field is cut to its low bits.
const CONTROLLER: [(&str, &str); 6] = [
    ("SN", "serial_number"),
    ("CMIC", "{5'd0, function_number != 0, SHARED, 1'b0}"),
    ("CNTLID", "controller_id"),
    ("AWUN", "ATOMIC_LAST_BLOCK"),
    ("AWUPF", "ATOMIC_LAST_BLOCK"),
    ("ACWU", "ATOMIC_LAST_BLOCK"),
];
const NAMESPACE: [(&str, &str); 5] = [
    ("NSZE", "namespace_blocks"),
    ("NCAP", "namespace_blocks"),
    ("NUSE", "namespace_blocks"),
    ("NMIC", "{7'd0, SHARED}"),
    ("LBAF", "FORMAT"),
];

pub(crate) fn file() -> String {
    format!(
        "{}{}{}{}",
        head(),
        beats::<IdentifyController>("CNS_CONTROLLER", &CONTROLLER, |config, function| {
            identify_controller(function, config)
        }),
        beats::<IdentifyNamespace>("CNS_NAMESPACE", &NAMESPACE, |config, _| {
            identify_namespace(config)
        }),
        TAIL
    )
}

fn head() -> String {
    format!(
        "{LICENCE}\
// identify_rom: the Identify data structures (§5.11), 32 bytes of a page at a time. Combinational.
//
{GENERATED}
`resetall
`timescale 1ns / 1ps
`default_nettype none

module identify_rom #(
    // Virtual functions beside the PF
    parameter VIRTUAL_FUNCTIONS = 6,
    // Logical block size, log2 of bytes
    parameter LBA_SHIFT = 12,
    // AWUN = AWUPF = ACWU in bytes
    parameter ATOMIC_UNIT_BYTES = 16384,
    // Width of a function's number in bits
    parameter FUNCTION_WIDTH = 3
) (
    // CDW10 7:0: namespace, controller or list of active namespaces
    input wire [               7:0] structure,
    // Which 32 bytes of the 4,096
    input wire [               6:0] beat,
    // Who asks: 0 is the PF
    input wire [FUNCTION_WIDTH-1:0] function_number,
    // The list is of namespaces above this one
    input wire [              31:0] namespace_id,
    input wire [              63:0] namespace_blocks,
    // First character in bits 7:0
    input wire [             159:0] serial_number,

    // First byte in bits 7:0
    output reg [255:0] data
);

  `include \"nvme_defs.vh\"

  localparam [0:0] SHARED = VIRTUAL_FUNCTIONS > 0;
  localparam [15:0] ATOMIC_LAST_BLOCK = (ATOMIC_UNIT_BYTES >> LBA_SHIFT) - 1;
  // No metadata, best performance
  localparam [31:0] FORMAT = LBA_SHIFT << 16;

  wire [15:0] controller_id = {{{{16 - FUNCTION_WIDTH{{1'b0}}}}, function_number}};

  always @* begin
    data = 256'd0;
    case (structure)
"
    )
}

const TAIL: &str = "      CNS_ACTIVE_NAMESPACES: if (beat == 7'd0 && namespace_id < NAMESPACE_ID) data[31:0] = NAMESPACE_ID;
      default: ;
    endcase
  end

endmodule

`resetall
";

/// Case items of the beats of one structure that are not zero.
fn beats<T: DataStructure>(
    name: &str,
    variable: &[(&str, &str)],
    make: impl Fn(&AdminConfig, u8) -> T,
) -> String {
    let places: Vec<(usize, usize, &str)> = variable
        .iter()
        .map(|(abbreviation, expression)| {
            let info = T::FIELDS
                .iter()
                .find(|info| info.abbreviation == *abbreviation);
            let Some(info) = info else {
                panic!("{} has no field {abbreviation}", T::NAME);
            };
            (info.offset_bytes, info.element_bytes, *expression)
        })
        .collect();
    let constant = |config: &AdminConfig, function| {
        let mut bytes = make(config, function).as_bytes().to_vec();
        for &(offset, length, _) in &places {
            bytes[offset..offset + length].fill(0);
        }
        bytes
    };
    let bytes = constant(&AdminConfig::default(), 0);
    assert_eq!(bytes.len(), IDENTIFY_BYTES);
    let other = AdminConfig {
        block_bytes: 512,
        namespace_blocks: 12_345,
        virtual_functions: 0,
        io_queues: 16,
        vectors: 17,
        atomic_unit_bytes: 4096,
        serial_number: String::from("ANOTHER"),
        ..AdminConfig::default()
    };
    assert_eq!(
        bytes,
        constant(&other, 5),
        "{name} depends on the configuration in a field that has no expression"
    );

    let mut text = format!("      {name}:\n      case (beat)\n");
    for (index, beat) in bytes.chunks(BEAT_BYTES).enumerate() {
        let first = index * BEAT_BYTES;
        let here: Vec<_> = places
            .iter()
            .filter(|(offset, length, _)| offset + length > first && *offset < first + BEAT_BYTES)
            .collect();
        if here.is_empty() && beat.iter().all(|&byte| byte == 0) {
            continue;
        }
        text += &format!("        7'd{index}: begin\n");
        if beat.iter().any(|&byte| byte != 0) {
            let digits: Vec<String> = beat
                .rchunks(8)
                .map(|eight| eight.iter().rev().map(|b| format!("{b:02x}")).collect())
                .collect();
            text += &format!("          data = 256'h{};\n", digits.join("_"));
        }
        for (offset, length, expression) in here {
            let low = offset
                .checked_sub(first)
                .filter(|at| at + length <= BEAT_BYTES);
            let Some(low) = low else {
                panic!("the field at byte {offset} of {name} lies in two beats");
            };
            let (low, high) = (8 * low, 8 * (low + length) - 1);
            text += &format!("          data[{high}:{low}] = {expression};\n");
        }
        text += "        end\n";
    }
    text + "        default: ;\n      endcase\n"
}

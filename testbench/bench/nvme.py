"""NVMe 1.1 as far as the tests speak it: registers, commands, completions."""

import struct
from dataclasses import dataclass
from enum import IntEnum

CAP, VS, INTMS, INTMC, CC, CSTS, AQA, ASQ, ACQ = 0x00, 0x08, 0x0C, 0x10, 0x14, 0x1C, 0x24, 0x28, 0x30
DOORBELLS, MSIX_TABLE, MSIX_PENDING, BAR_BYTES = 0x1000, 0x2000, 0x3000, 0x4000
SQE_BYTES, CQE_BYTES, BLOCK_BYTES, PAGE_BYTES = 64, 16, 4096, 4096
# Largest transfer (MDTS) and largest pair (ACWU) of the controller, in blocks.
MOST_BLOCKS, MOST_PAIR_BLOCKS = 32, 4


class Admin(IntEnum):
    """Admin opcodes."""

    DELETE_SQ = 0x00
    CREATE_SQ = 0x01
    GET_LOG_PAGE = 0x02
    DELETE_CQ = 0x04
    CREATE_CQ = 0x05
    IDENTIFY = 0x06
    SET_FEATURES = 0x09
    GET_FEATURES = 0x0A


class Io(IntEnum):
    """Opcodes of the NVM command set."""

    FLUSH = 0x00
    WRITE = 0x01
    READ = 0x02
    COMPARE = 0x05


class Fuse(IntEnum):
    """FUSE: whether a command is half of a pair."""

    NORMAL = 0
    FIRST = 1
    SECOND = 2


class Status(IntEnum):
    """Status code type (bits 10:8) and code (7:0)."""

    SUCCESS = 0x000
    INVALID_OPCODE = 0x001
    INVALID_FIELD = 0x002
    DATA_TRANSFER_ERROR = 0x004
    FAILED_FUSED = 0x009
    MISSING_FUSED = 0x00A
    LBA_OUT_OF_RANGE = 0x080
    COMPARE_FAILURE = 0x285


@dataclass(frozen=True, slots=True)
class Command:
    """A submission queue entry."""

    opcode: int
    namespace: int = 0
    prp1: int = 0
    prp2: int = 0
    dword10: int = 0
    dword11: int = 0
    dword12: int = 0
    fuse: Fuse = Fuse.NORMAL

    def encode(self, command_id: int) -> bytes:
        """The 64 bytes (figure 6)."""
        head = self.opcode | self.fuse << 8 | command_id << 16
        return struct.pack(
            "<IIQQQQIIIIII",
            head,
            self.namespace,
            0,
            0,
            self.prp1,
            self.prp2,
            self.dword10,
            self.dword11,
            self.dword12,
            0,
            0,
            0,
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion queue entry."""

    dword0: int
    sq_head: int
    sq_id: int
    command_id: int
    phase: int
    status: int

    @classmethod
    def decode(cls, entry: bytes) -> "Completion":
        """The 16 bytes (figure 17); dword 1 is reserved."""
        dword0, reserved, sq_head, sq_id, command_id, status = struct.unpack("<IIHHHH", entry)
        assert reserved == 0, f"dword 1 of a CQE is {reserved:#x}"
        return cls(dword0, sq_head, sq_id, command_id, status & 1, status >> 1 & 0x7FF)

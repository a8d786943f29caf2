"""TLPs on the 256-bit streams of the Virtex-7 Gen3 block (PG023), dword-aligned, without straddling."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from bench.layout import Layout

BEAT_DWORDS = 8
BEAT_BYTES = 4 * BEAT_DWORDS
# The block counts the PF from 0 and VFs from 64.
FIRST_VF = 64

_REQUEST = {
    "address_type": (0, 2),
    "address": (2, 62),
    "dword_count": (64, 11),
    "request_type": (75, 4),
}
CQ_DESCRIPTOR = Layout(
    "CQ descriptor",
    128,
    _REQUEST
    | {
        "requester_id": (80, 16),
        "tag": (96, 8),
        "target_function": (104, 8),
        "bar_id": (112, 3),
        "bar_aperture": (115, 6),
        "traffic_class": (121, 3),
        "attributes": (124, 3),
    },
)
CQ_USER = Layout(
    "CQ tuser",
    85,
    {
        "first_byte_enables": (0, 4),
        "last_byte_enables": (4, 4),
        "byte_enables": (8, 32),
        "start_of_packet": (40, 1),
        "discontinue": (41, 1),
        "tph_present": (42, 1),
        "tph_type": (43, 2),
        "tph_tag": (45, 8),
        "parity": (53, 32),
    },
)
CC_DESCRIPTOR = Layout(
    "CC descriptor",
    96,
    {
        "lower_address": (0, 7),
        "address_type": (8, 2),
        "byte_count": (16, 13),
        "locked_read": (29, 1),
        "dword_count": (32, 11),
        "status": (43, 3),
        "poisoned": (46, 1),
        "requester_id": (48, 16),
        "tag": (64, 8),
        "completer_function": (72, 8),
        "completer_bus": (80, 8),
        "completer_id_enable": (88, 1),
        "traffic_class": (89, 3),
        "attributes": (92, 3),
        "force_ecrc": (95, 1),
    },
)
CC_USER = Layout("CC tuser", 33, {"discontinue": (0, 1), "parity": (1, 32)})
RQ_DESCRIPTOR = Layout(
    "RQ descriptor",
    128,
    _REQUEST
    | {
        "poisoned": (79, 1),
        "requester_function": (80, 8),
        "requester_bus": (88, 8),
        "tag": (96, 8),
        "completer_id": (104, 16),
        "requester_id_enable": (120, 1),
        "traffic_class": (121, 3),
        "attributes": (124, 3),
        "force_ecrc": (127, 1),
    },
)
RQ_USER = Layout(
    "RQ tuser",
    60,
    {
        "first_byte_enables": (0, 4),
        "last_byte_enables": (4, 4),
        "address_offset": (8, 3),
        "discontinue": (11, 1),
        "tph_present": (12, 1),
        "tph_type": (13, 2),
        "tph_indirect": (15, 1),
        "tph_tag": (16, 8),
        "sequence_number": (24, 4),
        "parity": (28, 32),
    },
)
RC_DESCRIPTOR = Layout(
    "RC descriptor",
    96,
    {
        "lower_address": (0, 12),
        "error_code": (12, 4),
        "byte_count": (16, 13),
        "locked_read": (29, 1),
        "request_completed": (30, 1),
        "dword_count": (32, 11),
        "status": (43, 3),
        "poisoned": (46, 1),
        "requester_id": (48, 16),
        "tag": (64, 8),
        "completer_id": (72, 16),
        "traffic_class": (89, 3),
        "attributes": (92, 3),
    },
)
RC_USER = Layout(
    "RC tuser",
    75,
    {
        "byte_enables": (0, 32),
        "start_of_frame_0": (32, 1),
        "start_of_frame_1": (33, 1),
        "end_of_frame_0": (34, 1),
        "end_of_frame_0_dword": (35, 3),
        "end_of_frame_1": (38, 1),
        "end_of_frame_1_dword": (39, 3),
        "discontinue": (42, 1),
        "parity": (43, 32),
    },
)


class RequestType(IntEnum):
    """Request types of CQ and RQ descriptors."""

    MEMORY_READ = 0
    MEMORY_WRITE = 1
    IO_READ = 2
    IO_WRITE = 3
    FETCH_AND_ADD = 4
    SWAP = 5
    COMPARE_AND_SWAP = 6
    LOCKED_READ = 7
    MESSAGE = 12


class CompletionStatus(IntEnum):
    """PCIe's completion status (2.1, table 2-34)."""

    SUCCESS = 0
    UNSUPPORTED_REQUEST = 1
    COMPLETER_ABORT = 4


class ReadError(IntEnum):
    """Error codes of RC descriptors."""

    GOOD = 0
    POISONED = 1
    BAD_STATUS = 2
    ENDED_BY_RESET = 8
    TIMEOUT = 9


@dataclass(frozen=True, slots=True)
class Beat:
    """What stands on a stream in one cycle."""

    data: int
    keep: int
    last: bool
    user: int


def block_function(function: int) -> int:
    """How the block numbers a function: 0 is the PF, 1 + n is VF n."""
    return 0 if function == 0 else FIRST_VF + function - 1


def function_of(number: int) -> int:
    """The function that the block numbers so."""
    assert number == 0 or number >= FIRST_VF, f"no function has the number {number}"
    return 0 if number == 0 else number - FIRST_VF + 1


def cut(header: int, header_dwords: int, payload: bytes) -> list[tuple[int, int, bool]]:
    """Data, tkeep and tlast of each beat of a TLP."""
    assert len(payload) % 4 == 0
    bits = header | int.from_bytes(payload, "little") << (32 * header_dwords)
    dwords = header_dwords + len(payload) // 4
    beats = []
    for first in range(0, dwords, BEAT_DWORDS):
        count = min(BEAT_DWORDS, dwords - first)
        data = bits >> (32 * first) & (1 << 32 * BEAT_DWORDS) - 1
        beats.append((data, (1 << count) - 1, first + count == dwords))
    return beats


def join(beats: Sequence[Beat], header_dwords: int) -> tuple[int, bytes]:
    """Header and payload of a TLP; only its last beat may be short, and only at the top."""
    bits = dwords = 0
    for beat in beats:
        count = beat.keep.bit_count()
        assert beat.keep == (1 << count) - 1 and count > 0, f"tkeep {beat.keep:#x}"
        assert beat.last == (beat is beats[-1])
        assert count == BEAT_DWORDS or beat.last, f"tkeep {beat.keep:#x} before the last beat"
        bits |= (beat.data & (1 << 32 * count) - 1) << (32 * dwords)
        dwords += count
    assert dwords >= header_dwords, f"a TLP of {dwords} dwords"
    payload = bits >> (32 * header_dwords)
    return bits & (1 << 32 * header_dwords) - 1, payload.to_bytes(4 * (dwords - header_dwords), "little")


@dataclass(frozen=True, slots=True)
class RegisterRequest:
    """A request of the host, on CQ."""

    request_type: RequestType
    function: int
    address: int
    dwords: int
    tag: int = 0
    payload: bytes = b""
    first_byte_enables: int = 0xF
    last_byte_enables: int | None = None
    requester_id: int = 0x0018
    bar_id: int = 0
    traffic_class: int = 0
    attributes: int = 0
    discontinue: bool = False
    block_function: int | None = None

    def beats(self) -> list[Beat]:
        """Cut it for the stream."""
        number = block_function(self.function) if self.block_function is None else self.block_function
        last = (0xF if self.dwords > 1 else 0) if self.last_byte_enables is None else self.last_byte_enables
        header = CQ_DESCRIPTOR.pack(
            address=self.address >> 2,
            dword_count=self.dwords,
            request_type=self.request_type,
            requester_id=self.requester_id,
            tag=self.tag,
            target_function=number,
            bar_id=self.bar_id,
            bar_aperture=14,
            traffic_class=self.traffic_class,
            attributes=self.attributes,
        )
        # One bit for each byte of the payload, behind the 16 bytes of the descriptor.
        enables = 0
        for dword in range(len(self.payload) // 4):
            ends = {0: self.first_byte_enables, self.dwords - 1: last if self.dwords > 1 else self.first_byte_enables}
            enables |= ends.get(dword, 0xF) << (16 + 4 * dword)
        beats = []
        for index, (data, keep, is_last) in enumerate(cut(header, 4, self.payload)):
            user = CQ_USER.pack(
                first_byte_enables=self.first_byte_enables if index == 0 else 0,
                last_byte_enables=last if index == 0 else 0,
                byte_enables=enables >> (BEAT_BYTES * index) & 0xFFFF_FFFF,
                start_of_packet=int(index == 0),
                discontinue=int(self.discontinue and is_last),
            )
            beats.append(Beat(data, keep, is_last, user))
        return beats


@dataclass(frozen=True, slots=True)
class RegisterCompletion:
    """The controller's answer, on CC."""

    fields: dict[str, int]
    payload: bytes

    @classmethod
    def parse(cls, beats: Sequence[Beat]) -> "RegisterCompletion":
        """Take it from the stream, and hold it to what is always so."""
        for beat in beats:
            assert CC_USER.unpack(beat.user) == {"discontinue": 0, "parity": 0}
        header, payload = join(beats, 3)
        fields = CC_DESCRIPTOR.unpack(header)
        for name in ("address_type", "poisoned", "completer_bus", "completer_id_enable", "force_ecrc"):
            assert fields[name] == 0, f"CC {name} is {fields[name]}"
        assert 4 * fields["dword_count"] == len(payload), f"{fields['dword_count']} dwords announced, {len(payload)} B"
        return cls(fields, payload)


@dataclass(frozen=True, slots=True)
class MemoryRequest:
    """A request of the controller, on RQ."""

    is_write: bool
    function: int
    address: int
    length_bytes: int
    tag: int
    payload: bytes

    @classmethod
    def parse(cls, beats: Sequence[Beat]) -> "MemoryRequest":
        """Take it from the stream, and hold it to what is always so."""
        header, payload = join(beats, 4)
        fields = RQ_DESCRIPTOR.unpack(header)
        count = fields["dword_count"]
        assert fields["request_type"] in (RequestType.MEMORY_READ, RequestType.MEMORY_WRITE), fields
        is_write = fields["request_type"] == RequestType.MEMORY_WRITE
        # Attributes: no relaxed ordering, no snoop bit, no ID-based ordering.
        zeroes = ["address_type", "poisoned", "requester_bus", "completer_id", "requester_id_enable"]
        zeroes += ["traffic_class", "attributes", "force_ecrc"] + (["tag"] if is_write else [])
        for name in zeroes:
            assert fields[name] == 0, f"RQ {name} is {fields[name]:#x}"
        expected = RQ_USER.pack(first_byte_enables=0xF, last_byte_enables=0xF if count > 1 else 0)
        assert beats[0].user == expected, f"RQ tuser {beats[0].user:#x}, {count} dwords"
        for beat in beats[1:]:
            assert RQ_USER.unpack(beat.user)["discontinue"] == 0
        assert 0 < count <= 1024, f"{count} dwords"
        assert len(payload) == (4 * count if is_write else 0), f"{count} dwords announced, {len(payload)} B"
        function = function_of(fields["requester_function"])
        return cls(is_write, function, 4 * fields["address"], 4 * count, fields["tag"], payload)


@dataclass(frozen=True, slots=True)
class ReadCompletion:
    """A piece of what the controller has asked for, on RC."""

    tag: int
    function: int
    address: int
    remaining_bytes: int
    payload: bytes
    completed: bool
    status: CompletionStatus = CompletionStatus.SUCCESS
    error: ReadError = ReadError.GOOD

    def beats(self) -> list[Beat]:
        """Cut it for the stream."""
        header = RC_DESCRIPTOR.pack(
            lower_address=self.address & 0xFFF,
            error_code=self.error,
            byte_count=self.remaining_bytes,
            request_completed=int(self.completed),
            dword_count=len(self.payload) // 4,
            status=self.status,
            poisoned=int(self.error == ReadError.POISONED),
            requester_id=block_function(self.function),
            tag=self.tag,
            completer_id=0x0100,
        )
        beats = []
        for index, (data, keep, is_last) in enumerate(cut(header, 3, self.payload)):
            # A bit for each byte of payload.
            bytes_here = (1 << 4 * keep.bit_count()) - 1
            user = RC_USER.pack(
                byte_enables=bytes_here & ~0xFFF if index == 0 else bytes_here,
                start_of_frame_0=int(index == 0),
                end_of_frame_0=int(is_last),
                end_of_frame_0_dword=keep.bit_count() - 1 if is_last else 0,
            )
            beats.append(Beat(data, keep, is_last, user))
        return beats

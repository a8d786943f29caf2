"""One of the two devices with its host memory: what is common to the Verilog and the golden model."""

from dataclasses import dataclass, field

from bench.memory import HostMemory, Unmapped

MESSAGES = 0xFEE0_0000
MESSAGES_BYTES = 0x10_0000


@dataclass(slots=True)
class ReadResult:
    """What host memory has for a read of the device."""

    data: bytes
    status: str = "success"


@dataclass(slots=True)
class Side:
    """Host memory, messages that have arrived, and everything that passed, in order."""

    name: str
    memory: HostMemory = field(default_factory=HostMemory)
    # (function, address, data) of MSI-X messages
    messages: list[tuple[int, int, int]] = field(default_factory=list)
    # (function, address, bytes) of writes to memory; bursts are put together
    writes: list[tuple[int, int, bytes]] = field(default_factory=list)
    # (function, address, length) of reads
    reads: list[tuple[int, int, int]] = field(default_factory=list)
    # Reads of these (page, status) end so.
    faults: dict[int, str] = field(default_factory=dict)
    resets_done: list[int] = field(default_factory=list)
    answers: dict[int, int | None] = field(default_factory=dict)

    def write(self, function: int, address: int, data: bytes) -> None:
        """Take a posted write of the device."""
        if MESSAGES <= address < MESSAGES + MESSAGES_BYTES:
            assert len(data) == 4, f"{self.name}: a message of {len(data)} B"
            self.messages.append((function, address, int.from_bytes(data, "little")))
            return
        self.memory.check(function, address, len(data))
        self.memory.write(address, data)
        if self.writes:
            before, start, bytes_before = self.writes[-1]
            if before == function and start + len(bytes_before) == address and address % 4096 != 0:
                self.writes[-1] = (function, start, bytes_before + data)
                return
        self.writes.append((function, address, data))

    def read(self, function: int, address: int, length_bytes: int) -> ReadResult:
        """Look up what a read of the device finds."""
        self.reads.append((function, address, length_bytes))
        fault = self.faults.get(address // 4096)
        if fault is not None and fault != "poisoned":
            return ReadResult(b"", fault)
        try:
            self.memory.check(function, address, length_bytes)
        except Unmapped:
            return ReadResult(b"", "unsupported_request")
        return ReadResult(self.memory.read(address, length_bytes), fault or "success")

    def take_traffic(self) -> tuple[list[tuple[int, int, bytes]], list[tuple[int, int, int]]]:
        """Writes in order and reads by address since the last call."""
        traffic = self.writes, sorted(self.reads)
        self.writes, self.reads = [], []
        return traffic

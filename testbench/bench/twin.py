"""The controller and the golden model under the same stimuli, compared."""

import logging
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import cocotb
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiBus, AxiRam

from bench.nvme import BAR_BYTES, BLOCK_BYTES
from bench.port import Port
from bench.responder import Responder
from bench.rules import FunctionRules, LinkRules, Rules
from bench.side import Side
from bench.stalls import Stalls
from bench.tlp import (
    Beat,
    CompletionStatus,
    MemoryRequest,
    RegisterCompletion,
    RegisterRequest,
    RequestType,
    block_function,
)
from golden import Golden, Sent

FUNCTIONS = 7
ALL_FUNCTIONS = (1 << FUNCTIONS) - 1
SERIAL_NUMBER = "RDS00000001"
# Where the host has put the functions' BARs: not at 0, so that one who looks at all address bits is found out.
BARS = 0x38_4000_0000
CLOCK_NS = 8


@dataclass(frozen=True)
class Setting:
    """What a test runs with."""

    seed: int
    stalls: Stalls = field(default_factory=Stalls)
    max_payload_bytes: int = 256
    max_read_request_bytes: int = 512
    boundary_bytes: int = 64
    medium_blocks: int = 256

    @classmethod
    def draw(cls, seed: int) -> "Setting":
        """Any link, any timing."""
        rng = random.Random(seed)
        return cls(
            seed,
            Stalls.draw(rng),
            max_payload_bytes=rng.choice([128, 256, 512]),
            max_read_request_bytes=rng.choice([128, 256, 512, 1024, 4096]),
            boundary_bytes=rng.choice([64, 128]),
        )


def rc_beats(length_bytes: int) -> int:
    """Beats of a read completion on RC: a descriptor of 12 bytes, and the data."""
    return -(-(12 + length_bytes) // 32)


class Twin:
    """Both devices. Functions: 0 is the PF, 1 + n is VF n."""

    def __init__(self, dut: HierarchyObject, setting: Setting) -> None:
        """Make both; `start` brings them out of reset."""
        self.dut = dut
        self.setting = setting
        self.rng = random.Random(setting.seed)
        self.link = LinkRules(
            setting.max_payload_bytes, setting.max_read_request_bytes, setting.boundary_bytes, 15_872, 64
        )
        self.rules = Rules(FUNCTIONS, self.link)
        self.rtl = Side("Verilog")
        self.model = Side("model")
        self.sides = (self.rtl, self.model)
        self.golden = Golden(setting.medium_blocks * BLOCK_BYTES, serial_number=SERIAL_NUMBER)
        self._responder = Responder(self.rng, setting.max_payload_bytes, setting.boundary_bytes)
        # Reads of the model: (cycle of the answer, tag, data, status)
        self._model_reads: deque[tuple[int, int, bytes, str]] = deque()
        # Cycle from which the stream to the model is free.
        self._model_stream_free = 0
        self._completions: dict[int, RegisterCompletion] = {}
        self._next_tag = 0
        self._pages = 1
        self._levels = {"cfg_bus_master_enable": 0, "cfg_msix_enable": 0, "cfg_msix_mask": 0}

    # Start

    async def start(self) -> None:
        """Power on: clock, reset, settings of the link; all functions there and bus masters."""
        dut, setting = self.dut, self.setting
        cocotb.start_soon(Clock(dut.clk, CLOCK_NS, "ns").start())
        levels = {
            "rst": 1,
            "hot_reset": 0,
            "cfg_max_payload": (setting.max_payload_bytes // 128).bit_length() - 1,
            "cfg_max_read_req": (setting.max_read_request_bytes // 128).bit_length() - 1,
            "cfg_rcb_status": int(setting.boundary_bytes == 128),
            "completion_space_bytes": self.link.completion_space_bytes,
            "completion_space_headers": self.link.completion_space_headers,
            "cfg_function_enable": ALL_FUNCTIONS,
            "namespace_blocks": setting.medium_blocks,
            "serial_number": int.from_bytes(SERIAL_NUMBER.ljust(20).encode(), "little"),
        }
        for name, level in levels.items():
            getattr(dut, name).value = level
        self._set_pins(ALL_FUNCTIONS, bus_master=True, msix=True)
        self.port = Port(
            dut,
            self.rng,
            setting.stalls,
            on_completion=self._register_completion,
            on_request=self._memory_request,
            on_reset_done=self._reset_done,
            each_cycle=self._each_cycle,
        )
        # It tells of every burst.
        logging.getLogger("cocotb.nvme_controller.m_axi").setLevel(logging.WARNING)
        self.ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, size=setting.medium_blocks * BLOCK_BYTES)
        if setting.stalls.axi > 0:
            self._stall_memory(setting.stalls.axi)
        await ClockCycles(dut.clk, 8)
        dut.rst.value = 0
        await ClockCycles(dut.clk, 2)
        self.golden.enable_virtual_functions(0, FUNCTIONS - 1)
        self.golden.link(
            0,
            max_payload_bytes=setting.max_payload_bytes,
            max_read_request_bytes=setting.max_read_request_bytes,
            read_completion_boundary_bytes=setting.boundary_bytes,
            completion_space_bytes=self.link.completion_space_bytes,
            completion_space_headers=self.link.completion_space_headers,
        )
        for function in range(FUNCTIONS):
            self.golden.bus_master(0, function, True)
            self.golden.msix_control(0, function, True, False)
        cocotb.start_soon(self.port.run())

    def _stall_memory(self, chance: float) -> None:
        rng = random.Random(self.setting.seed + 1)

        def pauses() -> Iterator[bool]:
            while True:
                yield rng.random() < chance

        write, read = self.ram.write_if, self.ram.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
            channel.set_pause_generator(pauses())

    # Every cycle

    def _each_cycle(self) -> None:
        now = self.port.cycle
        while self._model_reads and self._model_reads[0][0] <= now:
            _, tag, data, status = self._model_reads.popleft()
            self.golden.read_data(now, tag, data, status=status)
        for sent in self.golden.advance(now):
            self._model_sent(now, sent)
        if self.port.rc.waiting < 2:
            piece = self._responder.next(now)
            if piece is not None:
                self.port.rc.send(piece.beats(), lambda: self.rules.came(piece))

    def _memory_request(self, beats: Sequence[Beat]) -> None:
        request = MemoryRequest.parse(beats)
        self.rules.request(request)
        if request.is_write:
            self.rtl.write(request.function, request.address, request.payload)
            return
        result = self.rtl.read(request.function, request.address, request.length_bytes)
        self._responder.start(self.port.cycle, request, result, self.port.stalls)

    def _reset_done(self, function: int) -> None:
        self.rtl.resets_done.append(function)
        self.rules.functions[function] = FunctionRules()

    def _model_sent(self, now: int, sent: Sent) -> None:
        match sent:
            case Sent.Write():
                self.model.write(sent.function, sent.address, sent.data)
            case Sent.Read():
                result = self.model.read(sent.function, sent.address, sent.length_bytes)
                # The model is told of a completion with its first beat; the next comes behind its last.
                due = max(now + self.port.stalls.read_cycles[0], self._model_stream_free)
                self._model_stream_free = due + rc_beats(len(result.data))
                self._model_reads.append((due, sent.tag, result.data, result.status))
            case Sent.ReadCompletion():
                self.model.answers[sent.tag] = sent.value
            case Sent.ResetDone():
                self.model.resets_done.append(sent.function)

    def _register_completion(self, beats: Sequence[Beat]) -> None:
        completion = RegisterCompletion.parse(beats)
        tag = completion.fields["tag"]
        assert tag not in self._completions, f"CC: tag {tag} is answered twice"
        self._completions[tag] = completion

    # Waiting

    async def cycles(self, count: int) -> None:
        """Let time pass."""
        await ClockCycles(self.dut.clk, count)

    async def until(self, condition: Callable[[], bool], what: str, limit_cycles: int = 40_000) -> None:
        """Wait for something, but not for ever."""
        start = self.port.cycle
        while not condition():
            assert self.port.cycle - start < limit_cycles, f"{what}: not within {limit_cycles} cycles"
            await ClockCycles(self.dut.clk, 4)

    # Registers

    def bar_address(self, function: int, offset: int) -> int:
        """Bus address of a register."""
        return BARS + block_function(function) * BAR_BYTES + offset

    def write(self, function: int, offset: int, value: int, length_bytes: int = 4) -> None:
        """Write a register of both; what follows on the stream comes behind it."""
        data = value.to_bytes(length_bytes, "little")
        request = RegisterRequest(
            RequestType.MEMORY_WRITE,
            function,
            self.bar_address(function, offset),
            length_bytes // 4,
            payload=data,
        )
        self.send(request, lambda at: self.golden.write(at, function, offset, data))

    def send(self, request: RegisterRequest, golden: Callable[[int], None] | None) -> None:
        """Send any request; `golden` tells the model in the cycle in which the controller has taken it."""
        self.port.cq.send(request.beats(), lambda: golden(self.port.cycle) if golden else None)

    def new_tag(self) -> int:
        """Tags of the host's own reads go round."""
        self._next_tag = (self._next_tag + 1) % 256
        return self._next_tag

    async def completion(self, tag: int) -> RegisterCompletion:
        """Wait for the controller's answer."""
        await self.until(lambda: tag in self._completions, f"answer to tag {tag}", 4000)
        return self._completions.pop(tag)

    async def read(self, function: int, offset: int, length_bytes: int = 4) -> int | None:
        """Read a register of both and compare; None is an Unsupported Request."""
        request, completion, value = await self._read_both(function, offset, length_bytes)
        check_completion(request, completion, length_bytes, value)
        return value

    async def poll(self, function: int, offset: int) -> tuple[int | None, int | None]:
        """Read a register of both that may differ just now."""
        _, completion, value = await self._read_both(function, offset, 4)
        return int.from_bytes(completion.payload, "little") if completion.payload else None, value

    async def _read_both(
        self, function: int, offset: int, length_bytes: int
    ) -> tuple[RegisterRequest, RegisterCompletion, int | None]:
        tag = self.new_tag()
        request = RegisterRequest(
            RequestType.MEMORY_READ,
            function,
            self.bar_address(function, offset),
            length_bytes // 4,
            tag,
            requester_id=self.rng.randrange(1 << 16),
            traffic_class=self.rng.randrange(8),
            attributes=self.rng.randrange(8),
        )
        self.send(request, lambda at: self.golden.read(at, function, offset, length_bytes, tag))
        completion = await self.completion(tag)
        await self.until(lambda: tag in self.model.answers, f"the model's answer to tag {tag}", 100)
        return request, completion, self.model.answers.pop(tag)

    # Memory of the host, the same on both sides

    def allocate(self, function: int, length_bytes: int) -> int:
        """Map pages for a function, somewhere above 4 GiB; none of them follow another's."""
        pages = -(-length_bytes // 4096)
        address = 0x12_0000_0000 + 4096 * self._pages
        self._pages += pages + 1
        for side in self.sides:
            side.memory.map(function, address, pages * 4096)
        return address

    def store(self, address: int, data: bytes) -> None:
        """Put bytes into host memory."""
        for side in self.sides:
            side.memory.write(address, data)

    def load(self, address: int, length_bytes: int) -> bytes:
        """Get bytes that must be the same on both sides."""
        ours, golden = (side.memory.read(address, length_bytes) for side in self.sides)
        assert ours == golden, f"host memory at {address:#x} differs {difference(ours, golden)}"
        return ours

    # The medium

    def compare_medium(self) -> None:
        """All blocks."""
        (_, ours), (_, golden) = self.media()
        assert ours == golden, f"the medium differs {difference(ours, golden)}"

    def media(self) -> list[tuple[str, bytes]]:
        """Name of each side and its whole medium."""
        length_bytes = self.setting.medium_blocks * BLOCK_BYTES
        ours, golden = bytes(self.ram.read(0, length_bytes)), self.golden.peek_medium(0, length_bytes)
        return [(self.rtl.name, ours), (self.model.name, golden)]

    # Interrupts and resets

    def forget_messages(self) -> None:
        """Do not look at the messages so far."""
        for side in self.sides:
            side.messages.clear()

    async def messages(self, count: int) -> list[tuple[int, int, int]]:
        """Wait for `count` MSI-X messages, which must be the same but for their order; (function, address, data)."""
        deadline = self.port.cycle + 4000
        while any(len(side.messages) < count for side in self.sides) and self.port.cycle < deadline:
            await self.cycles(16)
        # One more would come soon.
        await self.cycles(100)
        ours, golden = (sorted(side.messages) for side in self.sides)
        assert ours == golden and len(ours) == count, f"messages, expected are {count}: {ours}, the model: {golden}"
        self.forget_messages()
        return ours

    def set_function(self, function: int, *, bus_master: bool, msix: bool, masked: bool = False) -> None:
        """Write what configuration space says of a function: Command.BME, and MSI-X Message Control."""
        self._set_pins(1 << function, bus_master=bus_master, msix=msix, masked=masked)
        now = self.port.cycle
        self.golden.bus_master(now, function, bus_master)
        self.golden.msix_control(now, function, msix, masked)

    def _set_pins(self, functions: int, *, bus_master: bool, msix: bool, masked: bool = False) -> None:
        levels = {"cfg_bus_master_enable": bus_master, "cfg_msix_enable": msix, "cfg_msix_mask": masked}
        for name, level in levels.items():
            self._levels[name] = self._levels[name] & ~functions | (functions if level else 0)
            getattr(self.dut, name).value = self._levels[name]

    def enable_virtual_functions(self, count: int) -> None:
        """Write NumVFs; functions beyond are no more, and what comes later is new: no bus master, no MSI-X."""
        there = (2 << count) - 1
        self._set_pins(ALL_FUNCTIONS & ~there, bus_master=False, msix=False)
        self.dut.cfg_function_enable.value = there
        self.golden.enable_virtual_functions(self.port.cycle, count)

    async def function_reset(self, function: int, *, end_reads: bool) -> None:
        """FLR of a function of both; the block may end its reads at once, or leave them to their completions."""
        for side in self.sides:
            side.resets_done.clear()
        # Configuration space is as after power on.
        self._set_pins(1 << function, bus_master=False, msix=False)
        self.port.start_function_reset(function)
        self.golden.function_reset(self.port.cycle, function)
        if end_reads:
            self._responder.end_reads_of(function)
        for side in self.sides:
            await self.until(lambda side=side: bool(side.resets_done), f"{side.name}: FLR of function {function}")
            assert side.resets_done == [function]


def difference(ours: bytes, golden: bytes) -> str:
    """Where two byte strings begin to differ."""
    at = next(index for index, pair in enumerate(zip(ours, golden, strict=True)) if pair[0] != pair[1])
    return f"from byte {at:#x} on: {ours[at : at + 16].hex()}, the model has {golden[at : at + 16].hex()}"


def check_completion(
    request: RegisterRequest, completion: RegisterCompletion, byte_count: int, value: int | None
) -> None:
    """Hold an answer on CC to its request and the model's value."""
    success = value is not None
    # Other completions have no lower address (PCIe 2.1 §2.2.9).
    is_memory = request.request_type in (RequestType.MEMORY_READ, RequestType.LOCKED_READ)
    skipped = max((request.first_byte_enables & -request.first_byte_enables).bit_length() - 1, 0)
    expected = {
        "lower_address": (request.address + skipped) & 0x7F if is_memory else 0,
        "address_type": 0,
        "byte_count": byte_count,
        "locked_read": int(request.request_type == RequestType.LOCKED_READ),
        "dword_count": request.dwords if success else 0,
        "status": CompletionStatus.SUCCESS if success else CompletionStatus.UNSUPPORTED_REQUEST,
        "poisoned": 0,
        "requester_id": request.requester_id,
        "tag": request.tag,
        "completer_function": block_function(request.function)
        if request.block_function is None
        else request.block_function,
        "completer_bus": 0,
        "completer_id_enable": 0,
        "traffic_class": request.traffic_class,
        "attributes": request.attributes,
        "force_ecrc": 0,
    }
    differences = {name: (completion.fields[name], value) for name, value in expected.items()}
    differences = {name: pair for name, pair in differences.items() if pair[0] != pair[1]}
    assert not differences, f"CC (found, expected): {differences}"
    payload = value.to_bytes(4 * request.dwords, "little") if value is not None else b""
    assert completion.payload == payload, f"CC: {completion.payload.hex()}, the model has {payload.hex()}"

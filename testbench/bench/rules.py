"""What every TLP on RQ must keep to, and in which order they may come.

The tests say which rings, buffers and interrupts there are; whatever the controller sends must belong to one of
them, at a time when it may: data before their CQE, the CQE before its MSI-X message, nothing of a command behind
its CQE, no read of it still under way when the CQE leaves.
"""

from dataclasses import dataclass, field

from bench.nvme import CQE_BYTES, SQE_BYTES, Completion, Status
from bench.tlp import MemoryRequest, ReadCompletion

PAGE_BYTES = 4096
TAGS = 64


class RuleBroken(AssertionError):
    """The controller has sent what it must not."""


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise RuleBroken(message)


@dataclass(slots=True)
class LinkRules:
    """Settings of the link that requests are held to."""

    max_payload_bytes: int
    max_read_request_bytes: int
    read_completion_boundary_bytes: int
    completion_space_bytes: int
    completion_space_headers: int


@dataclass(slots=True)
class Outstanding:
    """A read that has not ended, and what of it has come."""

    request: MemoryRequest
    come_bytes: int = 0

    @property
    def left_bytes(self) -> int:
        """Space that the rest will take."""
        return self.request.length_bytes - self.come_bytes

    def headers(self, boundary_bytes: int) -> int:
        """Completions the rest will take at worst."""
        start = self.request.address + self.come_bytes
        return -(-(start % boundary_bytes + self.left_bytes) // boundary_bytes)


@dataclass(slots=True)
class CommandRules:
    """A command the controller may work on: what it may read, and what it must have written."""

    reads: list[tuple[int, int]] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)
    written: set[int] = field(default_factory=set)


@dataclass(slots=True)
class SubmissionRules:
    """A submission ring; the doorbell says how far it may be read."""

    base: int
    entries: int
    tail: int = 0
    fetched: int = 0
    commands: dict[int, CommandRules] = field(default_factory=dict)


@dataclass(slots=True)
class CompletionRules:
    """A completion ring, and the interrupt of it."""

    base: int
    entries: int
    message: tuple[int, int] | None
    next_slot: int = 0
    phase: int = 1
    # CQEs less messages of the vector; and CQEs behind the last message.
    unannounced: int = 0
    behind_message: int = 0


def _within(address: int, length_bytes: int, ranges: list[tuple[int, int]]) -> bool:
    return any(start <= address and address + length_bytes <= start + length for start, length in ranges)


class FunctionRules:
    """Rings of one function."""

    def __init__(self) -> None:
        """Begin with none."""
        self.submissions: dict[int, SubmissionRules] = {}
        self.completions: dict[int, CompletionRules] = {}
        # While it is false the function must be silent.
        self.may_send = False


class Rules:
    """Holds requests to the rules, one after the other."""

    def __init__(self, functions: int, link: LinkRules) -> None:
        """Begin with functions that have no rings."""
        self.link = link
        self.functions = [FunctionRules() for _ in range(functions)]
        self.outstanding: dict[int, Outstanding] = {}
        self.tlps = 0

    def request(self, request: MemoryRequest) -> None:
        """Judge a request that has left."""
        self.tlps += 1
        what = f"{'write' if request.is_write else 'read'} of {request.length_bytes} B at {request.address:#x}"
        what += f" by function {request.function}"
        _demand(request.function < len(self.functions), f"{what}: no such function")
        _demand(self.functions[request.function].may_send, f"{what}, which must be silent")
        crosses = request.address % PAGE_BYTES + request.length_bytes > PAGE_BYTES
        _demand(not crosses, f"{what} crosses 4 KiB")
        if request.is_write:
            _demand(request.length_bytes <= self.link.max_payload_bytes, f"{what} exceeds MPS")
            self._write(request, what)
        else:
            _demand(request.length_bytes <= self.link.max_read_request_bytes, f"{what} exceeds MRRS")
            self._start(request, what)
            self._read(request, what)

    def _start(self, request: MemoryRequest, what: str) -> None:
        """Take the tag, and the completion space the read needs at worst."""
        _demand(request.tag < TAGS, f"{what}: tag {request.tag}")
        _demand(request.tag not in self.outstanding, f"{what}: tag {request.tag} is in use")
        self.outstanding[request.tag] = Outstanding(request)
        if len(self.outstanding) == 1:
            return
        reads = self.outstanding.values()
        space = sum(read.left_bytes for read in reads)
        _demand(space <= self.link.completion_space_bytes, f"{what}: {space} B are outstanding")
        space = sum(read.headers(self.link.read_completion_boundary_bytes) for read in reads)
        _demand(space <= self.link.completion_space_headers, f"{what}: {space} completion headers are outstanding")

    def came(self, completion: ReadCompletion) -> None:
        """Take note of a completion whose last beat has been taken from RC."""
        self.outstanding[completion.tag].come_bytes += len(completion.payload)
        if completion.completed:
            del self.outstanding[completion.tag]

    def _read(self, request: MemoryRequest, what: str) -> None:
        rules = self.functions[request.function]
        for ring in rules.submissions.values():
            if ring.base <= request.address < ring.base + ring.entries * SQE_BYTES:
                slot, rest = divmod(request.address - ring.base, SQE_BYTES)
                count, more = divmod(request.length_bytes, SQE_BYTES)
                _demand(rest == 0 and more == 0, f"{what}: not whole SQEs")
                handed_over = (ring.tail - ring.fetched) % ring.entries
                in_order = slot == ring.fetched and count <= handed_over
                _demand(in_order, f"{what}: SQEs {slot}+{count}, handed over are {ring.fetched}+{handed_over}")
                _demand(slot + count <= ring.entries, f"{what}: beyond the ring")
                ring.fetched = (ring.fetched + count) % ring.entries
                return
            commands = ring.commands.values()
            if any(_within(request.address, request.length_bytes, command.reads) for command in commands):
                return
        raise RuleBroken(f"{what}: belongs to no command under way")

    def _write(self, request: MemoryRequest, what: str) -> None:
        rules = self.functions[request.function]
        for ring in rules.completions.values():
            if ring.base <= request.address < ring.base + ring.entries * CQE_BYTES:
                self._completion(rules, ring, request, what)
                return
        messages = [ring for ring in rules.completions.values() if ring.message and ring.message[0] == request.address]
        if messages:
            vector = [ring for ring in messages if ring.message == (request.address, _dword(request.payload))]
            _demand(bool(vector), f"{what}: no vector has this data: {request.payload.hex()}")
            _demand(any(ring.unannounced for ring in vector), f"{what}: a message without a new CQE before it")
            next(ring for ring in vector if ring.unannounced).unannounced -= 1
            for ring in vector:
                ring.behind_message = 0
            return
        touched = range(request.address, request.address + request.length_bytes, 4)
        for ring in rules.submissions.values():
            for command in ring.commands.values():
                if _within(request.address, request.length_bytes, command.writes):
                    _demand(command.written.isdisjoint(touched), f"{what}: written twice")
                    command.written.update(touched)
                    return
        raise RuleBroken(f"{what}: belongs to no command under way")

    def check_announced(self) -> None:
        """Look, when everything is quiet, that a message has followed the last CQE of each ring."""
        for function, rules in enumerate(self.functions):
            for number, ring in rules.completions.items():
                what = f"queue {number} of function {function}"
                _demand(ring.behind_message == 0, f"{what}: {ring.behind_message} CQEs without a message behind them")

    def _completion(self, rules: FunctionRules, ring: CompletionRules, request: MemoryRequest, what: str) -> None:
        slot, rest = divmod(request.address - ring.base, CQE_BYTES)
        _demand(rest == 0 and request.length_bytes == CQE_BYTES, f"{what}: not one CQE")
        _demand(slot == ring.next_slot, f"{what}: slot {slot}, the next is {ring.next_slot}")
        entry = Completion.decode(request.payload)
        _demand(entry.phase == ring.phase, f"{what}: phase {entry.phase}")
        ring.next_slot += 1
        if ring.next_slot == ring.entries:
            ring.next_slot, ring.phase = 0, 1 - ring.phase
        ring.unannounced += 1
        ring.behind_message += 1
        submission = rules.submissions.get(entry.sq_id)
        _demand(submission is not None, f"{what}: no submission queue {entry.sq_id}")
        assert submission is not None
        command = submission.commands.pop(entry.command_id, None)
        _demand(command is not None, f"{what}: command {entry.command_id:#x} is not under way")
        assert command is not None
        for read in self.outstanding.values():
            under_way = read.request.function == request.function and _within(
                read.request.address, read.request.length_bytes, command.reads
            )
            _demand(not under_way, f"{what}: a read of the command's data is still under way")
        if entry.status == Status.SUCCESS:
            for start, length_bytes in command.writes:
                missing = set(range(start, start + length_bytes, 4)) - command.written
                _demand(not missing, f"{what}: CQE before {4 * len(missing)} B of data")


def _dword(payload: bytes) -> int:
    return int.from_bytes(payload, "little") if len(payload) == 4 else -1

"""A host's driver, for both devices at once: rings, bring-up, commands, and the comparison of what comes back."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from bench.nvme import (
    ACQ,
    AQA,
    ASQ,
    BLOCK_BYTES,
    CC,
    CQE_BYTES,
    CSTS,
    DOORBELLS,
    INTMS,
    MSIX_TABLE,
    PAGE_BYTES,
    SQE_BYTES,
    Admin,
    Command,
    Completion,
    Fuse,
    Io,
    Status,
)
from bench.rules import CommandRules, CompletionRules, SubmissionRules
from bench.side import MESSAGES, Side
from bench.twin import Twin

CC_ENABLE = 1 | 6 << 16 | 4 << 20


@dataclass(frozen=True, slots=True)
class Transfer:
    """A command with the (address, length) of host memory that it may read, and has to write."""

    command: Command
    reads: tuple[tuple[int, int], ...] = ()
    writes: tuple[tuple[int, int], ...] = ()


class Queue:
    """A submission queue and the completion queue of the same number."""

    def __init__(self, twin: Twin, function: int, number: int, entries: int) -> None:
        """Map the rings."""
        self.twin = twin
        self.function = function
        self.number = number
        self.entries = entries
        self.submission_base = twin.allocate(function, entries * SQE_BYTES)
        self.completion_base = twin.allocate(function, entries * CQE_BYTES)
        self._rules = SubmissionRules(self.submission_base, entries)
        rules = twin.rules.functions[function]
        rules.submissions[number] = self._rules
        message = (MESSAGES + 0x1000 * function, 0x100 * function + number)
        rules.completions[number] = CompletionRules(self.completion_base, entries, message)
        self._tail = 0
        self._head = 0
        self._phase = 1
        self._next_id = 0
        self.under_way = 0

    def push(self, transfer: Transfer) -> int:
        """Put a command into the ring; returns its ID."""
        assert self.under_way < self.entries - 1, "the ring is full"
        command_id = self._next_id
        self._next_id = (self._next_id + 1) % 0x1_0000
        self.twin.store(self.submission_base + self._tail * SQE_BYTES, transfer.command.encode(command_id))
        self._tail = (self._tail + 1) % self.entries
        self._rules.commands[command_id] = CommandRules(list(transfer.reads), list(transfer.writes))
        self.under_way += 1
        return command_id

    def ring(self) -> None:
        """Tell the controller."""
        # The rules look at what is handed over by now; the write itself is on its way.
        self._rules.tail = self._tail
        self.twin.write(self.function, DOORBELLS + 8 * self.number, self._tail)

    def _waiting(self, side: Side, count: int) -> bool:
        """Has this side `count` new entries?"""
        last = self._head + count - 1
        slot, phase = last % self.entries, self._phase ^ (last // self.entries & 1)
        entry = side.memory.read(self.completion_base + slot * CQE_BYTES, CQE_BYTES)
        return struct.unpack_from("<H", entry, 14)[0] & 1 == phase

    async def completions(self, count: int) -> list[Completion]:
        """Wait for `count` completions of both; they must be the same but for their order."""
        found: list[dict[int, Completion]] = []
        for side in self.twin.sides:
            what = f"{side.name}: {count} completions of queue {self.number} of function {self.function}"
            await self.twin.until(lambda side=side: self._waiting(side, count), what)
        for side in self.twin.sides:
            entries = {}
            for index in range(self._head, self._head + count):
                at = self.completion_base + index % self.entries * CQE_BYTES
                entry = Completion.decode(side.memory.read(at, CQE_BYTES))
                assert entry.command_id not in entries, f"{side.name}: {entry} comes twice"
                entries[entry.command_id] = entry
            found.append(entries)
        ours, golden = found
        assert ours.keys() == golden.keys()
        for command_id, entry in ours.items():
            other = golden[command_id]
            same = entry.status == other.status and entry.dword0 == other.dword0 and entry.sq_id == other.sq_id
            assert same, f"{entry}, the model has {other}"
            # With one command under way there is one SQ head it can tell.
            assert count > 1 or self.under_way > 1 or entry.sq_head == other.sq_head, f"{entry}, the model has {other}"
        self._head += count
        if self._head >= self.entries:
            self._head -= self.entries
            self._phase ^= 1
        self.under_way -= count
        self.twin.write(self.function, DOORBELLS + 8 * self.number + 4, self._head)
        return [ours[command_id] for command_id in ours]

    async def execute(self, *transfers: Transfer) -> list[Completion]:
        """Some commands in one doorbell, until they are completed; what is sent for them is compared, too."""
        for side in self.twin.sides:
            side.take_traffic()
        for transfer in transfers:
            self.push(transfer)
        self.ring()
        completions = await self.completions(len(transfers))
        ours, golden = (side.take_traffic() for side in self.twin.sides)
        assert ours == golden, f"sent for {transfers}: {ours}, the model: {golden}"
        return completions


class Driver:
    """One function of both devices."""

    def __init__(self, twin: Twin, function: int) -> None:
        """Nothing happens yet."""
        self.twin = twin
        self.function = function
        self.queues: dict[int, Queue] = {}

    @property
    def admin(self) -> Queue:
        """The admin queue."""
        return self.queues[0]

    async def enable(self, entries: int = 8) -> None:
        """Admin queue, vectors, CC.EN, and wait until the controller is ready."""
        twin, function = self.twin, self.function
        queue = Queue(twin, function, 0, entries)
        self.queues = {0: queue}
        twin.write(function, AQA, (entries - 1) << 16 | entries - 1)
        twin.write(function, ASQ, queue.submission_base, 8)
        twin.write(function, ACQ, queue.completion_base, 8)
        for vector in range(5):
            self.set_vector(vector, masked=False)
        twin.rules.functions[function].may_send = True
        twin.write(function, CC, CC_ENABLE)
        await self.wait_ready(ready=True)

    def set_vector(self, vector: int, *, masked: bool) -> None:
        """Fill in an entry of the MSI-X table."""
        entry = MSIX_TABLE + 16 * vector
        self.twin.write(self.function, entry, MESSAGES + 0x1000 * self.function, 8)
        self.twin.write(self.function, entry + 8, 0x100 * self.function + vector)
        self.twin.write(self.function, entry + 12, int(masked))

    async def wait_ready(self, *, ready: bool) -> None:
        """Poll CSTS until both say so; while they change they need not agree."""
        for _ in range(100):
            values = await self.twin.poll(self.function, CSTS)
            if all(value is not None and value & 1 == int(ready) for value in values):
                break
            await self.twin.cycles(16)
        assert await self.twin.read(self.function, CSTS) == int(ready)

    async def create_queue(self, number: int, entries: int = 16, *, interrupts: bool = True) -> Queue:
        """I/O completion queue and submission queue, with the vector of the same number."""
        queue = Queue(self.twin, self.function, number, entries)
        size = number | (entries - 1) << 16
        create = Command(
            Admin.CREATE_CQ, prp1=queue.completion_base, dword10=size, dword11=1 | int(interrupts) << 1 | number << 16
        )
        assert (await self.admin.execute(Transfer(create)))[0].status == Status.SUCCESS
        create = Command(Admin.CREATE_SQ, prp1=queue.submission_base, dword10=size, dword11=1 | number << 16)
        assert (await self.admin.execute(Transfer(create)))[0].status == Status.SUCCESS
        self.queues[number] = queue
        return queue

    async def identify(self, structure: int, namespace: int = 0) -> bytes:
        """Identify; the page is compared byte by byte."""
        address = self.twin.allocate(self.function, PAGE_BYTES)
        command = Command(Admin.IDENTIFY, namespace, prp1=address, dword10=structure)
        (completion,) = await self.admin.execute(Transfer(command, writes=((address, PAGE_BYTES),)))
        assert completion.status == Status.SUCCESS
        return self.twin.load(address, PAGE_BYTES)

    def mask_pins(self) -> None:
        """INTMS has no meaning with MSI-X, and must do no harm."""
        self.twin.write(self.function, INTMS, 0xFFFF_FFFF)


def transfer(
    twin: Twin, function: int, opcode: Io, buffer: int, block: int, blocks: int, fuse: Fuse = Fuse.NORMAL
) -> Transfer:
    """A Read, Write or Compare with one buffer, and a PRP list where it has more than two pages."""
    length_bytes = blocks * BLOCK_BYTES
    pages = range(buffer // PAGE_BYTES * PAGE_BYTES, buffer + length_bytes, PAGE_BYTES)
    second, reads = 0, []
    if len(pages) == 2:
        second = pages[1]
    elif len(pages) > 2:
        reads = prp_list(twin, function, pages[1:])
        second = reads[0][0]
    command = Command(
        opcode, 1, buffer, second, dword10=block & 0xFFFF_FFFF, dword11=block >> 32, dword12=blocks - 1, fuse=fuse
    )
    whole = (buffer, length_bytes)
    return Transfer(command, tuple(reads), (whole,)) if opcode == Io.READ else Transfer(command, (*reads, whole))


def prp_list(twin: Twin, function: int, pages: Sequence[int]) -> list[tuple[int, int]]:
    """Writes a list that begins anywhere in a page, and goes on in another one when it does not fit."""
    start = twin.rng.choice([0, PAGE_BYTES - 16, twin.rng.randrange(0, PAGE_BYTES, 8)])
    room = (PAGE_BYTES - start) // 8
    here, rest = (pages, ()) if len(pages) <= room else (pages[: room - 1], pages[room - 1 :])
    # The last entry of a page points to the page where the list goes on (NVMe 1.1 4.3).
    behind = twin.allocate(function, PAGE_BYTES) if rest else None
    entries = [*here, behind] if behind else here
    address = twin.allocate(function, PAGE_BYTES) + start
    parts = [(address, 8 * len(entries))]
    twin.store(address, struct.pack(f"<{len(entries)}Q", *entries))
    if behind:
        twin.store(behind, struct.pack(f"<{len(rest)}Q", *rest))
        parts.append((behind, 8 * len(rest)))
    return parts

"""Many commands at once, of several functions, under any timing of the host."""

import cocotb
from cocotb.handle import HierarchyObject

from bench.driver import Driver, Queue, Transfer, transfer
from bench.nvme import BLOCK_BYTES, MOST_PAIR_BLOCKS, Command, Fuse, Io, Status
from bench.twin import Setting, Twin

# A command's place on the medium; blocks of commands, small ones more often than what takes long to simulate.
PLACE_BLOCKS = 8
BLOCKS = [1, 1, 2, 2, 3, 4, 5, PLACE_BLOCKS]
ROUNDS = 3


class Mix:
    """Commands whose outcome does not depend on their order: in a round each block has one user."""

    def __init__(self, twin: Twin) -> None:
        """The medium is all zeroes."""
        self.twin = twin
        self.content = bytearray(twin.setting.medium_blocks * BLOCK_BYTES)
        self._free: list[int] = []
        # What must be in host memory behind the round: (address, bytes).
        self.expected_data: list[tuple[int, bytes]] = []

    def begin_round(self) -> None:
        """All blocks are free again."""
        self._free = list(range(0, self.twin.setting.medium_blocks, PLACE_BLOCKS))
        self.twin.rng.shuffle(self._free)
        self.expected_data.clear()

    def _buffer(self, function: int, data: bytes) -> int:
        """Bytes in host memory, at any dword of a page."""
        address = self.twin.allocate(function, len(data) + BLOCK_BYTES)
        address += self.twin.rng.choice([0, self.twin.rng.randrange(0, BLOCK_BYTES, 4)])
        self.twin.store(address, data)
        return address

    def _garbled(self, data: bytes) -> bytes:
        """One bit of it is another."""
        garbled = bytearray(data)
        garbled[self.twin.rng.randrange(len(data))] ^= 1 << self.twin.rng.randrange(8)
        return bytes(garbled)

    def next(self, queue: Queue) -> list[tuple[Transfer, Status]]:
        """A command or a pair, and how each must end."""
        rng, function = self.twin.rng, queue.function
        kind = rng.choice(["read", "write", "compare", "miscompare", "pair", "failing pair", "flush"])
        blocks = rng.choice(BLOCKS)
        if "pair" in kind:
            blocks = min(blocks, MOST_PAIR_BLOCKS)
        block = self._free.pop()
        place = slice(block * BLOCK_BYTES, (block + blocks) * BLOCK_BYTES)
        old = bytes(self.content[place])

        def of(opcode: Io, data: bytes, fuse: Fuse = Fuse.NORMAL) -> Transfer:
            return transfer(self.twin, function, opcode, self._buffer(function, data), block, blocks, fuse)

        match kind:
            case "read":
                command = of(Io.READ, bytes(len(old)))
                self.expected_data.append((command.writes[0][0], old))
                return [(command, Status.SUCCESS)]
            case "write":
                new = rng.randbytes(len(old))
                self.content[place] = new
                return [(of(Io.WRITE, new), Status.SUCCESS)]
            case "compare":
                return [(of(Io.COMPARE, old), Status.SUCCESS)]
            case "miscompare":
                return [(of(Io.COMPARE, self._garbled(old)), Status.COMPARE_FAILURE)]
            case "pair":
                new = rng.randbytes(len(old))
                self.content[place] = new
                first, second = of(Io.COMPARE, old, Fuse.FIRST), of(Io.WRITE, new, Fuse.SECOND)
                return [(first, Status.SUCCESS), (second, Status.SUCCESS)]
            case "failing pair":
                first = of(Io.COMPARE, self._garbled(old), Fuse.FIRST)
                second = of(Io.WRITE, rng.randbytes(len(old)), Fuse.SECOND)
                return [(first, Status.COMPARE_FAILURE), (second, Status.FAILED_FUSED)]
            case _:
                return [(Transfer(Command(Io.FLUSH, 1)), Status.SUCCESS)]


async def run_mix(dut: HierarchyObject, setting: Setting) -> None:
    """Rounds of commands on two queues of each of three functions."""
    twin = Twin(dut, setting)
    await twin.start()
    queues = []
    for function in twin.rng.sample(range(7), 3):
        driver = Driver(twin, function)
        await driver.enable()
        queues += [await driver.create_queue(number, entries=11) for number in (1, 3)]
    await twin.messages(3 * 4)
    mix = Mix(twin)
    for _ in range(ROUNDS):
        mix.begin_round()
        expected: list[dict[int, Status]] = []
        messages = 0
        for queue in queues:
            statuses = {}
            for _ in range(twin.rng.randrange(4)):
                messages += 1
                for command, status in mix.next(queue):
                    statuses[queue.push(command)] = status
            expected.append(statuses)
        for queue, statuses in zip(queues, expected, strict=True):
            if statuses:
                queue.ring()
        for queue, statuses in zip(queues, expected, strict=True):
            completions = await queue.completions(len(statuses)) if statuses else []
            found = {entry.command_id: entry.status for entry in completions}
            assert found == statuses
        # A pair has one message.
        await twin.messages(messages)
        twin.rules.check_announced()
        for address, data in mix.expected_data:
            assert twin.load(address, len(data)) == data
        twin.compare_medium()
        assert bytes(twin.ram.read(0, len(mix.content))) == mix.content


@cocotb.test()
async def commands_on_a_quiet_link(dut: HierarchyObject) -> None:
    """No stalls: the controller alone decides."""
    await run_mix(dut, Setting(cocotb.RANDOM_SEED))


@cocotb.test()
async def commands_under_any_timing(dut: HierarchyObject) -> None:
    """Stalls on every stream, completions in pieces and out of order, any MPS and MRRS."""
    await run_mix(dut, Setting.draw(cocotb.RANDOM_SEED))


@cocotb.test()
async def commands_under_another_timing(dut: HierarchyObject) -> None:
    """The same with another draw."""
    await run_mix(dut, Setting.draw(cocotb.RANDOM_SEED + 1))

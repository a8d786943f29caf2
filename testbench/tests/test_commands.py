"""Read, Write, Compare and pairs, one at a time: what is sent for each is the same, TLP by TLP."""

from functools import partial

import cocotb
from cocotb.handle import HierarchyObject

from bench.driver import Driver, Transfer, transfer
from bench.nvme import BLOCK_BYTES, MOST_BLOCKS, MOST_PAIR_BLOCKS, Command, Fuse, Io, Status
from bench.twin import Setting, Twin


async def start(dut: HierarchyObject, setting: Setting, function: int = 0) -> tuple[Twin, Driver]:
    """Both devices with one function enabled and I/O queue 1."""
    twin = Twin(dut, setting)
    await twin.start()
    driver = Driver(twin, function)
    await driver.enable()
    await driver.create_queue(1)
    return twin, driver


def filled(twin: Twin, function: int, data: bytes) -> int:
    """A new buffer with these bytes."""
    address = twin.allocate(function, len(data))
    twin.store(address, data)
    return address


@cocotb.test()
async def what_is_written_is_read(dut: HierarchyObject) -> None:
    """Writes, Compares and Reads: one page, two, PRP lists of any shape, the largest transfer, and one more block."""
    twin, driver = await start(dut, Setting(cocotb.RANDOM_SEED), function=3)
    queue = driver.queues[1]
    for blocks in (1, 2, 3, 4, twin.rng.randrange(5, MOST_BLOCKS), MOST_BLOCKS):
        data = twin.rng.randbytes(blocks * BLOCK_BYTES)
        source = filled(twin, 3, data)
        into = twin.allocate(3, len(data))
        block = twin.rng.randrange(twin.setting.medium_blocks - blocks)
        for opcode, buffer in ((Io.WRITE, source), (Io.COMPARE, source), (Io.READ, into)):
            (completion,) = await queue.execute(transfer(twin, 3, opcode, buffer, block, blocks))
            assert completion.status == Status.SUCCESS
        assert twin.load(into, len(data)) == data
        twin.compare_medium()
    too_large = transfer(twin, 3, Io.READ, into, 0, MOST_BLOCKS + 1)
    (completion,) = await queue.execute(too_large)
    assert completion.status == Status.INVALID_FIELD


@cocotb.test()
async def buffers_begin_at_any_dword(dut: HierarchyObject) -> None:
    """A block from and to two pieces of pages, and three from and to four."""
    twin, driver = await start(dut, Setting(cocotb.RANDOM_SEED, max_payload_bytes=128))
    queue = driver.queues[1]
    offsets = (4, 60, 64, twin.rng.randrange(4, 4096, 4), 4092)
    for blocks, offset in [(1, offset) for offset in offsets] + [(3, twin.rng.choice(offsets))]:
        data = twin.rng.randbytes(blocks * BLOCK_BYTES)
        source, into = (twin.allocate(0, (blocks + 1) * BLOCK_BYTES) + offset for _ in range(2))
        twin.store(source, data)
        for opcode, buffer in ((Io.WRITE, source), (Io.READ, into)):
            (completion,) = await queue.execute(transfer(twin, 0, opcode, buffer, 7, blocks))
            assert completion.status == Status.SUCCESS
        assert twin.load(into, len(data)) == data
        twin.load(into - offset, (blocks + 1) * BLOCK_BYTES)


def pair_half(
    twin: Twin, buffers: dict[str, int], blocks: int, opcode: Io, name: str, fuse: Fuse, block: int = 9
) -> Transfer:
    """A command of function 1 with one of its buffers."""
    return transfer(twin, 1, opcode, buffers[name], block, blocks, fuse)


@cocotb.test()
async def pairs_write_when_the_compare_holds(dut: HierarchyObject) -> None:
    """A pair that matches, one that differs in one byte, halves alone, and halves that do not fit."""
    twin, driver = await start(dut, Setting(cocotb.RANDOM_SEED), function=1)
    queue = driver.queues[1]
    for blocks in (1, twin.rng.randrange(2, MOST_PAIR_BLOCKS), MOST_PAIR_BLOCKS):
        old, new = (bytearray(twin.rng.randbytes(blocks * BLOCK_BYTES)) for _ in range(2))
        wrong = old[:]
        wrong[twin.rng.randrange(len(wrong))] ^= 1 << twin.rng.randrange(8)
        buffers = {name: filled(twin, 1, bytes(data)) for name, data in (("old", old), ("new", new), ("wrong", wrong))}

        half = partial(pair_half, twin, buffers, blocks)

        steps = [
            ([half(Io.WRITE, "old", Fuse.NORMAL)], [Status.SUCCESS]),
            (
                [half(Io.COMPARE, "wrong", Fuse.FIRST), half(Io.WRITE, "new", Fuse.SECOND)],
                [Status.COMPARE_FAILURE, Status.FAILED_FUSED],
            ),
            (
                [half(Io.COMPARE, "old", Fuse.FIRST), half(Io.WRITE, "new", Fuse.SECOND)],
                [Status.SUCCESS, Status.SUCCESS],
            ),
            ([half(Io.COMPARE, "new", Fuse.NORMAL)], [Status.SUCCESS]),
            ([half(Io.WRITE, "old", Fuse.SECOND)], [Status.MISSING_FUSED]),
            (
                [half(Io.COMPARE, "old", Fuse.FIRST), half(Io.WRITE, "old", Fuse.NORMAL)],
                [Status.MISSING_FUSED, Status.SUCCESS],
            ),
            (
                [half(Io.COMPARE, "old", Fuse.FIRST), half(Io.WRITE, "new", Fuse.SECOND, block=10)],
                [Status.INVALID_FIELD, Status.INVALID_FIELD],
            ),
        ]
        for transfers, expected in steps:
            completions = await queue.execute(*transfers)
            by_id = sorted(completions, key=lambda completion: completion.command_id)
            assert [completion.status for completion in by_id] == expected
            if transfers[0].command.fuse == Fuse.FIRST and transfers[-1].command.fuse == Fuse.SECOND:
                assert by_id == completions, "the halves of a pair complete in order"
            twin.compare_medium()


@cocotb.test()
async def refused_commands(dut: HierarchyObject) -> None:
    """Commands that cannot be: the status the model has, and nothing is touched."""
    twin, driver = await start(dut, Setting(cocotb.RANDOM_SEED), function=6)
    queue = driver.queues[1]
    last = twin.setting.medium_blocks
    page = twin.allocate(6, 4096)
    refused = [
        (Command(0x7F, 1), Status.INVALID_OPCODE),
        (Command(Io.READ, 1, page, dword10=last), Status.LBA_OUT_OF_RANGE),
        (Command(Io.WRITE, 1, page, dword10=last - 1, dword12=1), Status.LBA_OUT_OF_RANGE),
        (Command(Io.READ, 1, page, dword10=0xFFFF_FFFF, dword11=0xFFFF_FFFF), Status.LBA_OUT_OF_RANGE),
        (Command(Io.READ, 1, page + 2), Status.INVALID_FIELD),
        (Command(Io.FLUSH, 1), Status.SUCCESS),
    ]
    for command, status in refused:
        (completion,) = await queue.execute(Transfer(command))
        assert completion.status == status, f"{command}: {completion}"
    twin.compare_medium()


@cocotb.test()
async def data_that_do_not_arrive(dut: HierarchyObject) -> None:
    """Poisoned data, memory that is not there, a completer that gives up: the block is the old one."""
    twin, driver = await start(dut, Setting(cocotb.RANDOM_SEED), function=2)
    queue = driver.queues[1]
    old = twin.rng.randbytes(BLOCK_BYTES)
    (completion,) = await queue.execute(transfer(twin, 2, Io.WRITE, filled(twin, 2, old), 5, 1))
    for fault in ("poisoned", "unsupported_request", "completer_abort", "timeout"):
        page = filled(twin, 2, twin.rng.randbytes(BLOCK_BYTES))
        for side in twin.sides:
            side.faults[page // 4096] = fault
        for opcode in (Io.WRITE, Io.COMPARE):
            (completion,) = await queue.execute(transfer(twin, 2, opcode, page, 5, 1))
            assert completion.status == Status.DATA_TRANSFER_ERROR, f"{fault}: {completion}"
    twin.compare_medium()
    assert bytes(twin.ram.read(5 * BLOCK_BYTES, BLOCK_BYTES)) == old

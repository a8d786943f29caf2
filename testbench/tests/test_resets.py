"""Function level reset in the middle of the work."""

import cocotb
from cocotb.handle import HierarchyObject

from bench.driver import Driver, transfer
from bench.nvme import AQA, BLOCK_BYTES, CC, CSTS, Io, Status
from bench.stalls import Stalls
from bench.twin import Setting, Twin

VICTIM, OTHER = 4, 0


@cocotb.test()
async def one_function_is_reset_and_the_others_go_on(dut: HierarchyObject) -> None:
    """FLR at a random moment while two functions write: blocks of the one are old or new, the other's are new."""
    stalls = Stalls(rc=0.2, rq=0.2, read_cycles=(20, 120), split_bytes=64)
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED, stalls))
    await twin.start()
    other = Driver(twin, OTHER)
    await other.enable()
    queue = await other.create_queue(1)
    for _ in range(4):
        victim = Driver(twin, VICTIM)
        await victim.enable()
        theirs = await victim.create_queue(2)
        first = twin.rng.randrange(0, 64)
        old, new, others = (twin.rng.randbytes(4 * BLOCK_BYTES) for _ in range(3))
        buffers = [twin.allocate(VICTIM, 2 * BLOCK_BYTES) for _ in range(2)]
        for half, buffer in enumerate(buffers):
            twin.store(buffer, old[2 * half * BLOCK_BYTES :][: 2 * BLOCK_BYTES])
            theirs.push(transfer(twin, VICTIM, Io.WRITE, buffer, first + 2 * half, 2))
        theirs.ring()
        await theirs.completions(2)
        for half, buffer in enumerate(buffers):
            twin.store(buffer, new[2 * half * BLOCK_BYTES :][: 2 * BLOCK_BYTES])
            theirs.push(transfer(twin, VICTIM, Io.WRITE, buffer, first + 2 * half, 2))
        theirs.ring()
        source = twin.allocate(OTHER, 4 * BLOCK_BYTES)
        twin.store(source, others)
        for half in range(2):
            part = source + 2 * half * BLOCK_BYTES
            queue.push(transfer(twin, OTHER, Io.WRITE, part, 128 + 2 * half, 2))
        queue.ring()
        await twin.cycles(twin.rng.randrange(600))
        await twin.function_reset(VICTIM, end_reads=twin.rng.random() < 0.5)
        assert all(entry.status == Status.SUCCESS for entry in await queue.completions(2))
        for name, medium in twin.media():
            assert medium[128 * BLOCK_BYTES :][: 4 * BLOCK_BYTES] == others, name
            for block in range(4):
                found = medium[(first + block) * BLOCK_BYTES :][:BLOCK_BYTES]
                choice = [data[block * BLOCK_BYTES :][:BLOCK_BYTES] for data in (old, new)]
                assert found in choice, f"{name}: block {block} is torn"
        for offset in (AQA, CC, CSTS):
            assert await twin.read(VICTIM, offset) == 0
        # What follows begins with the same medium on both sides.
        twin.store(source, new)
        for half in range(2):
            queue.push(transfer(twin, OTHER, Io.WRITE, source + 2 * half * BLOCK_BYTES, first + 2 * half, 2))
        queue.ring()
        await queue.completions(2)
        twin.compare_medium()
        twin.forget_messages()
        twin.set_function(VICTIM, bus_master=True, msix=True)


@cocotb.test()
async def nothing_is_sent_behind_a_disable(dut: HierarchyObject) -> None:
    """CC.EN = 0 with Reads under way: once CSTS.RDY is 0 the function is silent, and it can begin again."""
    stalls = Stalls(rq=0.3, read_cycles=(20, 120), split_bytes=64)
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED, stalls))
    await twin.start()
    for _ in range(4):
        driver = Driver(twin, VICTIM)
        await driver.enable()
        queue = await driver.create_queue(1)
        for _ in range(4):
            queue.push(transfer(twin, VICTIM, Io.READ, twin.allocate(VICTIM, 2 * BLOCK_BYTES), 3, 2))
        queue.ring()
        await twin.cycles(twin.rng.randrange(400))
        twin.write(VICTIM, CC, 0)
        await driver.wait_ready(ready=False)
        await twin.cycles(300)
        twin.forget_messages()

"""MSI-X messages, their masks and their pending bits."""

import cocotb
from cocotb.handle import HierarchyObject

from bench.driver import Driver, Transfer
from bench.nvme import MSIX_PENDING, MSIX_TABLE, Command, Io
from bench.side import MESSAGES
from bench.twin import Setting, Twin

FLUSH = Transfer(Command(Io.FLUSH, 1))


@cocotb.test()
async def masked_vectors_are_pending(dut: HierarchyObject) -> None:
    """A message for each command; none while its vector or its function is masked, and one when it is no longer."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    driver = Driver(twin, 2)
    await driver.enable()
    queues = [await driver.create_queue(1), await driver.create_queue(2)]
    await twin.messages(4)
    for queue in queues:
        await queue.execute(FLUSH)
    messages = await twin.messages(2)
    assert messages == [(2, MESSAGES + 0x2000, 0x200 + number) for number in (1, 2)]
    # A vector's own mask.
    driver.set_vector(1, masked=True)
    for queue in queues:
        await queue.execute(FLUSH)
    await twin.messages(1)
    assert await twin.read(2, MSIX_PENDING) == 1 << 1
    driver.set_vector(1, masked=False)
    await twin.messages(1)
    assert await twin.read(2, MSIX_PENDING) == 0
    # The function's mask.
    twin.set_function(2, bus_master=True, msix=True, masked=True)
    for queue in queues:
        await queue.execute(FLUSH)
    await twin.messages(0)
    assert await twin.read(2, MSIX_PENDING, 8) == 0b110
    twin.set_function(2, bus_master=True, msix=True)
    await twin.messages(2)


@cocotb.test()
async def table_is_the_models(dut: HierarchyObject) -> None:
    """Entries read back as written, beyond the last vector as the model has them."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    for function in (0, 6):
        for offset in range(0, 16 * 7, 4):
            twin.write(function, MSIX_TABLE + offset, twin.rng.getrandbits(32))
        for offset in range(0, 16 * 7, 4):
            await twin.read(function, MSIX_TABLE + offset)
            await twin.read(function, MSIX_TABLE + offset, 8)
        for offset in range(0, 32, 4):
            await twin.read(function, MSIX_PENDING + offset)

"""Bring-up and admin commands."""

import cocotb
from cocotb.handle import HierarchyObject

from bench.driver import Driver, Transfer
from bench.nvme import CC, Admin, Command, Status
from bench.twin import FUNCTIONS, SERIAL_NUMBER, Setting, Twin


@cocotb.test()
async def identify_is_the_models_byte_by_byte(dut: HierarchyObject) -> None:
    """Identify Controller and Namespace of every function."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    for function in range(FUNCTIONS):
        driver = Driver(twin, function)
        await driver.enable()
        controller = await driver.identify(1)
        assert controller[4:24] == SERIAL_NUMBER.ljust(20).encode()
        namespace = await driver.identify(0, namespace=1)
        assert int.from_bytes(namespace[:8], "little") == twin.setting.medium_blocks
        await twin.messages(2)


@cocotb.test()
async def features_and_refusals(dut: HierarchyObject) -> None:
    """Features answer as the model's; what is refused is refused with its status."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    driver = Driver(twin, 4)
    await driver.enable()
    for feature in range(0x0D):
        await driver.admin.execute(Transfer(Command(Admin.GET_FEATURES, dword10=feature)))
    (completion,) = await driver.admin.execute(Transfer(Command(Admin.SET_FEATURES, dword10=7, dword11=3 | 3 << 16)))
    assert (completion.status, completion.dword0) == (Status.SUCCESS, 3 | 3 << 16)
    for command in (
        Command(0x7F),
        Command(Admin.IDENTIFY, dword10=7),
        Command(Admin.CREATE_CQ, prp1=4096, dword10=0),
        Command(Admin.CREATE_SQ, prp1=4096, dword10=1 | 3 << 16, dword11=1 | 9 << 16),
        Command(Admin.DELETE_SQ, dword10=3),
        Command(Admin.DELETE_CQ, dword10=0),
    ):
        (completion,) = await driver.admin.execute(Transfer(command))
        assert completion.status != Status.SUCCESS


@cocotb.test()
async def queues_come_and_go(dut: HierarchyObject) -> None:
    """Created, deleted, created elsewhere; disabled, and all again."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    driver = Driver(twin, 5)
    for _ in range(2):
        await driver.enable()
        for number in (1, 4):
            await driver.create_queue(number, entries=3)
        for number in (1, 4):
            for opcode in (Admin.DELETE_SQ, Admin.DELETE_CQ):
                (completion,) = await driver.admin.execute(Transfer(Command(opcode, dword10=number)))
                assert completion.status == Status.SUCCESS
        await driver.create_queue(1, entries=16)
        twin.write(5, CC, 0)
        await driver.wait_ready(ready=False)

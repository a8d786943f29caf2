"""CQ and CC: register reads and writes, and what is neither."""

import cocotb
from cocotb.handle import HierarchyObject

from bench.nvme import ACQ, AQA, ASQ, CAP, CSTS, INTMC, INTMS, VS
from bench.tlp import RegisterRequest, RequestType
from bench.twin import FUNCTIONS, Setting, Twin, check_completion


async def compare_registers(twin: Twin, function: int) -> None:
    """The register page, dword by dword."""
    for offset in range(CAP, 0x40, 4):
        await twin.read(function, offset)


@cocotb.test()
async def registers_read_as_the_models(dut: HierarchyObject) -> None:
    """Every dword and qword of the register page of each function, out of reset."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    for function in range(FUNCTIONS):
        await compare_registers(twin, function)
        for offset in range(CAP, 0x40, 4):
            await twin.read(function, offset, 8)
    assert await twin.read(0, VS) == 0x0001_0100
    assert await twin.read(0, CSTS) == 0


@cocotb.test()
async def registers_keep_what_they_should(dut: HierarchyObject) -> None:
    """Dwords and qwords of anything to every register but CC, while CQ and CC stand still at random."""
    twin = Twin(dut, Setting.draw(cocotb.RANDOM_SEED))
    await twin.start()
    for function in (0, 3, 6):
        for _ in range(20):
            offset = twin.rng.choice(
                [CAP, CAP + 4, VS, INTMS, INTMC, 0x18, CSTS, AQA, ASQ, ASQ + 4, ACQ, ACQ + 4, 0x38]
            )
            length_bytes = twin.rng.choice([4, 8])
            if offset == INTMC and length_bytes == 8:
                # That would enable it.
                continue
            twin.write(function, offset, twin.rng.getrandbits(8 * length_bytes), length_bytes)
        await compare_registers(twin, function)


@cocotb.test()
async def partial_writes_change_nothing(dut: HierarchyObject) -> None:
    """A byte or a word is no register access: it must not become one of a whole dword. Nor do holes."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    twin.write(1, AQA, 0x0012_0034)
    twin.write(1, ASQ, 0x1234_5678_9ABC_D000, 8)
    for offset, dwords, first, last in (
        (AQA, 1, 0b0001, 0),
        (AQA, 1, 0b0110, 0),
        (AQA, 1, 0b1100, 0),
        (AQA, 1, 0b0000, 0),
        (ASQ, 2, 0b1111, 0b0111),
        (ASQ, 2, 0b1000, 0b1111),
        (ASQ, 2, 0b1000, 0b0001),
        (ASQ, 2, 0b0000, 0b1111),
        (ASQ, 3, 0b1111, 0b1111),
        (CAP, 32, 0b1111, 0b1111),
    ):
        request = RegisterRequest(
            RequestType.MEMORY_WRITE,
            1,
            twin.bar_address(1, offset),
            dwords,
            payload=twin.rng.randbytes(4 * dwords),
            first_byte_enables=first,
            last_byte_enables=last,
        )
        twin.send(request, None)
        await compare_registers(twin, 1)


@cocotb.test()
async def partial_reads_have_their_byte_count(dut: HierarchyObject) -> None:
    """Reads that no register answers end as Unsupported Request, with the bytes they asked for (PCIe 2.1 §2.2.9)."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    for dwords, first, last, byte_count in (
        (1, 0b0001, 0, 1),
        (1, 0b0010, 0, 1),
        (1, 0b1000, 0, 1),
        (1, 0b0110, 0, 2),
        (1, 0b0011, 0, 2),
        (1, 0b0111, 0, 3),
        (1, 0b1010, 0, 3),
        (1, 0b1001, 0, 4),
        (2, 0b1111, 0b0001, 5),
        (2, 0b1000, 0b0001, 2),
        (2, 0b1100, 0b1111, 6),
        (3, 0b1111, 0b1111, 12),
        (128, 0b1111, 0b1111, 512),
    ):
        request = read_request(twin, 2, ASQ, dwords, first_byte_enables=first, last_byte_enables=last)
        twin.send(request, None)
        check_completion(request, await twin.completion(request.tag), byte_count, None)


@cocotb.test()
async def flushing_reads_are_answered(dut: HierarchyObject) -> None:
    """A read of no bytes makes sure that writes before it have arrived: one dword of anything, a byte count of 1."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    request = read_request(twin, 0, CSTS, 1, first_byte_enables=0)
    twin.send(request, None)
    completion = await twin.completion(request.tag)
    check_completion(request, completion, 1, int.from_bytes(completion.payload, "little"))


@cocotb.test()
async def what_is_not_for_bar_0_is_refused(dut: HierarchyObject) -> None:
    """Other BARs, other functions, other kinds of requests: reads of any kind are answered, writes do nothing."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    twin.write(0, AQA, 0x0012_0034)
    for request, byte_count in (
        (read_request(twin, 0, VS, 1, bar_id=2), 4),
        (read_request(twin, 0, VS, 2, bar_id=6), 8),
        (read_request(twin, 0, VS, 1, block_function=64 + FUNCTIONS - 1), 4),
        (read_request(twin, 0, VS, 1, block_function=1), 4),
        (read_request(twin, 0, VS, 1, kind=RequestType.IO_READ), 4),
        (read_request(twin, 0, AQA, 1, kind=RequestType.IO_WRITE, payload=b"\xff" * 4), 4),
        (read_request(twin, 0, AQA, 1, kind=RequestType.FETCH_AND_ADD, payload=b"\xff" * 4), 4),
        (read_request(twin, 0, ASQ, 2, kind=RequestType.SWAP, payload=b"\xff" * 8), 8),
        (read_request(twin, 0, ASQ, 4, kind=RequestType.COMPARE_AND_SWAP, payload=b"\xff" * 16), 8),
        (read_request(twin, 0, VS, 1, kind=RequestType.LOCKED_READ), 4),
    ):
        twin.send(request, None)
        check_completion(request, await twin.completion(request.tag), byte_count, None)
    for request in (
        write_request(twin, AQA, bar_id=1),
        write_request(twin, AQA, block_function=64 + FUNCTIONS - 1),
        write_request(twin, AQA, block_function=63),
        write_request(twin, AQA, kind=RequestType.MESSAGE),
        write_request(twin, AQA, discontinue=True),
    ):
        twin.send(request, None)
    await twin.cycles(20)
    for function in range(FUNCTIONS):
        await compare_registers(twin, function)


@cocotb.test()
async def functions_that_are_not_there(dut: HierarchyObject) -> None:
    """VFs that VF Enable has not made are silent, and begin as new when it has."""
    twin = Twin(dut, Setting(cocotb.RANDOM_SEED))
    await twin.start()
    twin.write(5, AQA, 0x0012_0034)
    await compare_registers(twin, 5)
    twin.enable_virtual_functions(3)
    await twin.cycles(4)
    twin.write(5, AQA, 0x0056_0078)
    assert await twin.read(5, VS) is None
    assert await twin.read(3, VS) == 0x0001_0100
    twin.enable_virtual_functions(6)
    await twin.cycles(40)
    await compare_registers(twin, 5)
    assert await twin.read(5, AQA) == 0


def read_request(
    twin: Twin,
    function: int,
    offset: int,
    dwords: int,
    *,
    kind: RequestType = RequestType.MEMORY_READ,
    payload: bytes = b"",
    first_byte_enables: int = 0xF,
    last_byte_enables: int | None = None,
    bar_id: int = 0,
    block_function: int | None = None,
) -> RegisterRequest:
    """Something that wants an answer."""
    return RegisterRequest(
        kind,
        function,
        twin.bar_address(function, offset),
        dwords,
        twin.new_tag(),
        payload,
        first_byte_enables,
        last_byte_enables,
        bar_id=bar_id,
        block_function=block_function,
    )


def write_request(
    twin: Twin,
    offset: int,
    *,
    kind: RequestType = RequestType.MEMORY_WRITE,
    bar_id: int = 0,
    block_function: int | None = None,
    discontinue: bool = False,
) -> RegisterRequest:
    """A dword of ones, to function 0 unless something else is said."""
    return RegisterRequest(
        kind,
        0,
        twin.bar_address(0, offset),
        1,
        payload=b"\xff" * 4,
        bar_id=bar_id,
        block_function=block_function,
        discontinue=discontinue,
    )

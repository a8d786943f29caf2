"""The pins of the controller, but for AXI: one coroutine that samples before each edge and drives behind it."""

import random
from collections import deque
from collections.abc import Callable, Sequence

from cocotb.handle import HierarchyObject, LogicArrayObject, LogicObject
from cocotb.triggers import RisingEdge

from bench.stalls import Stalls
from bench.tlp import Beat

Pin = LogicArrayObject | LogicObject
Receiver = Callable[[Sequence[Beat]], None]


class Source:
    """A stream towards the controller. A beat stays until it is taken."""

    def __init__(self, dut: HierarchyObject, prefix: str) -> None:
        """Find the pins `prefix`_tdata and so on."""
        self._data: Pin = getattr(dut, f"{prefix}_tdata")
        self._keep: Pin = getattr(dut, f"{prefix}_tkeep")
        self._last: Pin = getattr(dut, f"{prefix}_tlast")
        self._user: Pin = getattr(dut, f"{prefix}_tuser")
        self._valid: Pin = getattr(dut, f"{prefix}_tvalid")
        self._ready: Pin = getattr(dut, f"{prefix}_tready")
        # Each TLP with what to call in the cycle in which its first beat is taken, and its last.
        self._tlps: deque[tuple[list[Beat], Callable[[], None]]] = deque()
        self._next = 0
        self._stands = False
        self._valid.value = 0

    def send(self, beats: list[Beat], taken: Callable[[], None]) -> None:
        """Queue a TLP; `taken` is called when its last beat has been."""
        self._tlps.append((beats, taken))

    @property
    def waiting(self) -> int:
        """TLPs that have not been taken whole."""
        return len(self._tlps)

    def sample(self) -> None:
        """Before the edge."""
        if self._stands and int(self._ready.value):
            beats, taken = self._tlps[0]
            self._next += 1
            self._stands = False
            if self._next == len(beats):
                self._next = 0
                self._tlps.popleft()
                taken()

    def drive(self, *, stalled: bool) -> None:
        """Behind the edge."""
        if self._stands:
            return
        if stalled or not self._tlps:
            self._valid.value = 0
            return
        beat = self._tlps[0][0][self._next]
        self._data.value = beat.data
        self._keep.value = beat.keep
        self._last.value = int(beat.last)
        self._user.value = beat.user
        self._valid.value = 1
        self._stands = True


class Sink:
    """A stream from the controller. What is valid must stay as it is until it is taken."""

    def __init__(self, dut: HierarchyObject, prefix: str, receiver: Receiver) -> None:
        """Find the pins `prefix`_tdata and so on; whole TLPs go to `receiver`."""
        self._name = prefix
        self._data: Pin = getattr(dut, f"{prefix}_tdata")
        self._keep: Pin = getattr(dut, f"{prefix}_tkeep")
        self._last: Pin = getattr(dut, f"{prefix}_tlast")
        self._user: Pin = getattr(dut, f"{prefix}_tuser")
        self._valid: Pin = getattr(dut, f"{prefix}_tvalid")
        self._ready: Pin = getattr(dut, f"{prefix}_tready")
        self._receiver = receiver
        self._beats: list[Beat] = []
        self._stood: Beat | None = None
        self._open = False
        self._ready.value = 0

    def sample(self) -> None:
        """Before the edge."""
        if not int(self._valid.value):
            assert self._stood is None, f"{self._name}: tvalid fell before tready came"
            return
        beat = Beat(int(self._data.value), int(self._keep.value), bool(int(self._last.value)), int(self._user.value))
        assert self._stood in (None, beat), f"{self._name}: changed before it was taken: {self._stood} to {beat}"
        if not self._open:
            self._stood = beat
            return
        self._stood = None
        self._beats.append(beat)
        if beat.last:
            beats, self._beats = self._beats, []
            self._receiver(beats)

    def drive(self, *, stalled: bool) -> None:
        """Behind the edge."""
        if self._open == stalled:
            self._open = not stalled
            self._ready.value = int(self._open)


class Port:
    """CQ, CC, RQ, RC and the side-bands; `each_cycle` is called between sampling and driving."""

    def __init__(
        self,
        dut: HierarchyObject,
        rng: random.Random,
        stalls: Stalls,
        *,
        on_completion: Receiver,
        on_request: Receiver,
        on_reset_done: Callable[[int], None],
        each_cycle: Callable[[], None],
    ) -> None:
        """Take over the pins. The clock runs already."""
        self.dut = dut
        self.cycle = 0
        self.cq = Source(dut, "m_axis_cq")
        self.rc = Source(dut, "m_axis_rc")
        self._cc = Sink(dut, "s_axis_cc", on_completion)
        self._rq = Sink(dut, "s_axis_rq", on_request)
        self._rng = rng
        self.stalls = stalls
        self._on_reset_done = on_reset_done
        self._each_cycle = each_cycle
        self._resets = 0
        self._had_credit = True
        dut.cfg_flr_in_process.value = 0
        dut.pcie_tfc_nph_av.value = 3
        dut.pcie_tfc_npd_av.value = 3

    def start_function_reset(self, function: int) -> None:
        """Raise the level; it falls when the controller answers."""
        self._resets |= 1 << function
        self.dut.cfg_flr_in_process.value = self._resets

    def _sample_reset_done(self) -> None:
        done = int(self.dut.cfg_flr_done.value)
        assert done & ~self._resets == 0, f"cfg_flr_done {done:#b} while {self._resets:#b} are being reset"
        if done:
            self._resets &= ~done
            self.dut.cfg_flr_in_process.value = self._resets
            for function in range(done.bit_length()):
                if done >> function & 1:
                    self._on_reset_done(function)

    async def run(self) -> None:
        """Every cycle."""
        edge = RisingEdge(self.dut.clk)
        chance = self._rng.random
        while True:
            await edge
            self.cq.sample()
            self.rc.sample()
            self._cc.sample()
            self._rq.sample()
            self._sample_reset_done()
            self._each_cycle()
            stalls = self.stalls
            self.cq.drive(stalled=stalls.cq > 0 and chance() < stalls.cq)
            self.rc.drive(stalled=stalls.rc > 0 and chance() < stalls.rc)
            self._cc.drive(stalled=stalls.cc > 0 and chance() < stalls.cc)
            self._rq.drive(stalled=stalls.rq > 0 and chance() < stalls.rq)
            has_credit = stalls.credit == 0 or chance() >= stalls.credit
            if has_credit != self._had_credit:
                self._had_credit = has_credit
                # Two credits are what the block says while one may be on its way out.
                self.dut.pcie_tfc_nph_av.value = 3 if has_credit else 1
            self.cycle += 1

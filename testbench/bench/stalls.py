"""How often each side of a port has to wait, drawn from a seed."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Stalls:
    """Chances, each cycle, that a stream stands still; and how the host answers reads."""

    # The block takes nothing from CC or RQ, has nothing on CQ or RC.
    cc: float = 0.0
    rq: float = 0.0
    cq: float = 0.0
    rc: float = 0.0
    # The block has no credit for non-posted requests.
    credit: float = 0.0
    # Memory does not take or give.
    axi: float = 0.0
    # Cycles until a read is answered, at least and at most.
    read_cycles: tuple[int, int] = (60, 60)
    # A completion ends at a multiple of this; more pieces with this chance at each smaller boundary.
    split_bytes: int = 256
    split_chance: float = 0.0

    @classmethod
    def draw(cls, rng: random.Random) -> "Stalls":
        """Anything from a quiet link to a terrible one."""

        def chance() -> float:
            return rng.choice([0.0, 0.1, 0.3, 0.7])

        least = rng.randrange(2, 80)
        return cls(
            cc=chance(),
            rq=chance(),
            cq=chance(),
            rc=chance(),
            credit=chance(),
            axi=rng.choice([0.0, 0.1, 0.4]),
            read_cycles=(least, least + rng.choice([0, 20, 300])),
            split_bytes=rng.choice([64, 128, 256]),
            split_chance=rng.choice([0.0, 0.5]),
        )

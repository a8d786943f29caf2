"""The host's answers to reads: after a while, cut anywhere the standard allows, those of several reads mixed."""

import random
from collections import deque
from dataclasses import dataclass

from bench.side import ReadResult
from bench.stalls import Stalls
from bench.tlp import CompletionStatus, MemoryRequest, ReadCompletion, ReadError

# How the block tells what has happened: completion status and error code.
_ENDS = {
    "unsupported_request": (CompletionStatus.UNSUPPORTED_REQUEST, ReadError.BAD_STATUS),
    "completer_abort": (CompletionStatus.COMPLETER_ABORT, ReadError.BAD_STATUS),
    "timeout": (CompletionStatus.SUCCESS, ReadError.TIMEOUT),
    "function_reset": (CompletionStatus.SUCCESS, ReadError.ENDED_BY_RESET),
}


@dataclass(slots=True)
class _Answer:
    due: int
    pieces: deque[ReadCompletion]


def pieces_of(request: MemoryRequest, result: ReadResult, ends: list[int]) -> deque[ReadCompletion]:
    """Cut the data of a read at the addresses `ends`, the last of which is the end of the read."""
    if result.status in _ENDS:
        status, error = _ENDS[result.status]
        length_bytes = request.length_bytes
        return deque(
            [ReadCompletion(request.tag, request.function, request.address, length_bytes, b"", True, status, error)]
        )
    pieces: deque[ReadCompletion] = deque()
    start, stop = request.address, request.address + request.length_bytes
    poisoned = result.status == "poisoned"
    for end in ends:
        data = result.data[start - request.address : end - request.address]
        # A poisoned completion ends the request.
        completed = end == stop or poisoned
        error = ReadError.POISONED if poisoned else ReadError.GOOD
        pieces.append(ReadCompletion(request.tag, request.function, start, stop - start, data, completed, error=error))
        if completed:
            break
        start = end
    return pieces


class Responder:
    """Reads under way, and when each is answered."""

    def __init__(self, rng: random.Random, max_payload_bytes: int, boundary_bytes: int) -> None:
        """Answer with completions of at most `max_payload_bytes` that end at multiples of `boundary_bytes`."""
        self._rng = rng
        self._max_payload_bytes = max_payload_bytes
        self._boundary_bytes = boundary_bytes
        self._answers: dict[int, _Answer] = {}

    def start(self, now: int, request: MemoryRequest, result: ReadResult, stalls: Stalls) -> None:
        """Take a read that has reached the host."""
        stop = request.address + request.length_bytes
        split_bytes = max(stalls.split_bytes, self._boundary_bytes)
        ends = [request.address]
        while ends[-1] < stop:
            start = ends[-1]
            least = (start // self._boundary_bytes + 1) * self._boundary_bytes
            end = min((start // split_bytes + 1) * split_bytes, start + self._max_payload_bytes)
            end = end // self._boundary_bytes * self._boundary_bytes
            if least < end and self._rng.random() < stalls.split_chance:
                end = self._rng.randrange(least, end + 1, self._boundary_bytes)
            ends.append(min(end, stop))
            assert ends[-1] > start
        due = now + self._rng.randint(*stalls.read_cycles)
        self._answers[request.tag] = _Answer(due, pieces_of(request, result, ends[1:]))

    def next(self, now: int) -> ReadCompletion | None:
        """Choose a completion that is due; those of one read in order, those of several as it happens."""
        due = [tag for tag, answer in self._answers.items() if answer.due <= now]
        if not due:
            return None
        tag = self._rng.choice(due)
        answer = self._answers[tag]
        piece = answer.pieces.popleft()
        if not answer.pieces:
            del self._answers[tag]
        return piece

    def end_reads_of(self, function: int) -> None:
        """End what a function still waits for, as the block does when the function is reset."""
        for answer in self._answers.values():
            first = answer.pieces[0]
            if first.function == function:
                status, error = _ENDS["function_reset"]
                piece = ReadCompletion(
                    first.tag, function, first.address, first.remaining_bytes, b"", True, status, error
                )
                answer.pieces = deque([piece])

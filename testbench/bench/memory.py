"""Host memory as one device sees it: pages, each mapped for one function."""

PAGE_BYTES = 4096


class Unmapped(Exception):
    """The function has nothing there."""


class HostMemory:
    """Memory that functions reach only where it is theirs."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._pages: dict[int, bytearray] = {}
        self._owners: dict[int, int] = {}

    def map(self, function: int, address: int, length_bytes: int) -> None:
        """Give whole pages to a function."""
        for page in range(address // PAGE_BYTES, (address + length_bytes - 1) // PAGE_BYTES + 1):
            assert page not in self._pages
            self._pages[page] = bytearray(PAGE_BYTES)
            self._owners[page] = function

    def check(self, function: int, address: int, length_bytes: int) -> None:
        """Look that a function may reach all of a range."""
        for page in range(address // PAGE_BYTES, (address + length_bytes - 1) // PAGE_BYTES + 1):
            if self._owners.get(page) != function:
                raise Unmapped(f"function {function} has nothing at {page * PAGE_BYTES:#x}")

    def read(self, address: int, length_bytes: int) -> bytes:
        """Bytes, as the processor sees them."""
        found = bytearray()
        while len(found) < length_bytes:
            page, offset = divmod(address + len(found), PAGE_BYTES)
            found += self._pages[page][offset : offset + length_bytes - len(found)]
        return bytes(found)

    def write(self, address: int, data: bytes) -> None:
        """Bytes, from the processor or a device that was checked."""
        done = 0
        while done < len(data):
            page, offset = divmod(address + done, PAGE_BYTES)
            piece = data[done : done + PAGE_BYTES - offset]
            self._pages[page][offset : offset + len(piece)] = piece
            done += len(piece)

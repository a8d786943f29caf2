"""The cycle model of the controller, as `golden/src` makes it known to Python."""

class Sent:
    """Something that left the device; which one it is says its class."""

    class Write(Sent):
        """RQ: a posted write; a burst of TLPs is one."""

        at: int
        function: int
        address: int
        data: bytes

    class Read(Sent):
        """RQ: a read."""

        at: int
        function: int
        address: int
        length_bytes: int
        tag: int

    class ReadCompletion(Sent):
        """CC: the answer to a read of BAR0; no value is an Unsupported Request."""

        at: int
        tag: int
        value: int | None

    class ResetDone(Sent):
        """A function level reset has ended."""

        at: int
        function: int

class Golden:
    """The controller, driven by cycles that never go back. Functions: 0 is the PF, 1 + n is VF n."""

    def __init__(
        self,
        medium_bytes: int,
        *,
        block_bytes: int = 4096,
        virtual_functions: int = 6,
        io_queues: int = 4,
        serial_number: str = "RDS00000001",
    ) -> None: ...
    def link(
        self,
        at: int,
        *,
        max_payload_bytes: int,
        max_read_request_bytes: int,
        read_completion_boundary_bytes: int,
        completion_space_bytes: int,
        completion_space_headers: int,
    ) -> None: ...
    def write(self, at: int, function: int, offset: int, data: bytes) -> None: ...
    def read(self, at: int, function: int, offset: int, length_bytes: int, tag: int) -> None: ...
    def read_data(self, at: int, tag: int, data: bytes, *, status: str = "success", last: bool = True) -> None: ...
    def function_reset(self, at: int, function: int) -> None: ...
    def bus_master(self, at: int, function: int, enabled: bool) -> None: ...
    def msix_control(self, at: int, function: int, enabled: bool, masked: bool) -> None: ...
    def enable_virtual_functions(self, at: int, count: int) -> None: ...
    def advance(self, until: int) -> list[Sent]: ...
    def peek_medium(self, offset: int, length_bytes: int) -> bytes: ...

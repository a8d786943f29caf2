"""Bit fields of descriptors and side information, from tables."""

from collections.abc import Mapping


class Layout:
    """Names of fields, each with its lowest bit and its width; what no field covers must be zero."""

    def __init__(self, name: str, bits: int, fields: Mapping[str, tuple[int, int]]) -> None:
        """Take the fields, which must not overlap."""
        self.name = name
        self.bits = bits
        self.fields = dict(fields)
        used = 0
        for field, (low, width) in self.fields.items():
            mask = ((1 << width) - 1) << low
            assert width > 0 and low + width <= bits, f"{name}.{field} does not fit"
            assert used & mask == 0, f"{name}.{field} overlaps another field"
            used |= mask
        self.reserved = ((1 << bits) - 1) & ~used

    def pack(self, **values: int) -> int:
        """Put values in their places; fields that are not named are zero."""
        packed = 0
        for field, value in values.items():
            low, width = self.fields[field]
            assert 0 <= value < 1 << width, f"{self.name}.{field} cannot be {value:#x}"
            packed |= value << low
        return packed

    def unpack(self, packed: int) -> dict[str, int]:
        """Take the fields out, and look that nothing else is set."""
        assert packed >> self.bits == 0
        assert packed & self.reserved == 0, f"{self.name}: reserved bits are set: {packed & self.reserved:#x}"
        return {field: packed >> low & (1 << width) - 1 for field, (low, width) in self.fields.items()}

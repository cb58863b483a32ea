"""What the processor of this machine can do, as Linux reports it."""

import pathlib

# Parts of AVX-512 and of AMX: with either, a processor multiplies bfloat16 in hardware.
_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def multiplies_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 faster than float32."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _BFLOAT16.isdisjoint(flags.split())

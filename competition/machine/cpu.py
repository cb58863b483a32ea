"""What the processor of this machine can do, where Linux tells it."""

import pathlib

# Of AVX-512 and of AMX: with either it multiplies bfloat16 itself.
_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def multiplies_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16, in less time than float32."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _BFLOAT16.isdisjoint(flags.split())

"""What is read of this machine's processor."""

import pathlib

import pytest

from competition.machine import cpu


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 vnni\n", True),
        ("processor : 0\nflags : amx_bf16 amx_tile\n", True),
        ("flags : fpu avx512f avx512bw\n", False),
        ("Features : fp asimd bf16\n", False),
        ("", False),
        (None, False),
    ],
)
def test_bfloat16_is_among_the_flags(monkeypatch, text, expected):
    def read(self, *_):
        if text is None:
            raise FileNotFoundError
        return text

    monkeypatch.setattr(pathlib.Path, "read_text", read)
    assert cpu.multiplies_bfloat16() is expected

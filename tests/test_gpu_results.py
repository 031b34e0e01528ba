"""benchmarks/gpu_results.py prints a table that says what it was measured on."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_table_names_the_device_and_measures_both_chapters() -> None:
    """On a CPU, in small: whoever has a GPU needs a command that works at once."""
    small = ["--device", "cpu", "--size", "16", "--repeats", "1"]
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu_results.py"), *small]
    # Compiling for the CPU would take most of the time; notebook 15 does that.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TORCHDYNAMO_DISABLE": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    label, _, table = ran.stdout.partition("\n\n")
    assert re.match(r"Measured on cpu: \w+; torch \S+, Python \S+; threads: \d+\.$", label)
    head, line, *rows = table.strip().splitlines()
    assert (head, line) == ("| what | median |", "|---|---|")
    assert all(re.fullmatch(r"\| .+ \| [\d.,]+ ms \|", row) for row in rows)
    for what in (
        "until Python goes on",
        "in bfloat16",
        "a step of LeNet",
        "ordinary",
        "autocast",
        "compiled",
    ):
        assert what in table, what

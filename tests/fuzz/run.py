"""Fuzzing: the tests of properties with new examples, for as long as is said.

    python tests/fuzz/run.py --minutes 10

Each harness is a set of tests that hypothesis draws examples for; they take turns, each round from another seed, until
the time is over. An example that fails is printed with what repeats it, and kept in `.hypothesis`; the harness goes on.
Make a test of what it found. The status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
HARNESSES: dict[str, tuple[str, ...]] = {
    "parser": ("tests/dsl/test_fuzz.py",),
    "programs": ("tests/language/test_properties.py", "tests/compiler/decompile/test_arch_random.py"),
    "specs": ("tests/fuzz/test_specs.py",),
    "checkpoints": ("tests/fuzz/test_checkpoints.py", "tests/compiler/emit/test_mapping.py"),
    "graphs": ("tests/compiler/interchange/test_edits.py",),
    "forms": ("tests/compiler/decompile/test_forms.py", "tests/compiler/emit/test_recompute.py"),
    "rewrites": ("tests/compiler/passes/test_every_rewrite.py", "tests/compiler/compare/test_equivalence.py"),
    "arguments": ("tests/test_arguments.py",),
}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10, help="in all (default: 10)")
    options.add_argument("--seed", type=int, default=None, help="of the first round; else another each time")
    options.add_argument("harness", nargs="*", help=f"which: {', '.join(HARNESSES)}")
    given = options.parse_args()
    unknown = [name for name in given.harness if name not in HARNESSES]
    if unknown:
        options.error(f"there is no harness {unknown[0]}")
    end = time.monotonic() + 60 * given.minutes
    seeds = random.Random(given.seed)
    rounds = dict.fromkeys(given.harness or HARNESSES, 0)
    failed: dict[str, list[int]] = {}
    while time.monotonic() < end:
        name = min(rounds, key=lambda name: rounds[name])
        seed = seeds.randrange(2**32)
        rounds[name] += 1
        if not passes(name, seed, end - time.monotonic()):
            failed.setdefault(name, []).append(seed)
    for name, count in rounds.items():
        again = "".join(f"\n  --hypothesis-seed={seed} failed" for seed in failed.get(name, ()))
        print(f"{name}: {count} rounds{again}")
    return int(bool(failed))


def passes(name: str, seed: int, seconds: float) -> bool:
    """Runs a harness once. A round that the end of the time cuts short has not failed."""
    options = ("-q", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-profile=explore", f"--hypothesis-seed={seed}")
    command = [sys.executable, "-m", "pytest", *options, *HARNESSES[name]]
    try:
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=max(seconds, 1))
    except subprocess.TimeoutExpired:
        return True
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())

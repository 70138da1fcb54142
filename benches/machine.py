"""The machine that is measured on."""

import os
import pathlib
import subprocess
import sys

# Wider vectors first: the first that the processor has is the one that is named.
INSTRUCTIONS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}

# A processor that gives less than this to a process that is always busy gives the rest to others.
SHARE = 0.9

BUSY = """
import time
start = time.perf_counter()
while time.perf_counter() - start < 1:
    pass
print(time.process_time() / (time.perf_counter() - start))
"""


def _field(name):
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def description():
    """Model, number of cores and instruction set."""
    flags = (_field("flags") or _field("Features")).split()
    widest = next((name for flag, name in INSTRUCTIONS.items() if flag in flags), "no vector instructions that we know")
    numbers = ", ".join(f"{field} {_field(field)}" for field in ("cpu family", "model") if _field(field))
    return f"{_field('model name') or os.uname().machine} ({numbers}), {os.cpu_count()} cores, {widest}"


def rustc():
    return " ".join(subprocess.check_output(["rustc", "--version"], text=True).split()[:2])


def pin(count):
    """Keeps this process and those that it starts on so many processors that are cores of their own; returns them."""
    chosen, taken = [], set()
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list")
        core = siblings.read_text().strip() if siblings.exists() else str(cpu)
        if core not in taken:
            taken.add(core)
            chosen.append(cpu)
    if len(chosen) < count:
        sys.exit(f"expected {count} cores, given {len(chosen)}")
    os.sched_setaffinity(0, chosen[:count])
    return chosen[:count]


def is_ours(count):
    """Whether so many busy processes get a core each; says so where they do not."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) for _ in range(count)]
    shares = [float(process.communicate()[0]) for process in processes]
    if min(shares) >= SHARE:
        return True
    given = ", ".join(f"{share:.0%}" for share in shares)
    print(f"warning: {count} busy processes got {given} of a core each: these numbers mean nothing", file=sys.stderr)
    return False


def busy(cpu):
    """A process that keeps a processor busy; to be killed."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(process.pid, {cpu})
    return process

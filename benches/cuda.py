"""formwork and PyTorch in turn on one NVIDIA GPU: the networks of `benches/workloads`, in batches sixteen times as large.

    $PYTHON benches/cuda.py --build          builds the program first; the CUDA toolkit has to be there
    $PYTHON benches/cuda.py --write          measures, and writes results/cuda.md

Python needs torch with CUDA. A step copies its batch to the GPU, and training moves the parameters; ours waits for the loss of
each step, PyTorch for the end of a round. Everyone is measured as it is, and where factors may be rounded to TF32.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

import compare
import machine
import report

PROGRAM = compare.program("formwork-cuda")
RESULTS = pathlib.Path(__file__).parent / "results" / "cuda.md"
OURS, EAGER, GRAPHS = "formwork", "PyTorch eager", "PyTorch CUDA graphs"
TF32 = ", TF32"


def build():
    """Into a folder of its own: with the feature all else would be compiled again."""
    target = compare.CRATE / "target" / "cuda"
    command = ["cargo", "build", "--release", "--locked", "--features", "cuda", "--bin", "speed-formwork", "--target-dir", target]
    subprocess.run(command, cwd=compare.CRATE, check=True)
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(target / "release" / "speed-formwork", PROGRAM)


def contenders(asked):
    common = ["--times", str(asked.times)]
    peers = [sys.executable, compare.HERE / "peers.py", "--device", "cuda", *common, "--peer"]
    commands = {OURS: [PROGRAM, *common], EAGER: [*peers, "eager"], GRAPHS: [*peers, "graphs"]}
    started = []
    for suffix, option in (("", []), (TF32, ["--tf32"])):
        started += [compare.Contender(name + suffix, [*command, *option], asked) for name, command in commands.items()]
    return started


def card():
    """The GPU, and its driver."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.check_output(query, text=True).splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "a GPU that nvidia-smi does not name"


def torch_version():
    return subprocess.check_output([sys.executable, "-c", "import torch; print(torch.__version__, torch.version.cuda)"], text=True).split()


def text_of(asked, times):
    workloads = asked.workload or compare.WORKLOADS
    parts = []
    exact = "Numbers of 32 bits as they are; but PyTorch convolves in TF32, which is its default"
    for suffix, title in (("", exact), (TF32, "Factors in TF32")):
        peers = [EAGER + suffix, GRAPHS + suffix]
        ratios = [[w, *(times.ratio(peer, OURS + suffix, w) for peer in peers)] for w in workloads]
        absolute = [[w, *(times.shown(name, w) for name in (OURS + suffix, *peers))] for w in workloads]
        parts.append(f"## {title}\n\nHow many times as long as ours a step takes elsewhere, by medians:")
        parts.append(report.table(["workload", *peers], ratios))
        parts.append("Microseconds for a step, best round / median:")
        parts.append(report.table(["workload", OURS + suffix, *peers], absolute))
    torch, cuda = torch_version()
    head = f"{card()}; PyTorch {torch} with CUDA {cuda}, {machine.rustc()}; batches {asked.times} times as large as the names say; "
    return f"{head}{asked.rounds} rounds in turn, {time.strftime('%Y-%m-%d')}.\n\n" + "\n\n".join(parts)


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--workload", action="append", choices=compare.WORKLOADS)
    parser.add_argument("--times", type=int, default=16)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of the CPU")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def main():
    asked = options()
    if asked.build:
        build()
    started, times = contenders(asked), compare.Times()
    for _ in range(asked.rounds):
        compare.run(asked, started, times)
    for contender in started:
        contender.end()
    text = text_of(asked, times)
    print(f"\n{text}")
    if asked.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(f"# On a GPU\n\n`benches/cuda.py` has written this file.\n\n{text}\n")


if __name__ == "__main__":
    main()

"""How much memory a step of training needs at its peak: ours, and PyTorch's.

    memory.py [--python PYTHON] [--workload unet_train_b8]... [--steps 20] [--write]

Each is a process of its own, which reads its peak twice: when it has started, and libraries are loaded, and after some steps.
The difference is what the network, its optimizer and the steps needed.
"""

import argparse
import os
import subprocess

import machine
import report
from compare import HERE, OURS, WORKLOADS, program


def peak(command, workload, asked):
    """MiB before there was a network, and after the steps."""
    command = [*command, "--workload", workload, "--memory", str(asked.steps), "--threads", str(asked.threads)]
    fields = subprocess.check_output(command, text=True).split()
    return [int(field) / 1024 for field in fields[2:4]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=os.environ.get("PYTHON"))
    parser.add_argument("--workload", action="append", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if not asked.python:
        parser.error("--python or $PYTHON is to have torch")

    machine.pin(asked.threads)
    rows = []
    for workload in asked.workload or ["unet_train_b8"]:
        ours, torch = peak([program(OURS)], workload, asked), peak([asked.python, HERE / "peers.py"], workload, asked)
        needed = [after - before for before, after in (ours, torch)]
        rows.append([workload, *(f"{mib:.1f}" for mib in (needed[0], needed[1], ours[1], torch[1]))])
    head = ["workload", "formwork", "PyTorch eager", "formwork, whole process", "PyTorch, whole process"]
    text = f"MiB of memory at the peak of {asked.steps} steps, beyond what the process had before:\n\n{report.table(head, rows)}"
    print(text)
    if asked.write:
        report.put(report.RESULTS, "memory", text)


if __name__ == "__main__":
    main()

"""Single layers of many sizes in formwork and in PyTorch, in turn: no size may be slow.

    sweep.py [--program peers/target/release/sweep-formwork] [--kind conv]... [--rounds 3] [--seconds 0.1] [--output SWEEP.md]

The settings are those of `sweep-formwork --list`. Each is one step of training of a ReLU and the layer, with the gradient
with respect to the layer's input, the mean square error to random targets, and SGD. Needs torch.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess

import torch
from torch import nn
from torch.nn import functional as F

import machine
import report
from peers import measure

HERE = pathlib.Path(__file__).parent
KINDS = {"conv": "convolution", "linear": "dense layer", "lstm": "LSTM", "gru": "GRU", "attention": "attention"}
SHOWN = 10


class Attention(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.attention = nn.MultiheadAttention(features, heads, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Outputs(nn.Module):
    """What a recurrent layer gives for each step, without its last states."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


def layer(kind, a):
    """A layer and the shape of its input for one sample."""
    if kind == "conv":
        made = nn.Conv2d(a["in"], a["out"], a["k"], a["stride"], a["pad"], a["dil"], a["groups"])
        return made, (a["in"], a["side"], a["side"])
    if kind == "linear":
        return nn.Linear(a["in"], a["out"]), (a["in"],)
    if kind == "attention":
        return Attention(a["features"], a["heads"]), (a["tokens"], a["features"])
    cells = nn.LSTM if kind == "lstm" else nn.GRU
    return Outputs(cells(a["in"], a["hidden"], batch_first=True)), (a["steps"], a["in"])


def step(setting):
    model, shape = layer(setting["kind"], setting["arguments"])
    # It wants a gradient, so that the layer has to give one to the ReLU.
    inputs = torch.randn(setting["samples"], *shape, requires_grad=True)
    with torch.no_grad():
        targets = torch.randn_like(model(inputs))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def train():
        optimizer.zero_grad(set_to_none=True)
        inputs.grad = None
        F.mse_loss(model(F.relu(inputs)), targets).backward()
        optimizer.step()

    return train


class Ours:
    """The program, which is asked by name and measures."""

    def __init__(self, program, threads, seconds):
        command = [program, "--serve", "--threads", str(threads), "--seconds", str(seconds)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def median(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split("\t")[4])


def compared(setting, ours, rounds, seconds):
    """The medians of rounds, one of ours and one of PyTorch's in turn."""
    train = step(setting)
    pairs = [(ours.median(setting["name"]), measure(train, seconds)[1]) for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*pairs)]


def table(rows):
    shown = [[setting["name"], f"{ours:.1f}", f"{peer:.1f}", f"{peer / ours:.2f}"] for setting, ours, peer in rows]
    return report.table(["setting", "ours, us", "PyTorch, us", "ratio"], shown)


def ratio(row):
    return row[2] / row[1]


def page(rows, threads):
    by_kind = {kind: sorted((row for row in rows if row[0]["kind"] == kind), key=ratio) for kind in KINDS}
    by_kind = {kind: of_kind for kind, of_kind in by_kind.items() if of_kind}
    summary = []
    for kind, of_kind in by_kind.items():
        ratios = [ratio(row) for row in of_kind]
        slower = sum(r < 1 for r in ratios)
        summary.append([KINDS[kind], len(ratios), f"{statistics.median(ratios):.2f}", f"{ratios[0]:.2f}", slower])
    lines = [
        "# Single layers of many sizes",
        "",
        "Written by `benches/sweep.py`, which says what is measured. The ratio is PyTorch's time to ours: above 1 we are faster.",
        "",
        f"{machine.description()}; PyTorch {torch.__version__.split('+')[0]}, {threads} threads.",
        "",
        report.table(["layers", "settings", "median ratio", "smallest", "slower than PyTorch"], summary),
    ]
    slower = sorted((row for row in rows if ratio(row) < 1), key=ratio)
    worst = slower if len(slower) > SHOWN else sorted(rows, key=ratio)[:SHOWN]
    lines += ["", "## The worst", "", table(worst)]
    for kind, of_kind in by_kind.items():
        lines += ["", f"## All: {KINDS[kind]}", "", table(of_kind)]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=str(HERE / "peers/target/release/sweep-formwork"))
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    parser.add_argument("--only", help="settings whose names contain this")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--output", default=str(HERE / "SWEEP.md"))
    asked = parser.parse_args()

    machine.pin(asked.threads)
    machine.is_ours(asked.threads)
    torch.manual_seed(0)
    torch.set_num_threads(asked.threads)
    settings = json.loads(subprocess.check_output([asked.program, "--list"]))
    settings = [s for s in settings if (not asked.kind or s["kind"] in asked.kind) and (not asked.only or asked.only in s["name"])]
    ours = Ours(asked.program, asked.threads, asked.seconds)
    rows = []
    for setting in settings:
        mine, peer = compared(setting, ours, asked.rounds, asked.seconds)
        rows.append((setting, mine, peer))
        print(f"{setting['name']:64} {mine:12.1f} {peer:12.1f} {peer / mine:8.2f}", flush=True)
    pathlib.Path(asked.output).write_text(page(rows, asked.threads))


if __name__ == "__main__":
    main()

"""formwork and its peers in turn, on the networks of `benches/workloads`: who is how fast.

    compare.py --build                        builds the programs first; candle and burn take some minutes
    compare.py                                all peers that are there, to the terminal
    compare.py --write                        the same, and puts the tables into RESULTS.md and the README
    compare.py --busy --peer eager --write    once more with another program on one of the cores

Python with torch and jax is $PYTHON or `--python`; the programs are those of `benches/peers`. One round measures each for
`--seconds`, ours first, then the peers, and so on: machines drift, and the ratio of what stands side by side does not. Quoted
are the best round and the median of all rounds.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import tomllib

import machine
import report

HERE = pathlib.Path(__file__).parent
CRATE = HERE / "peers"
PROGRAMS = CRATE / "target" / "programs"

WORKLOADS = [
    "mlp_train_b1",
    "mlp_train_b64",
    "mlp_train_b256",
    "cnn_train_b64",
    "cnn_train_b128",
    "cnn_infer_b1",
    "cnn_infer_b64",
    "lstm_train_b32",
    "encoder_train_b16",
    "unet_train_b8",
]
OURS = "formwork"
# Ours in other ways: fewer threads, and other instructions than the best that the processor has.
ONE_THREAD, ISAS = "formwork, 1 thread", {"formwork, AVX2": "avx2", "formwork, plain": "plain"}
SCRIPTS = {"eager": "PyTorch eager", "compile": "torch.compile", "jax": "JAX"}
LIBRARIES = ["candle", "burn", "dfdx"]
MIMALLOC = "+mimalloc"

# What threads of the one before may still spin after their work.
PAUSE = 0.05


def program(name):
    return PROGRAMS / f"speed-{name}"


def build():
    """Each library with the system's allocator and with mimalloc, as programs beside each other."""
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    for name in [OURS, *LIBRARIES]:
        for suffix in ["", MIMALLOC] if name != OURS else [""]:
            features = name + suffix.replace("+", ",")
            command = ["cargo", "build", "--release", "--locked", "--features", features, "--bin", f"speed-{name}"]
            subprocess.run(command, cwd=CRATE, check=True)
            shutil.copy2(CRATE / "target/release" / f"speed-{name}", program(name + suffix))


class Contender:
    """A process that measures what it is asked for."""

    def __init__(self, name, command, asked, threads=None, isa=None):
        self.name = name
        threads = str(threads or asked.threads)
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        if isa:
            environment["FORMWORK_ISA"] = isa
        command = [*command, "--serve", "--threads", threads, "--seconds", str(asked.seconds)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def measure(self, workload):
        """The fastest and the median round in microseconds, or nothing where the library lacks something."""
        time.sleep(PAUSE)
        print(workload, file=self.process.stdin, flush=True)
        fields = self.process.stdout.readline().split()
        if len(fields) < 4:
            sys.exit(f"{self.name} has ended at {workload}")
        return None if fields[3] == "-" else (float(fields[3]), float(fields[4]))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def contenders(asked):
    """Ours, and all peers that were asked for and are there."""
    started = [Contender(OURS, [program(OURS)], asked)]
    if not asked.busy:
        started.append(Contender(ONE_THREAD, [program(OURS)], asked, threads=1))
        started += [Contender(name, [program(OURS)], asked, isa=isa) for name, isa in ISAS.items()]
    libraries = [name + suffix for name in LIBRARIES for suffix in ("", MIMALLOC)]
    for peer in asked.peer or [*SCRIPTS, *libraries]:
        if peer in SCRIPTS:
            if asked.python:
                started.append(Contender(SCRIPTS[peer], [asked.python, HERE / "peers.py", "--peer", peer], asked))
        elif program(peer).exists():
            started.append(Contender(peer, [program(peer)], asked))
        elif asked.peer:
            sys.exit(f"{program(peer)} is not there: --build makes it")
    return started


class Times:
    """Rounds of each contender on each workload."""

    def __init__(self):
        self.rounds = {}

    def add(self, name, workload, round):
        if round:
            self.rounds.setdefault((name, workload), []).append(round)

    def best(self, name, workload):
        return min(best for best, _ in self.rounds[name, workload])

    def median(self, name, workload):
        return statistics.median(median for _, median in self.rounds[name, workload])

    def ratio(self, name, to, workload):
        """How much longer one takes than another."""
        if (name, workload) not in self.rounds or (to, workload) not in self.rounds:
            return "-"
        return f"{self.median(name, workload) / self.median(to, workload):.2f}"

    def shown(self, name, workload):
        if (name, workload) not in self.rounds:
            return "-"
        return f"{self.best(name, workload):.0f} / {self.median(name, workload):.0f}"


def run(asked, started, times, note=""):
    """One round of all, in turn."""
    for workload in asked.workload or WORKLOADS:
        for contender in started:
            round = contender.measure(workload)
            times.add(contender.name, workload, round)
            shown = "-" if round is None else f"{round[0]:.1f} {round[1]:.1f}"
            print(f"{workload:20} {contender.name:24} {shown} {note}", flush=True)


def versions(asked):
    lock = tomllib.loads((CRATE / "Cargo.lock").read_text())
    of = {package["name"]: package["version"] for package in lock["package"]}
    libraries = [f"{name} {of[crate]}" for name, crate in (("candle", "candle-core"), ("burn", "burn"), ("dfdx", "dfdx"))]
    scripts = []
    if asked.python:
        scripts = [subprocess.check_output([asked.python, HERE / "peers.py", "--versions"], text=True).strip()]
    return ", ".join([f"formwork {of['formwork']}", *scripts, *libraries, machine.rustc()])


def introduced(asked, text):
    date = time.strftime("%Y-%m-%d")
    return f"{machine.description()}; {asked.threads} threads; {versions(asked)}; {asked.rounds} rounds in turn, {date}.\n\n{text}"


def free(asked):
    """The tables of an idle machine."""
    started, times = contenders(asked), Times()
    for _ in range(asked.rounds):
        run(asked, started, times)
    for contender in started:
        contender.end()
    workloads = asked.workload or WORKLOADS
    names = [contender.name for contender in started]
    ways = [ONE_THREAD, *ISAS]
    peers = [name for name in names if name not in (OURS, *ways)]
    ratios = report.table(["workload", *peers], [[w, *(times.ratio(peer, OURS, w) for peer in peers)] for w in workloads])
    own = report.table(["workload", *ways], [[w, *(times.ratio(way, OURS, w) for way in ways)] for w in workloads])
    absolute = report.table(["workload", OURS, *peers], [[w, *(times.shown(name, w) for name in (OURS, *peers))] for w in workloads])
    ratios = "How many times as long as ours a step takes elsewhere, by medians:\n\n" + ratios
    own = "How many times as long as with all threads and the best instructions a step of ours takes otherwise:\n\n" + own
    absolute = "Microseconds for a step, best round / median:\n\n" + absolute
    return ratios, introduced(asked, "\n\n".join([ratios, own, absolute]))


def busy(asked, cpus):
    """How much everyone loses to another program on one core: each round without it, then with it."""
    started, alone, beside = contenders(asked), Times(), Times()
    for _ in range(asked.rounds):
        run(asked, started, alone)
        other = machine.busy(cpus[-1])
        try:
            run(asked, started, beside, "beside another program")
        finally:
            other.kill()
            other.wait()
    for contender in started:
        contender.end()
    names = [contender.name for contender in started]

    def loss(name, workload):
        if (name, workload) not in alone.rounds:
            return "-"
        return f"{beside.median(name, workload) / alone.median(name, workload):.2f}"

    rows = [[w, *(loss(name, w) for name in names)] for w in asked.workload or WORKLOADS]
    text = "How many times as long a step takes when another program is always busy on one of the cores:\n\n"
    return introduced(asked, text + report.table(["workload", *names], rows))


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=os.environ.get("PYTHON"))
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--peer", action="append", help="eager, compile, jax, candle, candle+mimalloc, ..; may be repeated")
    parser.add_argument("--workload", action="append", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def main():
    asked = options()
    if asked.build:
        build()
    cpus = machine.pin(asked.threads)
    machine.is_ours(asked.threads)
    if asked.busy:
        text = busy(asked, cpus)
        print(f"\n{text}")
        if asked.write:
            report.put(report.RESULTS, "busy", text)
        return
    ratios, text = free(asked)
    print(f"\n{text}")
    if asked.write:
        report.put(report.RESULTS, "speed", text)
        where = f"{machine.description()}, {asked.threads} threads."
        report.put(HERE.parent / "README.md", "speed", f"{ratios}\n\n{where}")


if __name__ == "__main__":
    main()

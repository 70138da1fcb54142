"""How long it takes to compile a network.

    compile_time.py [--depths 10 50 100 200] [--skip-clean] [--write]

Builds the example `digits` from nothing, in a folder of its own, and again after a change of its network; then programs with
networks of growing depth, which are made here, each after the library is compiled. User time is that of the processors.
"""

import argparse
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

import machine
import report

ROOT = pathlib.Path(__file__).resolve().parent.parent

MAIN = """use formwork::prelude::*;

#[network([8] => [8])]
type Deep = ({layers});

fn main() -> Result<(), Error> {{
    let data = Dataset::<Rank1<8>, Values<Rank1<8>>>::new(vec![0.5; 8], vec![1.0; 8])?;
    let mut model = Model::<Deep>::new(0);
    println!("{{}}", model.train(&data.all(), &Mse, &mut Sgd::new(0.1))?);
    Ok(())
}}
"""

MANIFEST = """[package]
name = "deep"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
formwork = {{ path = {root} }}
"""


def timed(command, folder, target):
    """Seconds on the clock, and seconds of the processors."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, env={**os.environ, "CARGO_TARGET_DIR": str(target)}, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime - before.ru_utime


def shown(what, times):
    row = [what, *(f"{seconds:.1f}" for seconds in times)]
    print("\t".join(row), flush=True)
    return row


def digits(folder):
    """A clean build of the example, and one after a change of its network, in a copy of the repository."""
    copy = folder / "formwork"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("target", ".git"))
    command = ["cargo", "build", "--release", "--example", "digits"]
    subprocess.run(["cargo", "fetch"], cwd=copy, check=True, capture_output=True)
    yield shown("digits, from nothing", timed(command, copy, folder / "clean"))
    source = copy / "examples/digits.rs"
    text = source.read_text()
    changed = text.replace("Linear<512, 64>, Relu,", "Linear<512, 48>, Relu,").replace("Linear<64, 10>,", "Linear<48, 10>,")
    if changed == text:
        raise SystemExit("examples/digits.rs: expected Linear<512, 64> and Linear<64, 10> in its network")
    source.write_text(changed)
    yield shown("digits, after a change of the network", timed(command, copy, folder / "clean"))


def deep(folder, depths):
    """Networks of so many layers, half of them linear."""
    package, command = folder / "deep", ["cargo", "build", "--release"]
    (package / "src").mkdir(parents=True)
    root = '"' + str(ROOT) + '"'
    (package / "Cargo.toml").write_text(MANIFEST.format(root=root))
    source = package / "src/main.rs"
    for i, depth in enumerate([2, *depths]):
        source.write_text(MAIN.format(layers=" ".join(["Linear<8, 8>, Tanh,"] * (depth // 2))))
        times = timed(command, package, folder / "library")
        # The first one compiles the library.
        if i > 0:
            yield shown(f"a network of {depth} layers", times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depths", type=int, nargs="+", default=[10, 50, 100, 200])
    parser.add_argument("--skip-clean", action="store_true", help="leave out the build from nothing")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        rows = [] if asked.skip_clean else list(digits(folder))
        rows += deep(folder, asked.depths)
    text = f"{machine.description()}; {machine.rustc()}.\n\n" + report.table(["build", "seconds", "user seconds"], rows)
    print(f"\n{text}")
    if asked.write:
        report.put(report.RESULTS, "compile time", text)


if __name__ == "__main__":
    main()

"""PyTorch eager, torch.compile and JAX on the networks of `benches/workloads`, on the CPU; PyTorch also on a GPU.

    peers.py --peer eager|compile|jax [--workload NAME]... [--threads 2] [--seconds 0.5] [--serve] [--memory STEPS]
    peers.py --peer eager|graphs --device cuda [--times 16] [--tf32] ..
    peers.py --dump DIR

Options and output are those of the programs beside it. A step of training is the forward pass, the mean loss, the way back
and the optimizer's update on one fixed random batch. `--dump` writes parameters, batches, losses and gradients, for
`speed-formwork --check DIR` to compare with. Needs torch, and jax for its part.

On a GPU a step copies its batch there first, from pinned memory, and a round ends when the GPU has done all of it; `graphs` is
the whole step as one CUDA graph. `--tf32` is `set_float32_matmul_precision("high")`; convolutions are in TF32 without it, as PyTorch
has it.
"""

import argparse
import os
import statistics
import sys
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")

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
SHAPES = {"mlp": (784,), "cnn": (1, 28, 28), "lstm": (28, 28), "encoder": (64, 128), "unet": (1, 64, 64)}
LEARNING_RATE = 1e-3

# How long a round of steps takes at least, how many rounds there are at least, and steps before the first.
ROUND, ROUNDS, WARM_UP = 0.02, 5, 3


def measure(step, seconds, wait):
    """The fastest, the median and the slowest round, in microseconds for a step."""

    def timed(steps):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        wait()
        return (time.perf_counter() - start) / steps

    timed(WARM_UP)
    steps = max(1, int(ROUND / timed(1)))
    rounds, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(rounds) < ROUNDS:
        rounds.append(timed(steps) * 1e6)
    return min(rounds), statistics.median(rounds), max(rounds)


def parsed(name):
    """`cnn_train_b64` is a network `cnn`, which trains, on 64 samples."""
    rest, samples = name.rsplit("_b", 1)
    network, verb = rest.split("_")
    return network, verb == "train", int(samples)


class Torch:
    """PyTorch, as it is, compiled, or as CUDA graphs."""

    def __init__(self, threads, compiled=False, device="cpu", graphs=False, tf32=False, times=1):
        import torch

        self.compiled, self.device, self.graphs, self.times = compiled, device, graphs, times
        torch.manual_seed(0)
        torch.set_num_threads(threads)
        if tf32:
            torch.set_float32_matmul_precision("high")
        if compiled:
            # Networks of one program share the limit.
            torch._dynamo.config.recompile_limit = 64

    def network(self, name):
        """Modules are numbered and named as in `benches/workloads`."""
        import torch
        from torch import nn

        class LastOfLstm(nn.Module):
            def __init__(self):
                super().__init__()
                self.lstm = nn.LSTM(28, 128, batch_first=True)
                self.head = nn.Linear(128, 10)

            def forward(self, x):
                return self.head(self.lstm(x)[0][:, -1])

        class SkipConcat(nn.Sequential):
            def forward(self, x):
                return torch.cat([x, super().forward(x)], 1)

        def twice(inputs, outputs):
            def layer(inputs):
                return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()

            return nn.Sequential(*layer(inputs), *layer(outputs))

        def level(c, below):
            inner = SkipConcat(nn.MaxPool2d(2), twice(c, 2 * c), below, nn.ConvTranspose2d(2 * c, c, 2, 2))
            return nn.Sequential(inner, twice(2 * c, c))

        if name == "mlp":
            return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        if name == "cnn":
            first = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)
            second = nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2)
            return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(400, 64), nn.ReLU(), nn.Linear(64, 10))
        if name == "lstm":
            return LastOfLstm()
        if name == "encoder":
            return nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        levels = level(16, level(32, level(64, nn.Identity())))
        return nn.Sequential(twice(1, 16), levels, nn.Conv2d(16, 2, 1))

    def batch(self, network, samples):
        """Inputs, targets and the loss between outputs and targets."""
        import torch
        from torch.nn import functional as F

        inputs = torch.randn(samples, *SHAPES[network])
        if network == "encoder":
            return inputs, torch.randn_like(inputs), F.mse_loss
        if network == "unet":
            return inputs, torch.randint(0, 2, (samples, 64, 64)), F.cross_entropy
        return inputs, torch.randint(0, 10, (samples,)), F.cross_entropy

    def wait(self):
        """Until all is done that was asked for."""
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()

    def step(self, name):
        if self.device == "cuda":
            return self.step_on_gpu(name)
        import torch

        network, trains, samples = parsed(name)
        model = self.network(network)
        inputs, targets, loss = self.batch(network, samples * self.times)
        if not trains:
            model.eval()
            call = torch.compile(model) if self.compiled else model

            def infer():
                with torch.no_grad():
                    call(inputs)

            return infer
        optimizer = self.optimizer(network, model)

        def forward():
            return loss(model(inputs), targets)

        update = optimizer.step
        if self.compiled:
            forward, update = torch.compile(forward), torch.compile(lambda: optimizer.step())

        def train():
            optimizer.zero_grad(set_to_none=True)
            forward().backward()
            update()

        return train

    def optimizer(self, network, model):
        import torch

        if network in ("encoder", "unet"):
            return torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, capturable=self.graphs)
        return torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step_on_gpu(self, name):
        import torch

        network, trains, samples = parsed(name)
        model = self.network(network).to(self.device)
        inputs, targets, loss = self.batch(network, samples * self.times)
        pinned = [inputs.pin_memory(), targets.pin_memory()] if trains else [inputs.pin_memory()]
        there = [tensor.to(self.device) for tensor in pinned]
        optimizer = self.optimizer(network, model)

        def copy():
            for to, tensor in zip(there, pinned):
                to.copy_(tensor, non_blocking=True)

        if trains:

            def compute():
                optimizer.zero_grad(set_to_none=True)
                loss(model(there[0]), there[1]).backward()
                optimizer.step()

        else:
            model.eval()
            outputs = torch.empty_like(model(there[0]), device="cpu").pin_memory()

            def compute():
                with torch.no_grad():
                    outputs.copy_(model(there[0]), non_blocking=True)

        if not self.graphs:
            return lambda: (copy(), compute())
        # On a stream of its own first, as PyTorch asks for: what is made at the first step is not recorded.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            compute()
        return lambda: (copy(), graph.replay())

    def keep_off_kinks(self, model, inputs):
        """Moves the biases of batch norms so that no number is almost zero where a ReLU follows. Of a million such numbers some
        are so small that their sign is chance in single precision, and each moves gradients by a hundredth."""
        import torch

        def move(norm, _, y):
            channels = y.detach().transpose(0, 1).flatten(1).sort(1).values  # [C, B H W]
            middle = channels[:, channels.shape[1] // 3 : -channels.shape[1] // 3]
            gaps = middle.diff(dim=1)
            widest = gaps.argmax(1, keepdim=True)
            shift = -(middle.gather(1, widest) + gaps.gather(1, widest) / 2).squeeze(1)
            norm.bias.data += shift
            return y + shift[:, None, None]

        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        state = [(buffer, buffer.clone()) for buffer in model.buffers()]
        hooks = [norm.register_forward_hook(move) for norm in norms]
        if norms:
            model(inputs)
        for hook in hooks:
            hook.remove()
        for buffer, before in state:
            buffer.copy_(before)

    def dump(self, name, folder):
        """Files of parameters, of a batch, and of what is made of it: in double precision, so that the distance to it is the
        other one's error alone. Also prints how far PyTorch itself is from that in single precision."""
        import copy

        import torch
        from safetensors.torch import save_file

        network, trains, samples = parsed(name)
        model = self.network(network)
        inputs, targets, loss = self.batch(network, samples)
        self.keep_off_kinks(model, inputs)

        def file(what):
            return os.path.join(folder, f"{name}.{what}.safetensors")

        # Tensors that share memory cannot be saved, and steps write to buffers.
        save_file({key: tensor.clone() for key, tensor in model.state_dict().items()}, file("parameters"))
        save_file({"inputs": inputs, "targets": targets.float()}, file("batch"))

        def computed(dtype):
            made = copy.deepcopy(model).to(dtype)
            if not trains:
                return {"output": made(inputs.to(dtype)).detach()}
            value = loss(made(inputs.to(dtype)), targets.to(dtype) if targets.is_floating_point() else targets)
            value.backward()
            gradients = {key: parameter.grad for key, parameter in made.named_parameters()}
            return {"loss": value.detach().reshape(1), **gradients}

        exact, single = computed(torch.float64), computed(torch.float32)
        save_file({key: tensor.float() for key, tensor in exact.items()}, file("expected"))
        distances = {key: ((single[key] - exact[key]).abs().max() / exact[key].abs().max()).item() for key in exact}
        farthest = max(distances, key=distances.get)
        print(f"{name}\t{len(exact)} tensors\tPyTorch itself: {distances[farthest]:.1e} {farthest}", flush=True)


class Jax:
    """JAX, compiled. It has no layers of its own, so they are written here as its users write them."""

    def __init__(self, threads):
        if threads != len(os.sched_getaffinity(0)):
            # It has no such setting; it takes the processors that the process may use.
            print(f"jax uses {len(os.sched_getaffinity(0))} threads", file=sys.stderr)

    def wait(self):
        """Steps wait by themselves."""

    def network(self, name):
        """A function of parameters and inputs, and the shapes of the parameters."""
        import jax
        import jax.numpy as jnp
        from jax import lax

        def conv(x, w, stride=1, padding="VALID"):
            return lax.conv_general_dilated(x, w, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))

        def pool(x):
            return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

        def normalized(x, axes, scale, bias):
            mean, variance = jnp.mean(x, axes, keepdims=True), jnp.var(x, axes, keepdims=True)
            return (x - mean) * lax.rsqrt(variance + 1e-5) * scale + bias

        def mlp(p, x):
            return jax.nn.relu(x @ p[0] + p[1]) @ p[2] + p[3]

        def cnn(p, x):
            x = pool(jax.nn.relu(conv(x, p[0]) + p[1]))
            x = pool(jax.nn.relu(conv(x, p[2]) + p[3])).reshape(x.shape[0], -1)
            return jax.nn.relu(x @ p[4] + p[5]) @ p[6] + p[7]

        def lstm(p, x):
            def cell(state, gates):
                h, c = state
                i, f, g, o = jnp.split(gates + h @ p[1] + p[3], 4, 1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

            zeros = jnp.zeros((x.shape[0], 128))
            (h, _), _ = lax.scan(cell, (zeros, zeros), jnp.swapaxes(x @ p[0] + p[2], 0, 1))
            return h @ p[4] + p[5]

        def encoder(p, x):
            samples, places, features = x.shape
            heads = (normalized(x, -1, p[0], p[1]) @ p[2] + p[3]).reshape(samples, places, 3, 4, 32)
            q, k, v = (heads[:, :, i].transpose(0, 2, 1, 3) for i in range(3))
            seen = jax.nn.softmax(q @ k.transpose(0, 1, 3, 2) / 32**0.5, -1) @ v
            x = x + seen.transpose(0, 2, 1, 3).reshape(samples, places, features) @ p[4] + p[5]
            hidden = jax.nn.gelu(normalized(x, -1, p[6], p[7]) @ p[8] + p[9], approximate=False)
            return x + hidden @ p[10] + p[11]

        def twice(p, x):
            for weight, scale, bias in (p[:3], p[3:]):
                x = jax.nn.relu(normalized(conv(x, weight, padding="SAME"), (0, 1, 2), scale, bias))
            return x

        def unet(p, x):
            # In a step of training the running statistics are written and not read: they are left out here.
            first, levels, scores = p[:6], [p[6 + 14 * i : 20 + 14 * i] for i in range(3)], p[48:]
            x, skips = twice(first, x), []
            for level in levels:
                skips.append(x)
                x = twice(level[:6], pool(x))
            for level, skip in zip(reversed(levels), reversed(skips)):
                up = lax.conv_transpose(x, level[6], (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + level[7]
                x = twice(level[8:], jnp.concatenate([skip, up], -1))
            return conv(x, scores[0]) + scores[1]

        def of_twice(i, o):
            return [(3, 3, i, o), (o,), (o,), (3, 3, o, o), (o,), (o,)]

        def of_level(c):
            return of_twice(c, 2 * c) + [(2, 2, 2 * c, c), (c,)] + of_twice(2 * c, c)

        return {
            "mlp": (mlp, [(784, 128), (128,), (128, 10), (10,)]),
            "cnn": (cnn, [(3, 3, 1, 8), (8,), (3, 3, 8, 16), (16,), (400, 64), (64,), (64, 10), (10,)]),
            "lstm": (lstm, [(28, 512), (128, 512), (512,), (512,), (128, 10), (10,)]),
            "encoder": (
                encoder,
                [(128,), (128,), (128, 384), (384,), (128, 128), (128,)] + [(128,), (128,), (128, 512), (512,), (512, 128), (128,)],
            ),
            "unet": (unet, of_twice(1, 16) + of_level(16) + of_level(32) + of_level(64) + [(1, 1, 16, 2), (2,)]),
        }[name]

    def step(self, name):
        import jax
        import jax.numpy as jnp
        import numpy as np

        network, trains, samples = parsed(name)
        random = np.random.default_rng(0)

        def normal(*shape):
            return jnp.asarray(random.standard_normal(shape, dtype=np.float32))

        forward, shapes = self.network(network)
        parameters = [0.05 * normal(*shape) for shape in shapes]
        # Channels come last: what suits it best.
        shape = SHAPES[network]
        inputs = normal(samples, *(shape[1:] + shape[:1] if len(shape) == 3 else shape))
        if not trains:
            call = jax.jit(forward)
            return lambda: jax.block_until_ready(call(parameters, inputs))

        if network == "encoder":
            targets = normal(*inputs.shape)

            def loss(p):
                return jnp.mean((forward(p, inputs) - targets) ** 2)

        else:
            classes = 2 if network == "unet" else 10
            places = (samples, 64, 64) if network == "unet" else (samples,)
            targets = jnp.asarray(random.integers(0, classes, places))

            def loss(p):
                return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(forward(p, inputs)), targets[..., None], -1))

        def adam(state):
            p, m, v, t = state
            gradients, t = jax.grad(loss)(p), t + 1
            m = [0.9 * m + 0.1 * g for m, g in zip(m, gradients)]
            v = [0.999 * v + 0.001 * g * g for v, g in zip(v, gradients)]
            rate, root = LEARNING_RATE / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
            return [p - rate * m / (jnp.sqrt(v) / root + 1e-8) for p, m, v in zip(p, m, v)], m, v, t

        def sgd(state):
            (p,) = state
            return ([p - LEARNING_RATE * g for p, g in zip(p, jax.grad(loss)(p))],)

        if network in ("encoder", "unet"):
            zeros = [jnp.zeros_like(p) for p in parameters]
            update, state = adam, (parameters, zeros, [jnp.zeros_like(p) for p in parameters], jnp.float32(0))
        else:
            update, state = sgd, (parameters,)
        update, at = jax.jit(update, donate_argnums=0), [state]

        def train():
            at[0] = jax.block_until_ready(update(at[0]))

        return train


def peak_memory():
    """The most memory that the process has had, in KiB; Linux keeps count."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", choices=["eager", "compile", "jax", "graphs"], default="eager")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--times", type=int, default=1, help="batches of so many times as many samples")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--workload", action="append")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--memory", type=int)
    parser.add_argument("--dump")
    parser.add_argument("--versions", action="store_true")
    return parser.parse_args()


def main():
    asked = options()
    if asked.versions:
        import jax
        import torch

        print(f"PyTorch {torch.__version__.split('+')[0]}, JAX {jax.__version__}")
        return
    if asked.peer == "graphs" and asked.device != "cuda":
        sys.exit("graphs are for --device cuda")
    if asked.peer == "jax":
        peer = Jax(asked.threads)
    else:
        peer = Torch(asked.threads, asked.peer == "compile", asked.device, asked.peer == "graphs", asked.tf32, asked.times)
    workloads = asked.workload or WORKLOADS
    if asked.dump:
        os.makedirs(asked.dump, exist_ok=True)
        for name in workloads:
            peer.dump(name, asked.dump)
        return
    if asked.memory:
        for name in workloads:
            before, step = peak_memory(), peer.step(name)
            for _ in range(asked.memory):
                step()
            print(f"{name}\t{asked.peer}\t{before}\t{peak_memory()}", flush=True)
        return
    steps = {}
    for name in (line.strip() for line in sys.stdin) if asked.serve else workloads:
        if name not in steps:
            steps[name] = peer.step(name)
        times = "\t".join(f"{time:.2f}" for time in measure(steps[name], asked.seconds, peer.wait))
        print(f"{name}\t{asked.peer}\t{asked.threads}\t{times}", flush=True)


if __name__ == "__main__":
    main()

"""Twins in PyTorch of the networks that `pytorch.rs` tests, written as one writes them there.

For each NAME.inputs.safetensors in a folder: weights drawn here go to NAME.theirs.safetensors, those of NAME.ours.safetensors are
loaded with strict=True, and NAME.outputs.safetensors is what both make of the inputs.
"""

import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file, save_model
from torch import nn

# The fast path of attention leaves padded places out, and the slow path does not.
torch.backends.mha.set_fastpath_enabled(False)


def causal(places):
    return nn.Transformer.generate_square_subsequent_mask(places)


# The examples


class Reverser(nn.Module):
    def __init__(self):
        super().__init__()
        self.letters = nn.Embedding(27, 32)
        self.positions = nn.Embedding(10, 32)
        self.encoder = nn.TransformerEncoderLayer(32, 2, 64, norm_first=True, batch_first=True)
        self.questions = nn.Embedding(10, 32)
        self.look = nn.MultiheadAttention(32, 1, batch_first=True)
        self.fc = nn.Linear(32, 27)

    def forward(self, x, memory):
        letters = self.letters(memory)
        keys = self.encoder(letters + self.positions.weight)
        return self.fc(self.look(self.questions(x), keys, letters)[0])


def mnist():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def digits():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


class Adding(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rnn = kind(2, 32, batch_first=True)
        self.fc = nn.Linear(32, 1)

    def forward(self, x):
        return self.fc(self.rnn(x)[0][:, -1])


class Letters(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(96, 16)
        self.lstm = nn.LSTM(16, 96, batch_first=True)
        self.fc = nn.Linear(96, 96)

    def forward(self, x, hidden=None, cell=None):
        if hidden is None:
            return self.fc(self.lstm(self.embedding(x))[0])
        # Here states are [layers, batch, features].
        y, (h, c) = self.lstm(self.embedding(x), (hidden.transpose(0, 1).contiguous(), cell.transpose(0, 1).contiguous()))
        return self.fc(y), h.transpose(0, 1), c.transpose(0, 1)


class Writer(nn.Module):
    def __init__(self):
        super().__init__()
        self.letters = nn.Embedding(96, 128)
        self.positions = nn.Embedding(64, 128)
        layer = nn.TransformerEncoderLayer(128, 4, 512, activation="gelu", norm_first=True, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 4, norm=nn.LayerNorm(128), enable_nested_tensor=False)
        self.fc = nn.Linear(128, 96)

    def forward(self, x):
        x = self.letters(x) + self.positions.weight
        return self.fc(self.encoder(x, mask=causal(x.shape[1]), is_causal=True))


class Twice(nn.Sequential):
    def __init__(self, channels, out):
        super().__init__(
            nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
        )  # fmt: skip


class UNet(nn.Module):
    def __init__(self, upscale):
        super().__init__()
        self.first = Twice(1, 8)
        self.down1 = Twice(8, 16)
        self.down2 = Twice(16, 32)
        self.up2 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.conv2 = Twice(32, 16)
        self.up1 = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.conv1 = Twice(16, 8)
        self.last = nn.Conv2d(8, 4 if upscale else 1, 1)
        self.shuffle = nn.PixelShuffle(2) if upscale else nn.Identity()

    def forward(self, x):
        fine = self.first(x)
        half = self.down1(F.max_pool2d(fine, 2))
        quarter = self.down2(F.max_pool2d(half, 2))
        half = self.conv2(torch.cat([half, self.up2(quarter)], 1))
        fine = self.conv1(torch.cat([fine, self.up1(half)], 1))
        return self.shuffle(self.last(fine))


def deep(*layer):
    return nn.Sequential(nn.Sequential(*(nn.Sequential(*(make() for make in layer)) for _ in range(50))), nn.Linear(64, 10))


class Skip(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x):
        return x + self.body(x)


def linear64():
    return nn.Linear(64, 64)


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 48, 2, stride=2)
        self.positions = nn.Parameter(torch.randn(1, 16, 48))
        layer = nn.TransformerEncoderLayer(48, 4, 96, activation="gelu", norm_first=True, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(48), enable_nested_tensor=False)
        self.head = nn.Linear(48, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.encoder(x + self.positions).mean(1))


# Layers by themselves


class BothWays(nn.LSTM):
    def forward(self, x):
        return super().forward(x)[0]


class LastBothWays(nn.GRU):
    def forward(self, x, padding):
        lengths = (1 - padding).sum(1).long()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        h = super().forward(packed)[1]
        return torch.cat([h[-2], h[-1]], 1)


class OfItself(nn.MultiheadAttention):
    def forward(self, x, padding):
        return super().forward(x, x, x, key_padding_mask=padding.bool())[0]


class OfAnother(nn.MultiheadAttention):
    def forward(self, x, memory, memory_padding):
        return super().forward(x, memory[..., :12], memory[..., 12:], key_padding_mask=memory_padding.bool())[0]


class Encoder(nn.TransformerEncoderLayer):
    def forward(self, x, padding):
        return super().forward(x, src_key_padding_mask=padding.bool())


class Decoder(nn.TransformerDecoderLayer):
    def forward(self, x, memory, memory_padding):
        mask = causal(x.shape[1])
        return super().forward(x, memory, tgt_mask=mask, memory_key_padding_mask=memory_padding.bool(), tgt_is_causal=True)


class PositionalEncoding(nn.Module):
    """Of the tutorial, with a buffer that is not saved."""

    def __init__(self, features, places=100):
        super().__init__()
        position = torch.arange(places).unsqueeze(1)
        factor = torch.exp(torch.arange(0, features, 2) * (-math.log(10000.0) / features))
        pe = torch.zeros(places, features)
        pe[:, 0::2] = torch.sin(position * factor)
        pe[:, 1::2] = torch.cos(position * factor)
        self.register_buffer("pe", pe, persistent=False)

    def forward(self, x):
        return x + self.pe[: x.shape[1]]


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.source = nn.Embedding(13, 16)
        self.target = nn.Embedding(11, 16)
        self.positions = PositionalEncoding(16)
        self.transformer = nn.Transformer(16, 4, 2, 2, 32, batch_first=True)
        self.fc = nn.Linear(16, 11)

    def forward(self, x, memory, memory_padding):
        padding = memory_padding.bool()
        source = self.positions(4 * self.source(memory))
        target = self.positions(4 * self.target(x))
        mask = causal(x.shape[1])
        return self.fc(self.transformer(source, target, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=padding))


def images():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.GroupNorm(2, 8), nn.SiLU(),
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1), nn.BatchNorm2d(4, affine=False), nn.LeakyReLU(),
        nn.Conv2d(4, 2, 1),
    )  # fmt: skip


def signals():
    return nn.Sequential(
        nn.Conv1d(4, 6, 4, stride=2, padding=1), nn.BatchNorm1d(6), nn.Tanh(),
        nn.ConvTranspose1d(6, 3, 4, stride=2, padding=1), nn.LayerNorm(20),
    )  # fmt: skip


class AlexNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(48, 16), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(16, 16), nn.ReLU(inplace=True), nn.Linear(16, 5)
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class BasicBlock(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(BasicBlock(8, 8, 1))
        self.layer2 = nn.Sequential(BasicBlock(8, 16, 2))
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return self.fc(x.mean((2, 3)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 8)
        self.hidden = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 12, bias=False)
        self.fc.weight = self.embedding.weight

    def forward(self, x):
        return self.fc(torch.tanh(self.hidden(self.embedding(x))))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(8, 8), nn.Tanh())

    def forward(self, x):
        return self.block(self.block(self.block(x)))


class Conv1D(nn.Module):
    """A linear layer with rows as columns."""

    def __init__(self, out, features):
        super().__init__()
        self.weight = nn.Parameter(0.2 * torch.randn(features, out))
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x):
        return x @ self.weight + self.bias


class Gpt2Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = Conv1D(48, 16)
        self.c_proj = Conv1D(16, 16)

    def forward(self, x):
        q, k, v = (part.unflatten(2, (4, 4)).transpose(1, 2) for part in self.c_attn(x).split(16, 2))
        return self.c_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class Gpt2Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc = Conv1D(64, 16)
        self.c_proj = Conv1D(16, 64)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Gpt2Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(16)
        self.attn = Gpt2Attention()
        self.ln_2 = nn.LayerNorm(16)
        self.mlp = Gpt2Mlp()

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt2(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(12, 16)
        self.wpe = nn.Embedding(6, 16)
        self.h = nn.ModuleList([Gpt2Block(), Gpt2Block()])
        self.ln_f = nn.LayerNorm(16)

    def forward(self, x):
        x = self.wte(x) + self.wpe.weight
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class AttentionByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(16, 16)
        self.key = nn.Linear(16, 16)
        self.value = nn.Linear(16, 16)
        self.out_proj = nn.Linear(16, 16)

    def forward(self, x):
        q, k, v = (layer(x).unflatten(2, (4, 4)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3) / math.sqrt(4)
        return self.out_proj(((scores + causal(x.shape[1])).softmax(3) @ v).transpose(1, 2).flatten(2))


class ByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.attention = AttentionByHand()
        self.fc = nn.Linear(16, 16)

    def forward(self, x):
        return self.fc(x + self.attention(self.norm(x)))


def numbered():
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)
    )  # fmt: skip


TWINS = {
    "attention_reverser": Reverser,
    "cnn_mnist_reader": mnist,
    "digits_reader": digits,
    "logistic_log_odds": lambda: nn.Linear(30, 1),
    "lstm_adding_lstm": lambda: Adding(nn.LSTM),
    "lstm_adding_rnn": lambda: Adding(nn.RNN),
    "lstm_reader": Letters,
    "lstm_writer": Letters,
    "transformer_writer": Writer,
    "unet_unet": lambda: UNet(upscale=False),
    "unet_upscaler": lambda: UNet(upscale=True),
    "vanishing_sigmoids": lambda: deep(linear64, nn.Sigmoid),
    "vanishing_relus": lambda: deep(linear64, nn.ReLU),
    "vanishing_normalized": lambda: deep(linear64, lambda: nn.BatchNorm1d(64), nn.ReLU),
    "vanishing_skips": lambda: nn.Sequential(nn.Sequential(*(Skip() for _ in range(50))), nn.Linear(64, 10)),
    "vit_reader": VisionTransformer,
    "both_ways_lstm": lambda: BothWays(5, 8, num_layers=2, bidirectional=True, batch_first=True),
    "both_ways_gru": lambda: LastBothWays(5, 8, num_layers=3, bidirectional=True, batch_first=True),
    "attention_of_itself": lambda: OfItself(16, 4, batch_first=True),
    "attention_of_another": lambda: OfAnother(16, 4, kdim=12, vdim=10, batch_first=True),
    "post_norm_encoder": lambda: Encoder(16, 4, 32, batch_first=True),
    "pre_norm_encoder": lambda: Encoder(16, 4, 32, activation="gelu", norm_first=True, batch_first=True),
    "post_norm_decoder": lambda: Decoder(16, 4, 32, batch_first=True),
    "pre_norm_decoder": lambda: Decoder(16, 4, 32, activation="gelu", norm_first=True, batch_first=True),
    "translator": Translator,
    "images": images,
    "signals": signals,
    "alexnet": AlexNet,
    "resnet": lambda: nn.DataParallel(ResNet()),
    "tied": Tied,
    "tied_listed_twice": Tied,
    "shared": Shared,
    "gpt2": Gpt2,
    "by_hand": ByHand,
    "numbered": numbered,
    "float16": numbered,
    "bfloat16": numbered,
}


def called(twin, x, **beside):
    """`nn.Sequential` calls its input otherwise."""
    return twin(x, **beside)


def trained_a_little(twin, inputs):
    """Parameters that are not those of the start, and running statistics of a few batches."""
    twin.train()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
        for _ in range(5):
            called(twin, **{name: x + 0.3 * torch.randn_like(x) if name == "x" and x.is_floating_point() else x for name, x in inputs.items()})


def outputs(twin, inputs):
    twin.eval()
    with torch.no_grad():
        y = called(twin, **inputs)
    return torch.cat([part.flatten(1) for part in (y if isinstance(y, tuple) else (y,))], 1).contiguous()


def rounded(twin, dtype):
    """What is left of the numbers of a twin in half precision."""
    state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in twin.state_dict().items()}
    twin.load_state_dict(state)
    return state


def save(twin, name, file):
    if name in ("float16", "bfloat16"):
        save_file(rounded(twin, getattr(torch, name)), file)
    elif name == "numbered":
        number = lambda key: 3 * int(key.split(".")[0]) + 1
        save_file({f"net.{number(key)}.{key.split('.')[1]}": value for key, value in twin.state_dict().items()}, file)
    elif name == "tied":
        save_model(twin, file)  # lists what is tied under one name
    elif name == "tied_listed_twice":
        save_file({key: value.clone() for key, value in twin.state_dict().items()}, file)
    else:
        save_file(twin.state_dict(), file)


def main(folder):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for file in sorted(folder.glob("*.inputs.safetensors")):
        name = file.name.removesuffix(".inputs.safetensors")
        beside = lambda what: file.with_name(f"{name}.{what}.safetensors")
        inputs = load_file(file)
        theirs, ours = TWINS[name](), TWINS[name]()
        trained_a_little(theirs, inputs)
        save(theirs, name, beside("theirs"))
        ours.load_state_dict(load_file(beside("ours")), strict=True)
        save_file({"theirs": outputs(theirs, inputs), "ours": outputs(ours, inputs)}, beside("outputs"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

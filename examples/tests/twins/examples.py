"""Twins of the networks of the examples."""

import torch
import torch.nn.functional as F
from torch import nn

from .causal import causal


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


def embedded():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.25), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


def folders():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


class Gated(nn.Module):
    def __init__(self, features, out):
        super().__init__()
        self.value = nn.Linear(features, out)
        self.gate = nn.Linear(features, out)

    def forward(self, x):
        return self.value(x) * self.gate(x).sigmoid()


def eye(last):
    return nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), last


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
    """Drawn by He's rule: with PyTorch's own nothing would be left of the input behind 50 layers."""
    layer = nn.Linear(64, 64)
    nn.init.kaiming_normal_(layer.weight)
    return layer


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


TWINS = {
    "attention_reverser": Reverser,
    "cnn_mnist_reader": mnist,
    "csv_grower": lambda: nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3)),
    "dfdx_eye": lambda: nn.Sequential(*eye(nn.Linear(128, 32))),
    "dfdx_reader": lambda: nn.Sequential(*eye(Gated(128, 32)), nn.Linear(32, 10)),
    "digits_reader": digits,
    "embedded_reader": embedded,
    "folders_reader": folders,
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
}

"""Twins of the networks of `layers/mod.rs`."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .causal import causal


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

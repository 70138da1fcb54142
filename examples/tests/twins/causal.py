"""Masks."""

from torch import nn


def causal(places):
    """Each place sees itself and those before it."""
    return nn.Transformer.generate_square_subsequent_mask(places)

"""Modules as one writes them in PyTorch."""

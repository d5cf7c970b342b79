"""The residual network in PyTorch, for the comparison in `frameworks`; see `trainer.network.residual`."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from preprocess.contract.schema import PIXEL_MAX

STEM, STAGES, CATEGORIES = 16, (32, 64, 96), 4


class Stage(nn.Module):
    """A convolution of stride 2 and a residual block."""

    def __init__(self, inputs: int, channels: int):
        super().__init__()
        self.down = nn.Conv2d(inputs, channels, 3, 2, padding=1)
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(functional.relu(x))
        return x + self.second(functional.relu(self.first(functional.relu(x))))


class Network(nn.Module):
    """(N, 1, H, W) float32 raw pixels -> (N, categories) logits.

    Args:
        mean, variance: of the pixels of the training set.
        dropout: the share of features that are dropped.
    """

    def __init__(self, mean: float, variance: float, dropout: float):
        super().__init__()
        self.mean, self.deviation = mean, max(variance, 1.0) ** 0.5
        self.stem = nn.Conv2d(3, STEM, 5, 2, padding=2)
        self.stages = nn.Sequential(*(Stage(*pair) for pair in zip((STEM, *STAGES), STAGES, strict=False)))
        self.dropout, self.last = nn.Dropout(dropout), nn.Linear(2 * STAGES[-1], CATEGORIES)

    def forward(self, pixels: Tensor) -> Tensor:
        x = functional.relu(self.stages(self.stem(self.channels(pixels)))).float()
        return self.last(self.dropout(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)))

    def channels(self, pixels: Tensor) -> Tensor:
        """Returns the three input channels, (N, 3, H, W)."""
        scaled, film = pixels / PIXEL_MAX, (pixels > 0).float()
        area = film.sum((1, 2, 3), keepdim=True).clamp(min=1)
        mean = scaled.sum((1, 2, 3), keepdim=True) / area
        variance = (film * (scaled - mean) ** 2).sum((1, 2, 3), keepdim=True) / area
        by_film = film * (scaled - mean) / (variance + 1e-6).sqrt()
        by_set = (pixels - self.mean) / self.deviation
        return torch.cat([by_set, by_film, film], 1).contiguous(memory_format=torch.channels_last)

"""Clothes as a telephone would take them: askew, off the middle, in any colour on any wall."""

import torch
import torch.nn.functional as F
from torch import Tensor


def snapshots(images: Tensor, *, seed: int, size: int = 96) -> Tensor:
    """Return a snapshot of each image: turned, moved, perhaps mirrored, in colours drawn by chance.

    Made for notebook 16: somebody has put all of Fashion-MNIST upright and in the middle, and no
    telephone does. The same seed gives the same snapshots on every device.

    Args:
        images: (N, 1, H, W) in [0, 1], or uint8.
        seed: of the generator that chooses angle, place, size and the two colours.
        size: height and width of the snapshots.

    Returns:
        (N, 3, size, size) float32 in [0, 1], where the images lie.
    """
    grey = images.cpu() / 255 if images.dtype == torch.uint8 else images.cpu()
    generator = torch.Generator("cpu").manual_seed(seed)
    chances = torch.rand(11, len(grey), generator=generator, device="cpu")
    grid = F.affine_grid(_placements(chances[:5]), [len(grey), 1, size, size], align_corners=False)
    cover = F.grid_sample(grey, grid, align_corners=False)  # 1 where the garment is, 0 at the wall
    cloth, wall = _colours(chances[5:])
    return (cover * cloth + (1 - cover) * wall).to(images.device)


def _placements(chances: Tensor) -> Tensor:
    """Return the affine maps (N, 2, 3) from a snapshot's places to an image's."""
    angle, scale = 1.2 * chances[0] - 0.6, 0.5 + 0.3 * chances[1]  # radians; of the snapshot
    right, down = (1 - scale) * (2 * chances[2] - 1), (1 - scale) * (2 * chances[3] - 1)
    mirror = 1 - 2 * (chances[4] < 0.5).float()
    cos, sin = angle.cos() / scale, angle.sin() / scale
    across = torch.stack([cos, sin, -cos * right - sin * down]) * mirror
    along = torch.stack([-sin, cos, sin * right - cos * down])
    return torch.stack([across, along]).permute(2, 0, 1)


def _colours(chances: Tensor) -> tuple[Tensor, Tensor]:
    """Return the colours of garment and wall, each (N, 3, 1, 1): one of them light, one dark."""
    cloth, wall = chances.T.reshape(-1, 2, 3, 1, 1).unbind(1)
    light = (cloth.mean(1, keepdim=True) > 0.5).float()
    return (cloth + light) / 2, (wall + 1 - light) / 2

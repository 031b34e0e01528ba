"""Ten kinds of garment drawn procedurally: the offline stand-in for Fashion-MNIST.

Notebook 11_lenet trains on Fashion-MNIST; without a network, `helpers.data` falls back to these
drawings. They share its classes, shapes, sizes and file format, and resemble it in what is hard:
upper-body garments overlap most, then shoes, while trousers and bags stand alone.

Every picture is a handful of signed distances (positive inside, one unit is half the picture),
drawn for many images at once. Pixels are computed with + - * / abs, min, max, floor and sqrt
only, each correctly rounded: the bytes do not depend on the number of threads.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from helpers.files import PARTS, RAW, sha256, staging, to_idx, write_whole

DRAWING_VERSION = 1
SIDE = 28
CHUNK = 100  # images drawn at once: small enough to stay in the processor's cache
PER_CLASS = {True: 6_000, False: 1_000}
MANIFEST = "sketches.json"

Number = float | Tensor
Pair = tuple[Number, Number]


def ensure_sketches(root: Path) -> Path:
    """Make sure that the sketches lie intact below `root`, and return `root`.

    `torchvision.datasets.FashionMNIST(root)` reads them, and so does notebook 11_lenet when the
    real data cannot be had. A manifest beside the four files holds the drawing version and their
    SHA-256; if they do not agree with it, all are drawn anew. Give the sketches a root of their
    own: files of these names that the manifest does not vouch for are replaced.

    Args:
        root: a folder, made if missing; the files go to `root/FashionMNIST/raw`. Several processes
            may share it.

    Raises:
        OSError: (the subclass that fits) `root` is a file, or cannot be written to.
    """
    raw = root.joinpath(*RAW)
    if not _intact(raw):  # intact ones may be read-only
        with staging(raw) as unfinished:
            if not _intact(raw):  # nor did another process draw them while we waited
                _write(raw, unfinished)
    return root


def sketch_split(train: bool) -> tuple[Tensor, Tensor]:
    """Draw the training or the test set that notebook 11_lenet uses as stand-in.

    The same bytes at every call and on any number of threads; the global random state is neither
    read nor changed.

    Args:
        train: True for 60,000 images, False for 10,000; the same number of each class, shuffled.

    Returns:
        images (60000 or 10000, 28, 28) uint8, a bright garment on black, and labels (60000 or
        10000,) int64, numbered as in Fashion-MNIST.
    """
    generator = torch.Generator("cpu").manual_seed(int(train))
    order = torch.randperm(PER_CLASS[train] * len(GARMENTS), generator=generator, device="cpu")
    labels = order % len(GARMENTS)
    return _draw(labels, int(train)), labels


def _write(raw: Path, unfinished: Path) -> None:
    """Draw everything; then say in the manifest what was written."""
    for train, names in PARTS.items():
        for name, values in zip(names, sketch_split(train), strict=True):
            write_whole(raw / name, to_idx(values), unfinished)
    write_whole(raw / MANIFEST, json.dumps(_manifest(raw), indent=2).encode(), unfinished)


def _intact(raw: Path) -> bool:
    try:
        return json.loads((raw / MANIFEST).read_bytes()) == _manifest(raw)
    except (OSError, ValueError):  # something is missing, or no JSON
        return False


def _manifest(raw: Path) -> dict[str, object]:
    digests = {name: sha256(raw / name) for names in PARTS.values() for name in names}
    return {"version": DRAWING_VERSION, "sha256": digests}


class _Page:
    """`n` blank images: their pixel coordinates x (right) and y (down), (n, 28, 28), and dice.

    Each image has its own size, aspect, slant, turn, place and hand (left or right), so a garment
    is drawn upright in [-1, 1] x [-1, 1] and comes out as if somebody had laid it down.
    """

    def __init__(self, n: int, generator: torch.Generator) -> None:
        self.n, self.generator = n, generator
        ticks = (torch.arange(SIDE, dtype=torch.float32, device="cpu") + 0.5) * (2 / SIDE) - 1
        x = ticks.view(1, 1, SIDE) - self.uniform(-0.15, 0.15)
        y = ticks.view(1, SIDE, 1) - self.uniform(-0.12, 0.12)
        turn, slant = self.uniform(-0.3, 0.3), self.uniform(-0.15, 0.15)
        width = self.uniform(0.85, 1.15) * (1 - 2 * self.chance(0.5))
        height = self.uniform(0.85, 1.1)
        x, y = (x * turn.cos() + y * turn.sin()) / width, (y * turn.cos() - x * turn.sin()) / height
        wobble = 0.03 * _wave(self.uniform(0.3, 1.2) * y + self.uniform(0, 1))
        self.x, self.y = x + slant * y + wobble, y

    def dice(self, side: int) -> Tensor:
        """Numbers in [0, 1), (n, side, side): the same whatever the default dtype and device."""
        shape = (self.n, side, side)
        return torch.rand(shape, generator=self.generator, dtype=torch.float32, device="cpu")

    def uniform(self, low: float, high: float) -> Tensor:
        """One number per image, (n, 1, 1), between `low` and `high`."""
        return low + (high - low) * self.dice(1)

    def chance(self, probability: float) -> Tensor:
        """One or zero per image, (n, 1, 1): one with this probability."""
        return (self.dice(1) < probability).float()


# Primitives: signed distances, positive inside.


def _wave(t: Tensor) -> Tensor:
    """A rounded wave of period 1 between -1 and 1."""
    zigzag = 4 * (t - t.floor() - 0.5).abs() - 1
    return zigzag * (1.5 - 0.5 * zigzag * zigzag)


def _between(v: Tensor, low: Number, high: Number) -> Tensor:
    return torch.minimum(v - low, high - v)


def _box(x: Tensor, y: Tensor, columns: Pair, rows: Pair) -> Tensor:
    return torch.minimum(_between(x, *columns), _between(y, *rows))


def _ellipse(x: Tensor, y: Tensor, rx: Number, ry: Number) -> Tensor:
    return (1 - (x * x / (rx * rx) + y * y / (ry * ry)).sqrt()) * rx


def _trapezoid(x: Tensor, y: Tensor, rows: Pair, halves: Pair) -> Tensor:
    (top, bottom), (half_top, half_bottom) = rows, halves
    half = half_top + (half_bottom - half_top) / (bottom - top) * (y - top)
    return torch.minimum(half - x.abs(), _between(y, top, bottom))


def _capsule(x: Tensor, y: Tensor, start: Pair, end: Pair, radius: Number) -> Tensor:
    px, py = x - start[0], y - start[1]
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((px * dx + py * dy) / (dx * dx + dy * dy + 1e-6)).clamp(0, 1)
    px, py = px - along * dx, py - along * dy
    return radius - (px * px + py * py).sqrt()


# From distances to shades of grey.


def _ink(distance: Tensor) -> Tensor:
    """1 inside, 0 outside, and a soft edge about a pixel wide."""
    return (distance * (SIDE / 2) + 0.5).clamp_(0, 1)


def _mark(image: Tensor, distance: Tensor, strength: Number) -> Tensor:
    """Darken the image inside; a negative strength brightens."""
    return image * (1 - strength * _ink(distance))


def _dye(page: _Page, distance: Tensor) -> Tensor:
    """Fill the shape with cloth: plain, striped or checked, unevenly lit, folded, grainy."""
    angle = page.uniform(-1.6, 1.6)
    along = page.x * angle.cos() + page.y * angle.sin()
    across = page.y * angle.cos() - page.x * angle.sin()
    pitch, phase = page.uniform(1.5, 4.5), page.uniform(0, 1)
    stripes = page.chance(0.3) * page.uniform(0.1, 0.4) * _wave(pitch * along + phase)
    checks = page.chance(0.15) * page.uniform(0.1, 0.4) * _wave(pitch * across + phase)
    light = page.uniform(-0.15, 0.15) * along - page.uniform(0, 0.2) * page.dice(SIDE)
    fold = 0.05 - (across + 0.3 * along + page.uniform(-0.6, 0.6)).abs()
    image = page.uniform(0.55, 1.1) * _ink(distance) * (1 + stripes + checks + light)
    return _mark(image, fold, page.uniform(-0.1, 0.3))


def _print_on(page: _Page, image: Tensor) -> Tensor:
    """Some tops carry a print on the chest, brighter or darker than the cloth."""
    size = page.uniform(0.08, 0.28)
    blot = _ellipse(page.x, page.y + page.uniform(-0.1, 0.3), size, size * page.uniform(0.5, 1.2))
    return _mark(image, blot, page.chance(0.25) * page.uniform(-0.6, 0.7))


# Upper-body garments: one cut, and details that are faint or missing in some images.


def _top(page: _Page, sleeve: Tensor, hem: Tensor, neck: Tensor) -> Tensor:
    """The outline of a garment with two sleeves; lengths in half pictures, `hem` as a height."""
    x, y = page.x.abs(), page.y
    shoulder, hip = page.uniform(0.38, 0.48), page.uniform(0.34, 0.47)
    body = _trapezoid(x, y, (-0.85, hem), (shoulder, hip))
    swing = page.uniform(0.25, 0.5) + 0.4 * (1 - sleeve).clamp(0, 1)
    start = (shoulder - 0.08, -0.6)
    end = (start[0] + sleeve * swing.sin(), start[1] + sleeve * swing.cos())
    arms = _capsule(x, y, start, end, page.uniform(0.11, 0.16))
    slope = y + 0.87 - 0.4 * x
    collar = _ellipse(x, y + 0.87, page.uniform(0.13, 0.22), neck)
    return torch.minimum(torch.maximum(body, arms), torch.minimum(slope, -collar))


def _open_front(page: _Page, image: Tensor, hem: Tensor, strength: Tensor) -> Tensor:
    """A line from neck to hem."""
    line = _box(page.x - page.uniform(-0.05, 0.05), page.y, (-0.02, 0.02), (-0.75, hem))
    return _mark(image, line + 0.01, strength)


def _buttons(page: _Page, image: Tensor, hem: Tensor, strength: Tensor) -> Tensor:
    """A row of dots from neck to hem."""
    gap = page.uniform(0.2, 0.35)
    row = (page.y / gap - (page.y / gap).floor() - 0.5) * gap
    dots = _ellipse(page.x, row, 0.07, 0.07)
    return _mark(image, torch.minimum(dots, _between(page.y, -0.6, hem - 0.05)), strength)


def _lapels(page: _Page, image: Tensor, depth: Tensor, strength: Tensor) -> Tensor:
    """Two bands that run from the shoulders to a point on the chest."""
    band = _capsule(page.x.abs(), page.y, (0.2, -0.82), (0.02, -0.82 + depth), 0.06)
    return _mark(image, band, strength)


def _tshirt(page: _Page) -> Tensor:
    outline = _top(page, page.uniform(0.15, 0.6), page.uniform(0.5, 0.9), page.uniform(0.08, 0.3))
    image = _print_on(page, _dye(page, outline))
    return _lapels(page, image, page.uniform(0.12, 0.3), page.chance(0.2) * page.uniform(-0.3, 0.4))


def _pullover(page: _Page) -> Tensor:
    hem = page.uniform(0.5, 0.85)
    outline = _top(page, page.uniform(0.9, 1.3), hem, page.uniform(0.05, 0.2))
    image = _print_on(page, _dye(page, outline))
    rib = page.chance(0.8) * page.uniform(-0.3, 0.5)
    image = _mark(image, _between(page.y, hem - 0.13, hem), rib)
    ring = 0.05 - _ellipse(page.x, page.y + 0.87, 0.22, 0.25).abs()
    image = _mark(image, ring, rib)
    return _open_front(page, image, hem, page.chance(0.2) * page.uniform(0.1, 0.5))


def _coat(page: _Page) -> Tensor:
    hem = page.uniform(0.7, 0.98)
    image = _dye(page, _top(page, page.uniform(0.95, 1.3), hem, page.uniform(0.05, 0.25)))
    image = _open_front(page, image, hem, page.uniform(0.1, 0.9))
    image = _lapels(page, image, page.uniform(0.25, 0.6), page.chance(0.8) * page.uniform(0.1, 0.5))
    return _buttons(page, image, hem, page.chance(0.3) * page.uniform(0.1, 0.5))


def _shirt(page: _Page) -> Tensor:
    hem = page.uniform(0.5, 0.9)
    image = _dye(page, _top(page, page.uniform(0.3, 1.3), hem, page.uniform(0.05, 0.25)))
    image = _open_front(page, image, hem, page.chance(0.8) * page.uniform(0, 0.4))
    image = _buttons(page, image, hem, page.chance(0.85) * page.uniform(0.1, 0.6))
    return _lapels(page, image, page.uniform(0.12, 0.3), page.chance(0.8) * page.uniform(-0.3, 0.5))


# The rest of the wardrobe.


def _trouser(page: _Page) -> Tensor:
    x, y = page.x.abs(), page.y
    waist, ankle = page.uniform(0.24, 0.36), page.uniform(0.28, 0.45)
    outer = _trapezoid(x, y, (-0.92, page.uniform(0.75, 0.98)), (waist, ankle))
    crotch = page.uniform(-0.5, -0.2)
    gap = page.uniform(0.06, 0.16) * (y - crotch) - x + 0.02
    image = _dye(page, torch.minimum(outer, -torch.minimum(gap, y - crotch)))
    return _mark(image, _between(y, -0.92, -0.8), page.uniform(-0.2, 0.5))


def _dress(page: _Page) -> Tensor:
    x, y = page.x.abs(), page.y
    waist, hem = page.uniform(-0.25, 0.1), page.uniform(0.7, 0.98)
    bust, slim, flare = page.uniform(0.2, 0.3), page.uniform(0.15, 0.24), page.uniform(0.24, 0.55)
    bodice = _trapezoid(x, y, (-0.75, waist), (bust, slim))
    skirt = _trapezoid(x, y, (waist - 0.05, hem), (slim, flare))
    strap = _capsule(x, y, (0.16, -0.9), (0.18, -0.6), page.uniform(0.04, 0.1))
    reach = page.chance(0.35) * page.uniform(0.1, 0.8)
    arms = _capsule(x, y, (bust - 0.05, -0.65), (bust + 0.3 * reach, -0.65 + reach), 0.09)
    outline = torch.maximum(torch.maximum(bodice, skirt), torch.maximum(strap, arms))
    neck = _ellipse(x, y + 0.8, 0.12, page.uniform(0.1, 0.3))
    image = _dye(page, torch.minimum(outline, -neck))
    return _mark(image, 0.05 - (y - waist).abs(), page.chance(0.5) * page.uniform(-0.3, 0.6))


def _bag(page: _Page) -> Tensor:
    x, y = page.x, page.y
    top, bottom = page.uniform(-0.4, 0.0), page.uniform(0.5, 0.85)
    body = _trapezoid(x, y, (top, bottom), (page.uniform(0.5, 0.85), page.uniform(0.6, 0.9)))
    rise, thick = page.uniform(0.2, 0.55), page.uniform(0.04, 0.08)
    ring = thick - _ellipse(x, y - top, page.uniform(0.25, 0.5), rise).abs()
    handle = torch.minimum(ring, top + 0.05 - y)
    image = _dye(page, torch.maximum(body, handle))
    flap = 0.03 - (y - top - page.uniform(0.1, 0.5)).abs()
    image = _mark(image, flap, page.chance(0.6) * page.uniform(0.2, 0.7))
    clasp = _ellipse(x, y - top - 0.3, 0.1, 0.1)
    return _mark(image, clasp, page.chance(0.5) * page.uniform(-0.5, 0.8))


# Shoes, seen from the side, toe to the left before the page picks its hand.


def _shoe(page: _Page, instep: Tensor, ankle: Tensor) -> Tensor:
    """A closed shoe: its top edge climbs from the toe past the instep to the ankle's height."""
    x, y = page.x, page.y
    toe = _ellipse(x + 0.3, y - 0.45, 0.62, page.uniform(0.35, 0.55))
    vamp = torch.minimum(y - instep + 0.5 * x, _box(x, y, (-0.7, 0.85), (instep, 0.5)))
    halves = page.uniform(0.3, 0.42), page.uniform(0.36, 0.44)
    shaft = _trapezoid(x - 0.5, y, (ankle, 0.5), halves)
    upper = torch.maximum(torch.maximum(toe, shaft), vamp)
    tab = _ellipse(x - 0.4, y - ankle, 0.3, page.uniform(0.02, 0.15))
    return torch.minimum(torch.minimum(upper, -tab), 0.5 - y)


def _sneaker(page: _Page) -> Tensor:
    x, y = page.x, page.y
    instep, ankle = page.uniform(-0.15, 0.15), page.uniform(-0.5, 0.1)
    image = _dye(page, _shoe(page, instep, ankle))
    lace = _wave(6 * x) * 0.1
    where = _box(x, y, (-0.4, 0.1), (instep, instep + 0.25))
    image = _mark(image, torch.minimum(lace, where), page.chance(0.8) * page.uniform(-0.4, 0.7))
    sole = _box(x, y, (-0.95, 0.96), (0.42, page.uniform(0.54, 0.68)))
    return torch.maximum(image, page.uniform(0.4, 1) * _ink(sole))


def _boot(page: _Page) -> Tensor:
    x, y = page.x, page.y
    image = _dye(page, _shoe(page, page.uniform(-0.25, 0.1), page.uniform(-0.95, -0.4)))
    sole = _box(x, y, (-0.93, 0.94), (0.42, page.uniform(0.5, 0.64)))
    heel = _box(x, y, (page.uniform(0.3, 0.6), 0.94), (0.45, page.uniform(0.5, 0.9)))
    return torch.maximum(image, page.uniform(0.4, 1) * _ink(torch.maximum(sole, heel)))


def _sandal(page: _Page) -> Tensor:
    x, y = page.x, page.y
    lift, thick = page.uniform(0.0, 0.5), page.uniform(0.06, 0.12)
    bed = 0.45 - lift * (x + 0.3).clamp(0, 1)
    sole = torch.minimum(_between(x, -0.9, 0.85), thick - (y - bed).abs())
    heel = torch.minimum(_between(x, page.uniform(0.3, 0.65), 0.85), _between(y, bed, 0.6))
    shape = torch.maximum(sole, heel)
    for middle, half in ((-0.5, 0.3), (-0.2, 0.3), (0.55, 0.25)):
        arch = _ellipse(x - middle, y - bed, half, page.uniform(0.2, 0.9))
        strap = torch.minimum(page.uniform(0.03, 0.1) - arch.abs(), bed - y)
        shape = torch.maximum(shape, strap - (1 - page.chance(0.85)))
    closed = _shoe(page, page.uniform(-0.05, 0.15), page.uniform(-0.3, 0.2))
    shape = torch.maximum(shape, closed - 9 * (1 - page.chance(0.08)))
    return _dye(page, shape)


GARMENTS = (_tshirt, _trouser, _pullover, _dress, _coat, _sandal, _shirt, _sneaker, _bag, _boot)


def _draw(labels: Tensor, seed: int) -> Tensor:
    """One garment per label, (N, 28, 28) uint8, bright on black."""
    images = torch.empty(len(labels), SIDE, SIDE, dtype=torch.uint8, device="cpu")
    generator = torch.Generator("cpu").manual_seed(seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # many small steps: threads wait for each other longer than they help
    try:
        for label, garment in enumerate(GARMENTS):
            for chunk in (labels == label).nonzero().flatten().split(CHUNK):
                page = _Page(len(chunk), generator)
                images[chunk] = (garment(page).clamp_(0, 1) * 255).to(torch.uint8)
    finally:
        torch.set_num_threads(threads)
    return images

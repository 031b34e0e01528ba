"""Pictures with sliders, drawn in the reader's browser: no kernel, no network, no widgets."""

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from helpers.charts import COLORS

Point = Sequence[float]

SCALE = 100  # pixels for a step of 1 along either weight
LEFT, RIGHT, BOTTOM, TOP = -1.5, 4.5, -0.25, 2.25  # of the part that is drawn
MARGIN = 56  # pixels, for what stands beside the picture

# Where scripts are not allowed, as in a notebook that is not trusted, the picture stays as it is.
# Where they are, it gets its sliders, and each move draws the path anew, by the update rule.
SCRIPT = """
for (const place of document.querySelectorAll(".valley-sliders:not([data-ready])")) {
  place.dataset.ready = "yes";
  const {start, lowest, steep, steps, corner, scale, rate, momentum} =
    JSON.parse(place.dataset.valley);
  const image = place.querySelector("img"), picture = document.createElement("div");
  picture.innerHTML = decodeURIComponent(image.src.slice(image.src.indexOf(",") + 1));
  picture.firstChild.setAttribute("role", "img");
  picture.firstChild.setAttribute("aria-label", image.alt);
  image.replaceWith(picture);

  const walk = (rate, momentum) => {
    let w = start, v = [0, 0], points = [start];
    for (let step = 0; step < steps; step++) {
      const g = [w[0] - lowest[0], steep * (w[1] - lowest[1])];
      v = v.map((speed, k) => momentum * speed + g[k]);
      w = w.map((weight, k) => weight - rate * v[k]);
      points.push(w);
    }
    return points;
  };
  const pixel = ([x, y]) => [scale * (x - corner[0]), scale * (corner[1] - y)]
    .map(number => Math.max(-9999, Math.min(9999, number)).toFixed(1)).join(",");

  const knobs = document.createElement("div"), says = document.createElement("p");
  const knob = (name, max, step, value) => {
    const label = document.createElement("label"), input = document.createElement("input");
    const shown = document.createElement("output"), title = document.createElement("span");
    title.textContent = name;
    title.style.cssText = "display: inline-block; width: 6em";
    Object.assign(input, {type: "range", min: 0, max, step, value});
    input.style.cssText = "width: 20em; max-width: 55%; margin: 0 0.6em; vertical-align: middle";
    label.style.cssText = "display: block; margin: 0.3em 0";
    label.append(title, input, shown);
    knobs.append(label);
    input.addEventListener("input", () => draw());
    return () => {
      shown.textContent = Number(input.value).toFixed(String(step).length - 2);
      return Number(input.value);
    };
  };
  const rate_now = knob("rate", 0.08, 0.001, rate);
  const momentum_now = knob("momentum", 0.98, 0.01, momentum);
  const draw = () => {
    const points = walk(rate_now(), momentum_now()), pixels = points.map(pixel);
    const [x, y] = points[steps];
    const height = ((x - lowest[0]) ** 2 + steep * (y - lowest[1]) ** 2) / 2;
    picture.querySelector(".way").setAttribute("points", pixels.join(" "));
    picture.querySelector(".dots").setAttribute("d", pixels.map(p => `M${p}h0`).join(""));
    picture.querySelector(".end").setAttribute("d", `M${pixels[steps]}h0`);
    const short = number => number < 0.01 ? number.toExponential(0) : number.toFixed(2);
    const away = short(Math.hypot(x - lowest[0], y - lowest[1]));
    says.textContent = height > 1e4 ? `After ${steps} steps: it flies off.`
      : `After ${steps} steps: ${away} away from the lowest point, ${short(height)} above it.`;
  };
  place.append(knobs, says);
  draw();
}
"""


class Sliders:
    """A picture with sliders, for the end of a cell."""

    def __init__(self, html: str, words: str) -> None:
        self.html, self.words = html, words

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.words


def valley_sliders(
    rate: float,
    momentum: float,
    *,
    start: Point = (-1.0, 2.0),
    lowest: Point = (3.0, 1.0),
    steep: float = 50.0,
    num_steps: int = 40,
) -> Sliders:
    """Draw the way of gradient descent through a valley, with sliders for its two settings.

    Built in notebook 06: the height is half of (w[0] - lowest[0])² + steep · (w[1] - lowest[1])².
    Without JavaScript the picture of the first settings remains.

    Args:
        rate: the learning rate at first, up to 0.08.
        momentum: the momentum at first, up to 0.98.
        start: where the way begins.
        lowest: the lowest point.
        steep: how much steeper the valley is along w[1].
        num_steps: how many steps are taken.
    """
    valley: dict[str, Any] = {"start": list(start), "lowest": list(lowest), "steep": steep}
    valley |= {"steps": num_steps, "corner": [LEFT, TOP], "scale": SCALE}
    valley |= {"rate": rate, "momentum": momentum}
    way = list(_way(start, lowest, steep, num_steps, rate, momentum))
    words = (
        f"The way of gradient descent through a valley in {num_steps} steps, "
        f"with rate {rate} and momentum {momentum}."
    )
    image = quote(_drawn(way, lowest, steep), safe=" =:/'(),;")
    return Sliders(
        f'<div class="valley-sliders" data-valley="{escape(json.dumps(valley))}">'
        f'<img alt="{escape(words)}" src="data:image/svg+xml,{image}">'
        f"<script>{SCRIPT}</script></div>",
        words,
    )


def _way(
    start: Point, lowest: Point, steep: float, num_steps: int, rate: float, momentum: float
) -> Iterator[tuple[float, float]]:
    """Yield the points that gradient descent with momentum visits, the start among them."""
    (x, y), across, along = start, 0.0, 0.0
    yield x, y
    for _ in range(num_steps):
        along = momentum * along + (x - lowest[0])
        across = momentum * across + steep * (y - lowest[1])
        x, y = x - rate * along, y - rate * across
        yield x, y


def _drawn(way: Sequence[Point], lowest: Point, steep: float) -> str:
    """Return the picture as SVG: contour lines, the way with a dot for each step, and its end."""
    width, height = SCALE * (RIGHT - LEFT), SCALE * (TOP - BOTTOM)
    pixels = [_pixel(point) for point in way]
    dots = "".join(f"M{pixel}h0" for pixel in pixels)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width + MARGIN:g}' "
        f"viewBox='{-MARGIN} 0 {width + MARGIN:g} {height + MARGIN:g}' style='max-width:100%' "
        "font-family='sans-serif' font-size='13' fill='none'>"
        f"<rect x='{-MARGIN}' width='100%' height='100%' fill='white'/>"
        f"<svg width='{width:g}' height='{height:g}'>"
        f"<g stroke='#bbb'>{''.join(_contours(lowest, steep))}</g>"
        f"<g stroke='{COLORS[2]}' stroke-width='1.5' stroke-linecap='round'>"
        f"<polyline class='way' points='{' '.join(pixels)}'/>"
        f"<path class='dots' stroke-width='5' d='{dots}'/>"
        f"<path class='end' stroke-width='10' d='M{pixels[-1]}h0'/></g>"
        f"<path stroke='black' stroke-width='2' d='M{_pixel(lowest)}m-6,0h12m-6,-6v12'/></svg>"
        f"<rect width='{width:g}' height='{height:g}' stroke='black'/>{_axes()}</svg>"
    )


def _contours(lowest: Point, steep: float) -> Iterator[str]:
    x, y = _pixel(lowest).split(",")
    for k in range(1, 10):
        across = 0.9 * SCALE * k
        yield f"<ellipse cx='{x}' cy='{y}' rx='{across:.1f}' ry='{across / steep**0.5:.1f}'/>"


def _axes() -> str:
    """Return the numbers and names that stand beside the picture."""
    right, bottom = SCALE * (RIGHT - LEFT), SCALE * (TOP - BOTTOM)
    texts = [(SCALE * (x - LEFT), bottom + 17, str(x)) for x in range(-1, 5)]
    texts += [(-12, SCALE * (TOP - y) + 4, str(y)) for y in range(3)]
    texts += [(right / 2, bottom + 36, "w[0]"), (-38, bottom / 2 + 4, "w[1]")]
    words = "".join(f"<text x='{x:g}' y='{y:g}'>{text}</text>" for x, y, text in texts)
    return f"<g fill='black' text-anchor='middle'>{words}</g>"


def _pixel(point: Point) -> str:
    """Return where a point lies in the picture, kept near it where the way flies off."""
    x, y = SCALE * (point[0] - LEFT), SCALE * (TOP - point[1])
    return f"{min(max(x, -9999), 9999):.1f},{min(max(y, -9999), 9999):.1f}"

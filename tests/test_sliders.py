"""helpers.sliders: the picture is the optimizer's way, and stays where scripts may not run."""

import json
import re
import shutil
import subprocess
from html import unescape
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
import torch

from helpers import sliders
from helpers.sliders import valley_sliders

SVG = "{http://www.w3.org/2000/svg}"
BROWSERS = "chromium", "chromium-browser", "google-chrome"
SETTINGS = [(0.005, 0.0), (0.01, 0.9), (0.061, 0.57)]


def page(**settings):
    return valley_sliders(**{"rate": 0.01, "momentum": 0.9, **settings})._repr_html_()


def picture(html):
    return ElementTree.fromstring(unquote(re.search(r'src="data:image/svg\+xml,([^"]*)"', html)[1]))


def way_of(html):
    return as_weights(picture(html).find(f".//{SVG}polyline").get("points"))


def as_weights(points):
    pairs = points.split()
    x, y = torch.tensor([[float(n) for n in pair.split(",")] for pair in pairs]).T
    return torch.stack([x / sliders.SCALE + sliders.LEFT, sliders.TOP - y / sliders.SCALE], 1)


each_setting = pytest.mark.parametrize(("rate", "momentum"), SETTINGS)


@each_setting
def test_the_way_is_that_of_pytorchs_sgd(rate, momentum):
    w = torch.tensor([-1.0, 2.0], requires_grad=True)
    optimizer, points = torch.optim.SGD([w], lr=rate, momentum=momentum), [w.tolist()]
    for _ in range(40):
        optimizer.zero_grad()
        (((w - torch.tensor([3.0, 1.0])) ** 2 * torch.tensor([1.0, 50.0])).sum() / 2).backward()
        optimizer.step()
        points.append(w.tolist())
    drawn = way_of(page(rate=rate, momentum=momentum))
    torch.testing.assert_close(drawn, torch.tensor(points), atol=0.01, rtol=0)


def test_the_picture_needs_no_script_and_says_in_words_what_it_shows():
    html = page()
    without = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert "40 steps, with rate 0.01 and momentum 0.9" in re.search(r'alt="([^"]*)"', without)[1]
    words = [text.text for text in picture(without).iter(f"{SVG}text")]
    assert {"w[0]", "w[1]"} < set(words)


def test_the_script_is_given_the_numbers_of_the_picture():
    valley = json.loads(unescape(re.search(r'data-valley="([^"]*)"', page())[1]))
    assert (valley["rate"], valley["momentum"], valley["steps"]) == (0.01, 0.9, 40)
    assert valley["start"] == [-1.0, 2.0] and valley["lowest"] == [3.0, 1.0]
    names = re.search(r"const \{(.*?)\} =", sliders.SCRIPT)[1].split(", ")
    assert set(names) == set(valley)


def test_the_page_is_small_needs_no_network_and_is_the_same_each_time():
    html = page()
    assert len(html.encode()) < 20_000
    links = set(re.findall(r"\w+://[^'\"\s]+", unquote(html)))
    assert links == {"http://www.w3.org/2000/svg"}  # the name of a language, which nobody fetches
    assert html == page() and repr(valley_sliders(0.01, 0.9)).startswith("The way of gradient")
    assert html.count("<script>") == 1 and f"<script>{sliders.SCRIPT}</script>" in html


def test_a_way_that_flies_off_stays_near_the_picture():
    assert way_of(page(rate=0.08, momentum=0.0)).abs().max() < 110


MOVE = """<script>
const [rate, momentum] = document.querySelectorAll("input");
[rate.value, momentum.value] = [RATE, MOMENTUM];
rate.dispatchEvent(new Event("input"));
</script>"""


@each_setting
def test_moving_the_sliders_draws_the_way_anew(tmp_path, rate, momentum):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"none of {BROWSERS} is here")
    move = MOVE.replace("RATE", str(rate)).replace("MOMENTUM", str(momentum))
    (tmp_path / "page.html").write_text(page(rate=0.02, momentum=0.5) + move)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'user'}"]
    address = (tmp_path / "page.html").as_uri()
    shown = subprocess.check_output(
        [browser, *flags, "--dump-dom", address], text=True, stderr=subprocess.DEVNULL, timeout=120
    )
    way = re.search(r'<polyline[^>]*points="([^"]*)"', shown)[1]
    torch.testing.assert_close(
        as_weights(way), way_of(page(rate=rate, momentum=momentum)), atol=0.002, rtol=0
    )
    assert re.search(r"After 40 steps: \S+ away from the lowest point, \S+ above it", shown)

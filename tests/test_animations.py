"""helpers.animations: what the window adds up is what PyTorch adds up, and it needs no network."""

import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
import torch
import torch.nn.functional as F

from helpers.animations import CELL, HELD, slide_window

SVG = "{http://www.w3.org/2000/svg}"
X = torch.tensor([[1.0, 0, 2, 1], [3, 1, 0, -2], [0, 2, 1, 1]])
KERNEL = torch.tensor([[1.0, 0, -1], [2, 1, 0]])


def drawn():
    html = slide_window(X, KERNEL)._repr_html_()
    return ElementTree.fromstring(unquote(re.search(r'src="data:image/svg\+xml,([^"]*)"', html)[1]))


def turns_of(part, attribute="opacity"):
    (moving,) = [m for m in part.iter(f"{SVG}animate") if m.get("attributeName") == attribute]
    return [int(value) for value in moving.get("values").split(";")]


def appearing():
    """Return the words of each part that comes and goes, and when it is seen."""
    groups = drawn().iter(f"{SVG}g")
    return [(group.find(f".//{SVG}text").text, turns_of(group)) for group in groups]


def test_each_place_shows_the_sum_that_pytorch_has_there():
    y = F.conv2d(X[None, None], KERNEL[None, None]).flatten().int().tolist()
    answers = [words for words, _ in appearing() if "=" not in words]
    sums = [words for words, _ in appearing() if "=" in words]
    assert [int(words.replace("−", "-")) for words in answers] == y == [6, 1, 5, 8]
    for words, answer in zip(sums, y, strict=True):
        left, right = words.replace("·", "*").replace("−", "-").split(" = ")
        assert eval(left) == int(right) == answer


def test_one_place_after_the_other_and_what_is_found_stays():
    parts = appearing()
    answers = [turns for words, turns in parts if "=" not in words]
    assert answers == [[0] * k + [1] * (4 - k + HELD) for k in range(4)]
    seen = torch.tensor([turns for words, turns in parts if "=" in words])
    assert (seen.sum(dim=0) == 1).all()


def test_the_frame_stands_where_the_window_is():
    window, answer = [rect for rect in drawn().iter(f"{SVG}rect") if len(rect)]
    assert window.get("width") == str(3 * CELL) and window.get("height") == str(2 * CELL)
    xs, ys = (torch.tensor(turns_of(window, name)[:4]) for name in "xy")
    assert ((xs - xs[0]) // CELL).tolist() == [0, 1, 0, 1]
    assert ((ys - ys[0]) // CELL).tolist() == [0, 0, 1, 1]
    assert answer.get("width") == str(CELL)


def test_a_picture_that_cannot_move_shows_the_last_place():
    groups = [group for group in drawn().iter(f"{SVG}g") if group.get("opacity") == "1"]
    shown = [group.find(f".//{SVG}text").text for group in groups]
    assert shown == ["6", "1", "5", "8", "1·1 + 0·0 + (−2)·(−1) + 2·2 + 1·1 + 1·0 = 8"]


def test_the_page_is_small_needs_no_network_and_is_the_same_each_time():
    html = slide_window(X, KERNEL)._repr_html_()
    assert len(html.encode()) < 20_000 and html == slide_window(X, KERNEL)._repr_html_()
    links = set(re.findall(r"\w+://[^'\"\s]+", unquote(html)))
    assert links == {"http://www.w3.org/2000/svg"}  # the name of a language, which nobody fetches
    assert "<script" not in html
    assert "over a picture of 3×4" in re.search(r'alt="([^"]*)"', html)[1]


@pytest.mark.parametrize(
    ("x", "kernel"),
    [(X, torch.ones(4, 1)), (X[0], KERNEL), (torch.ones(9, 9), KERNEL), (X, torch.ones(0, 2))],
)
def test_it_refuses_what_does_not_fit(x, kernel):
    with pytest.raises(ValueError, match="kernel one that fits"):
        slide_window(x, kernel)

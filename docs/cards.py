"""The pictures that stand for a page: on the landing page, and where somebody shares a link."""

import base64
import io
from pathlib import Path

import matplotlib
import pages
from PIL import Image, ImageDraw, ImageFont

SIZE = WIDTH, HEIGHT = 1200, 630
MARGIN = 60
INK, PAPER, BLUE, GREY = "#1d2733", "#ffffff", "#0072B2", "#4c5866"
COURSE = "From Backprop to LeNet"
TITLE = "Learn PyTorch from the ground up"


def pictures(chapter: pages.Chapter) -> list[tuple[str, Image.Image]]:
    """Return (code, picture) for every picture of a chapter."""
    return [
        (cell.source, Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))))
        for cell in pages.read(chapter.path).cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def picture(chapter: pages.Chapter, title: str = "") -> Image.Image | None:
    """Return the picture with this title, or else the chapter's first, if it has one."""
    found = pictures(chapter)
    titled = [image for code, image in found if title and title in code]
    return next(iter([*titled, *(image for _, image in found)]), None)


def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return Matplotlib's own font: it is there on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)


def wrapped(text: str, fits: ImageFont.FreeTypeFont, width: int) -> str:
    """Return the text in lines that are at most ``width`` dots wide."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if fits.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def card(title: str, text: str, image: Image.Image | None) -> Image.Image:
    """Return what is shown beside a shared link: title and text, and a picture on the right."""
    canvas = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, 16, HEIGHT), fill=BLUE)
    column = WIDTH // 2 - MARGIN if image else WIDTH - 2 * MARGIN
    draw.text((MARGIN, MARGIN), COURSE, font=font(26), fill=BLUE)
    heading = wrapped(title, font(52, bold=True), column)
    draw.multiline_text((MARGIN, 130), heading, font=font(52, bold=True), fill=INK, spacing=14)
    below = draw.multiline_textbbox((MARGIN, 130), heading, font=font(52, bold=True), spacing=14)[3]
    draw.multiline_text(
        (MARGIN, below + 36), wrapped(text, font(26), column), font=font(26), fill=GREY, spacing=12
    )
    if image:
        room = WIDTH // 2 - 2 * MARGIN + 40, HEIGHT - 2 * MARGIN
        shown = image.convert("RGBA")
        scale = min(room[0] / shown.width, room[1] / shown.height)
        shown = shown.resize((round(shown.width * scale), round(shown.height * scale)))
        corner = WIDTH - MARGIN - shown.width, (HEIGHT - shown.height) // 2
        canvas.paste(shown, corner, shown)
    return canvas


def save(image: Image.Image, path: Path) -> None:
    """Write a picture with few colours, so that it is small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.convert("RGB").quantize(128).save(path, optimize=True)


def draw_all(book: list[pages.Chapter], folder: Path) -> None:
    """Draw the card of every chapter and of the course, and a picture for each part."""
    by_number = {chapter.number: chapter for chapter in book}
    for part in pages.parts(book):
        number, title = part.picture
        from_there = by_number.get(number, part.chapters[0])
        if image := picture(from_there, title):
            save(image, folder / "parts" / f"{part.slug}.png")
    for chapter in book:
        title = f"{chapter.number} · {chapter.title}"
        save(
            card(title, chapter.promise, picture(chapter)),
            folder / f"cards/{chapter.path.stem}.png",
        )
    number, title = pages.HERO
    first = picture(by_number[number], title)
    save(first, folder / "parts" / "hero.png")
    text = f"{len(book)} notebooks, from a gradient by hand to several processes. Every claim runs."
    save(card(TITLE, text, first), folder / "cards" / "index.png")

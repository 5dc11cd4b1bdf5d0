"""Many pictures as one small one, for places that keep it forever, as Dagster's database does."""

import io
from collections.abc import Sequence

from PIL import Image, ImageOps

from jwst_mast_assets.webpage.thumbnails import MAX_PIXELS, PICTURE_FORMATS

TILE, TILES_ACROSS, TILES_DOWN = 96, 8, 3
GAP = 4


def contact_sheet(paths: Sequence[str]) -> bytes | None:
    """Up to 24 pictures side by side, as a JPEG of some tens of kB.

    Parameters
    ----------
    paths : sequence of str
        Pictures on disk (JPEG or PNG); of more than 24, some from the whole range. Those that cannot be opened are
        left out.

    Returns
    -------
    bytes or None
        None if there is none to show.
    """
    step = max(1.0, len(paths) / (TILES_ACROSS * TILES_DOWN))
    chosen = [paths[int(number * step)] for number in range(min(len(paths), TILES_ACROSS * TILES_DOWN))]
    tiles = [tile for path in chosen if (tile := _tile(path))]
    if not tiles:
        return None
    across, down = min(len(tiles), TILES_ACROSS), -(-len(tiles) // TILES_ACROSS)
    sheet = Image.new("RGB", (across * (TILE + GAP) - GAP, down * (TILE + GAP) - GAP), "white")
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % TILES_ACROSS * (TILE + GAP), number // TILES_ACROSS * (TILE + GAP)))
    content = io.BytesIO()
    sheet.save(content, "JPEG", quality=70, optimize=True)
    return content.getvalue()


def _tile(path: str) -> Image.Image | None:
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.draft(None, (2 * TILE, 2 * TILE))
            return ImageOps.fit(image.convert("RGB"), (TILE, TILE))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError):
        return None

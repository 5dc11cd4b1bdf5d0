"""Reads a proposal's page as its script does."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote


class Reader(HTMLParser):
    """What a page shows: its markup, and the rows that its script draws from the data."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.sizes: set[tuple[int, int]] = set()
        self.rows: list[str] = []
        """The most urgent state of each row."""
        self.heads: list[str] = []
        self.scripts = 0
        self.text = ""
        self.data: dict[str, Any] = {}
        self._json = ""

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag not in ("meta", "img", "input", "br", "path"):
            self.open.append(tag)
        if tag == "a":
            self.links.append(values["href"] or "")
        elif tag == "th" and "scope" not in values:
            raise AssertionError("a head without scope")
        self.scripts += tag == "script"

    def handle_endtag(self, tag):
        assert tag == "path" or self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script" and data.startswith("{"):
            self._json = data
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    def close(self):
        super().close()
        if self._json:
            self.data = json.loads(self._json)
            self._read_rows()

    def _read_rows(self):
        data = self.data
        self.heads = [column["name"] for column in data["columns"]]
        for number, name in enumerate(data["names"]):
            flat, files = data["files"][number], []
            for ending, folder, size, state, note in zip(*(flat[at::5] for at in range(5)), strict=True):
                known = ending >= 0
                shown, link = (name + data["endings"][ending],) * 2 if known else data["whole"][-1 - ending][:2]
                files.append(f"{data['folders'][folder]}/{quote(link) if known else link}" if folder >= 0 else "")
                words = (shown, data["sizes"][size], data["states"][state], data["notes"][note])
                self.text += "\n" + " ".join(words).strip()
            self.links += [file for file in files if file]
            self.rows.append(data["states"][min(flat[3::5])])
            for column in data["columns"]:
                cell = column["cells"][number]
                if column["kind"] == "figure":
                    self._read_figure(column, cell, [*files, data["previews"].get(str(number), ["", ""])[1]])
                elif column["kind"] != "path":
                    self.text += "\n" + column["words"][cell]

    def _read_figure(self, column, cell, files):
        if cell and cell[1] >= 0:
            width, height, thumbnail = column["words"][cell[1]]
            self.sizes.add((width, height))
            self.pictures.append(re.sub(r"(jpe?g|png)$", r"TN.\1", files[cell[0]]) if thumbnail else files[cell[0]])

    def observations_of(self, name: str) -> list[str]:
        """The observation numbers under which the row of this name is shown."""
        facet = next(facet for facet in self.data["facets"] if facet["key"] == "obsnum")
        cell = facet["cells"][self.data["names"].index(name)]
        return [facet["words"][number] for number in (cell if isinstance(cell, list) else [cell])]


def read_page(path: Path) -> Reader:
    """A page; its tags must be closed in order."""
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader

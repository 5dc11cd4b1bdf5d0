"""The pages of an output folder, served to a browser on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from jwst_mast_assets.webpage.pages_server import PagesServer

PICTURE = bytes(range(256)) * 20


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    root = folder / "root"
    files = {
        "01138/index.html": b"<h1>1138</h1>",
        "01138/obsnum04/a b.jpg": PICTURE,
        "01138/obsnum04/.hidden.part": b"half",
        "01138/01138.obs.ecsv": b"# ECSV",
        "01410/index.html": b"<h1>1410</h1>",
        "01410/empty.txt": b"",
        ".jwst_mast_assets/archive.json": b"{}",
        "../secret.txt": b"secret",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "01138" / "out.txt").symlink_to(folder / "secret.txt")
    (root / "01138" / "up").symlink_to(folder)
    (root / "01138" / "records").symlink_to(root / ".jwst_mast_assets")
    (root / "01138" / "inside.html").symlink_to("index.html")
    return root


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with PagesServer(root) as server:
        yield server.url


def raw(url: str, path: str) -> int:
    """Status of a path sent exactly as it is written."""
    request = requests.Request("GET", url).prepare()
    request.url = url + path
    with requests.Session() as session:
        return session.send(request, timeout=10, allow_redirects=False).status_code


def test_a_page_a_picture_and_a_table_arrive_with_their_types(url):
    page = requests.get(f"{url}/01138/", timeout=10)
    assert (page.text, page.headers["Content-Type"]) == ("<h1>1138</h1>", "text/html")
    picture = requests.get(f"{url}/01138/obsnum04/a%20b.jpg?x=1", timeout=10)
    assert (picture.content, picture.headers["Content-Type"]) == (PICTURE, "image/jpeg")
    assert requests.get(f"{url}/01138/01138.obs.ecsv", timeout=10).headers["Content-Type"].startswith("text/plain")
    assert requests.get(f"{url}/01138", timeout=10).text == "<h1>1138</h1>"
    assert requests.get(f"{url}/01138/inside.html", timeout=10).text == "<h1>1138</h1>"
    assert requests.get(f"{url}/01410/empty.txt", timeout=10).content == b""


def test_the_root_lists_the_pages_and_nothing_else(url):
    text = requests.get(url, timeout=10).text
    assert '<a href="01138/">01138</a>' in text
    assert '<a href="01410/">01410</a>' in text
    assert text.count("<a ") == 2


@pytest.mark.parametrize(
    "path",
    [
        "/.jwst_mast_assets/archive.json", "/%2ejwst_mast_assets/archive.json",
        "/01138/../.jwst_mast_assets/archive.json",
        "/../secret.txt", "/01138/..%2f..%2fsecret.txt", "/%2e%2e/secret.txt", "//../secret.txt",
        "/01138/out.txt", "/01138/up/secret.txt", "/01138/records/archive.json",
        "/01138/obsnum04/", "/01138/obsnum04/.hidden.part", "/nothing", "/a%00b",
    ],
)  # fmt: skip
def test_what_is_hidden_outside_or_not_there_is_not_found(url, path):
    assert raw(url, path) == 404


def test_a_part_of_a_file(url):
    address = f"{url}/01138/obsnum04/a%20b.jpg"
    part = requests.get(address, headers={"Range": "bytes=10-19"}, timeout=10)
    assert (part.status_code, part.content) == (206, PICTURE[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(PICTURE)}"
    assert requests.get(address, headers={"Range": "bytes=5000-"}, timeout=10).content == PICTURE[5000:]
    assert requests.get(address, headers={"Range": f"bytes={len(PICTURE)}-"}, timeout=10).status_code == 416
    assert requests.get(address, headers={"Range": "lines=1-2"}, timeout=10).content == PICTURE


def test_it_can_be_read_only(url):
    head = requests.head(f"{url}/01138/obsnum04/a%20b.jpg", timeout=10)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(PICTURE)), b"")
    for method in ("PUT", "POST", "DELETE"):
        assert requests.request(method, f"{url}/01138/index.html", data=b"x", timeout=10).status_code == 501


def test_a_page_elsewhere_cannot_read_it_under_a_name_of_its_own(url):
    assert requests.get(url, headers={"Host": "evil.example"}, timeout=10).status_code == 403
    assert requests.get(url, headers={"Host": "localhost:1234"}, timeout=10).status_code == 200


def test_a_folder_that_comes_later(tmp_path):
    with PagesServer(tmp_path / "later") as server:
        assert requests.get(server.url, timeout=10).status_code == 404
        (tmp_path / "later").mkdir()
        assert "There are no pages yet" in requests.get(server.url, timeout=10).text


def test_files_that_others_may_not_read_are_not_served_where_that_is_wanted(tmp_path):
    for name in ("open.jpg", "closed.jpg"):
        (tmp_path / name).write_bytes(PICTURE)
    (tmp_path / "closed.jpg").chmod(0o640)
    with PagesServer(tmp_path, closed_too=False) as server:
        statuses = [requests.get(f"{server.url}/{name}.jpg", timeout=10).status_code for name in ("open", "closed")]
    assert statuses == [200, 403]

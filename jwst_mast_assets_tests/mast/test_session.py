"""Who gets to see the token: the server's own domain, and nobody else."""

import itertools
import socket
from collections.abc import Iterator

import pytest

from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.session import MastSession, may_see_token, token_domain
from jwst_mast_assets_tests.downloads.holdings import PRIVATE, small_catalogue

TOKEN = "good-token"
URI = f"mast:JWST/product/{PRIVATE}"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedArchive]:
    with EmbeddedArchive(small_catalogue()) as archive:
        yield archive


@pytest.fixture
def embedded(server: EmbeddedArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedArchive]:
    """An archive on loopback that answers under any name of stsci.edu and example."""
    look_up = socket.getaddrinfo

    def on_loopback(host, *args, **kwargs):
        named = isinstance(host, str) and host.endswith((".stsci.edu", ".example"))
        return look_up("127.0.0.1" if named else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", on_loopback)
    server.clear_requests()
    yield server
    server.faults.clear()


def at(embedded: EmbeddedArchive, host: str) -> str:
    return embedded.url.replace("127.0.0.1", host)


def shown(embedded: EmbeddedArchive) -> dict[str, bool]:
    """Whether each host that was asked saw the token, in whatever form."""
    seen: dict[str, bool] = {}
    for request in embedded.requests:
        host = request.headers["host"].partition(":")[0]
        seen[host] = seen.get(host, False) or TOKEN in str(sorted(request.headers.items()))
    return seen


def download(embedded: EmbeddedArchive, *hosts: str) -> int:
    """The status of the download of an exclusive file from the first host, which each host redirects to the next."""
    for host, there in itertools.pairwise(hosts):
        embedded.faults.add(Fault("redirect", match=URI, location=at(embedded, there), nth=hosts.index(host) + 1))
    archive = Archive(at(embedded, hosts[0]), TOKEN)
    with archive.session(5.0) as session, session.get(f"{archive.download_url}?uri={URI}") as response:
        return response.status_code


def test_a_redirect_within_the_domain_keeps_the_token(embedded: EmbeddedArchive) -> None:
    assert download(embedded, "a.stsci.edu", "b.stsci.edu") == 200
    assert shown(embedded) == {"a.stsci.edu": True, "b.stsci.edu": True}
    last = embedded.requests[-1].headers
    assert last["authorization"] == f"token {TOKEN}"
    assert last["cookie"] == f"mast_token={TOKEN}"


def test_a_redirect_to_another_domain_loses_the_token(embedded: EmbeddedArchive) -> None:
    assert download(embedded, "a.stsci.edu", "elsewhere.example") == 401
    assert shown(embedded) == {"a.stsci.edu": True, "elsewhere.example": False}


def test_a_server_that_has_only_a_number_shares_the_token_with_nobody(embedded: EmbeddedArchive) -> None:
    assert download(embedded, "127.0.0.1", "a.stsci.edu") == 401
    assert shown(embedded) == {"127.0.0.1": True, "a.stsci.edu": False}


def test_queries_show_the_token_as_astroquery_does(embedded: EmbeddedArchive) -> None:
    assert not Archive(at(embedded, "a.stsci.edu"), TOKEN).whoami().anonymous
    headers = embedded.requests[-1].headers
    assert headers["cookie"] == f"mast_token={TOKEN}"
    assert "authorization" not in headers


def test_plain_http_does_not_see_the_token_of_a_server_asked_over_https(embedded: EmbeddedArchive) -> None:
    with MastSession(TOKEN, 5.0, 0, "https://a.stsci.edu", header=True) as session:
        session.get(f"{at(embedded, 'a.stsci.edu')}/whoami")
    assert shown(embedded) == {"a.stsci.edu": False}


def test_a_token_that_is_forgotten_is_not_shown_again(embedded: EmbeddedArchive) -> None:
    with MastSession(TOKEN, 5.0, 0, at(embedded, "a.stsci.edu"), header=True) as session:
        session.forget_token()
        session.get(f"{at(embedded, 'a.stsci.edu')}/whoami")
    assert shown(embedded) == {"a.stsci.edu": False}


@pytest.mark.parametrize(
    ("server", "domain"),
    [
        ("https://mast.stsci.edu", "stsci.edu"),
        ("https://mast.example.ac.uk:8443", "example.ac.uk"),
        ("https://archive.ac.uk", "archive.ac.uk"),
        ("http://localhost:8765", "localhost"),
        ("http://127.0.0.1:8765", "127.0.0.1"),
        ("http://[::1]:8765", "::1"),
    ],
)
def test_the_domain_of_a_server(server: str, domain: str) -> None:
    assert token_domain(server) == domain


@pytest.mark.parametrize(
    "url",
    [
        "http://mast.stsci.edu/",
        "https://stsci.edu.example.org/",
        "https://notstsci.edu/",
        "https://mast.stsci.edu@example.org/",
        "https://s3.amazonaws.com/stpubdata/",
    ],
)
def test_addresses_that_may_not_see_the_token(url: str) -> None:
    assert not may_see_token("https://mast.stsci.edu", url)
    assert may_see_token("https://mast.stsci.edu", "https://files.stsci.edu/")

"""An S3-compatible object store on loopback: moto's, behind a counter that can also refuse."""

import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

SECRET = "aSecretKey0123456789"


class Quiet(WSGIRequestHandler):
    def log_request(self, *_arguments: Any, **_options: Any) -> None:
        """Every request is in the list of requests."""


class ObjectStore:
    """The server, with the methods and keys that it was asked for.

    Attributes
    ----------
    requests : list of str
        ``PUT obs_table/01138/2022-04-10.parquet``, without the bucket and prefix; ``LIST obs_table/01138/``.
    refuse : str
        ``403 Forbidden`` and so on: what every request is answered; empty: as usual.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.refuse = ""
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self._server.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.client = boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def new_prefix(self) -> str:
        """An address for tables, in a bucket of its own."""
        bucket = f"tables-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=bucket)
        self.requests.clear()
        return f"s3://{bucket}/of/jwst"

    def keys(self, prefix: str) -> list[str]:
        """The names of the objects below an address."""
        bucket, _, below = prefix.removeprefix("s3://").partition("/")
        listed = self.client.list_objects_v2(Bucket=bucket, Prefix=below).get("Contents", [])
        return [one["Key"].removeprefix(f"{below}/") for one in listed]

    def delete_all(self, prefix: str) -> None:
        bucket, _, below = prefix.removeprefix("s3://").partition("/")
        for name in self.keys(prefix):
            self.client.delete_object(Bucket=bucket, Key=f"{below}/{name}")

    def counts(self) -> Counter[str]:
        """How many requests of each kind there were since the list was cleared."""
        return Counter(request.partition(" ")[0] for request in self.requests)

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
        path = re.sub(r"^/tables-\w+(/of/jwst/?)?", "", environ["PATH_INFO"])
        listed = re.search(r"prefix=([^&]*)", query)
        if "list-type" in query and listed:
            method, path = "LIST", listed[1].replace("%2F", "/").removeprefix("of/jwst/")
        self.requests.append(f"{method} {path}")
        if self.refuse:
            body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
            start(self.refuse, [("Content-Length", str(len(body)))])
            return [body]
        return self._moto(environ, start)

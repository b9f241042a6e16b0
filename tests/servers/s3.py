"""A local S3, by moto's server.

with S3Server() as s3:
    s3.environment, s3.put("bucket", "key", b"bytes"), s3.bodies
"""

from collections.abc import Callable, Iterable
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class S3Server:
    """Buckets in memory."""

    environment: dict[str, str]

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str]] = []
        """Method, path and range of everything asked for."""

    def __enter__(self) -> "S3Server":
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        listening: Any = self._server._server
        listening.app = self._recorded(listening.app)
        host, port = self._server.get_host_and_port()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "access-of-the-test",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self.client = boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="access-of-the-test",
            aws_secret_access_key="secret-of-the-test",
            region_name="us-east-1",
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """`bucket/key` and range of the bytes that were asked for."""
        found = ((path.strip("/"), span) for method, path, span in self.requests if method == "GET")
        return [(path, span) for path, span in found if "/" in path]

    @property
    def bodies(self) -> list[str]:
        """`bucket/key` of the objects whose bytes were asked for, each once."""
        return list(dict.fromkeys(path for path, _ in self.pieces))

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Store an object; makes the bucket where there is none."""
        self.client.create_bucket(Bucket=bucket)
        self.client.put_object(Bucket=bucket, Key=key, Body=content)

    def _recorded(self, application: Application) -> Application:
        def record(environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            asked = (environment[name] for name in ("REQUEST_METHOD", "PATH_INFO"))
            self.requests.append((*asked, environment.get("HTTP_RANGE", "")))
            return application(environment, start_response)

        return record

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
        self.requests: list[tuple[str, str]] = []
        """Method and path of everything asked for."""

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
    def bodies(self) -> list[str]:
        """`bucket/key` of the objects whose bytes were asked for."""
        paths = (path.strip("/") for method, path in self.requests if method == "GET")
        return [path for path in paths if "/" in path]

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Store an object; makes the bucket where there is none."""
        self.client.create_bucket(Bucket=bucket)
        self.client.put_object(Bucket=bucket, Key=key, Body=content)

    def _recorded(self, application: Application) -> Application:
        def record(environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            self.requests.append((environment["REQUEST_METHOD"], environment["PATH_INFO"]))
            return application(environment, start_response)

        return record

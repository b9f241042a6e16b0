"""Nothing that opens a door is shown."""

import pytest

from pipelines.credentials import public_uri


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:hush@host/a.glb", "https://host/a.glb"),
        ("s3://KEY:hu/sh@bucket/a", "s3://KEY:hu/sh@bucket/a"),
        ("https://hush@host:80/a@b.glb", "https://host:80/a@b.glb"),
        ("https://host/a?X-Amz-Credential=hush&X-Amz-Signature=hush&v=3#x", "https://host/a?v=3#x"),
        ("https://host/a?x-goog-signature=hush", "https://host/a"),
        ("https://host/a?Expires=1&AWSAccessKeyId=hush&Signature=hush", "https://host/a"),
        ("https://host/a?sv=1&sr=b&sig=hush", "https://host/a"),
        ("https://host/a?access_token=hush&id=7&API%5FKEY=hush", "https://host/a?id=7"),
        ("fetch of https://me:hush@host/a?token=hush failed", "fetch of https://host/a failed"),
        ("hf:allenai/objaverse?where=face_count<3", "hf:allenai/objaverse?where=face_count<3"),
        ("local:/a?b/c", "local:/a?b/c"),
    ],
)
def test_public_uri(uri, shown):
    assert public_uri(uri) == shown

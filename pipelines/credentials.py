"""What may be shown of a uri: never a password, a token or a signature.

>>> public_uri("https://me:secret@host/a.glb?X-Amz-Signature=12&v=3")
'https://host/a.glb?v=3'

Credentials come from the environment alone (HF_TOKEN, AWS_*, GOOGLE_APPLICATION_CREDENTIALS, .netrc).
"""

import re
from urllib.parse import unquote

_SECRET_NAME = re.compile(
    r"(?i)x-(amz|goog)-.*|.*(signature|token|secret|passw|credential|apikey|api_key|api-key|accesskey|auth).*"
    r"|sig|key|key-pair-id|pwd|policy|expires|googleaccessid|s[eprtv]|spr|sk[a-z]{1,3}"
)
"""Query parameters that carry a credential, or belong to a signature that does."""
_USER = re.compile(r"([a-zA-Z][\w+.-]*://)[^/?#\s]*@")
_QUERY = re.compile(r"\?([^\s'\"<>]*)")


def public_uri(uri: str) -> str:
    """A uri, or any text that holds some, without user names, passwords, tokens and signatures."""
    return _QUERY.sub(_public_query, _USER.sub(r"\1", uri))


def _public_query(match: re.Match[str]) -> str:
    query, hash_mark, fragment = match[1].partition("#")
    kept = [part for part in query.split("&") if not _SECRET_NAME.fullmatch(unquote(part.partition("=")[0]))]
    return ("?" if kept != [""] and kept else "") + "&".join(kept) + hash_mark + fragment

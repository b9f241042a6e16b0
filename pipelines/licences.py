"""Licences as sources spell them, brought to one short name each, and the policy that asks for some of them.

    normalize_licence("http://creativecommons.org/licenses/by/4.0/")   # "by"
    normalize_licence("CC BY-NC-SA 3.0")                               # "by-nc-sa"
    normalize_licence("free to use")                                   # None: nobody can say

Versions of a licence are one name, since a policy is about what the licence asks for; what the source wrote
stays in the tables. A text that says more than one licence, or adds conditions, has no name.
"""

import re
import unicodedata

CREATIVE_COMMONS = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
LICENCES = (
    *("cc0", "public-domain", *CREATIVE_COMMONS),
    *("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "odc-by", "odbl"),
    *("gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0", "mpl-2.0"),
)
"""The names that a policy may hold: the closed list."""

ADDRESSES = {name: f"https://creativecommons.org/licenses/{name}/4.0/" for name in CREATIVE_COMMONS} | {
    "cc0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "public-domain": "https://creativecommons.org/publicdomain/mark/1.0/",
}
"""Where the text of a licence can be read; the newest version where the source states none."""

_ELEMENTS = {
    "attribution": "by",
    "noncommercial": "nc",
    "non commercial": "nc",
    "noderivatives": "nd",
    "noderivs": "nd",
    "no derivatives": "nd",
    "no derivs": "nd",
    "sharealike": "sa",
    "share alike": "sa",
}
_CC_WORDS = {"by", "nc", "nd", "sa"}
_NOISE = {"cc", "creative", "commons", "licence", "license", "licensed", "under", "the", "a", "public"}
_NOISE |= {"international", "unported", "generic", "deed", "legalcode", "intl", "version"}
_VERSION = re.compile(r"v?\d+(\.\d+)*")
_URL = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z+-]+)(?:/[\w./-]*)?"
)
_CC0_WORDS = {"cc0", "0", "zero"}
_CC0_NOISE = _NOISE | {"domain", "dedication", "universal", "1"}
_OTHER = {
    "public-domain": r"(cc )?pdm?|public domain( mark| work)?|cc pdm",
    "mit": r"(the )?mit( licen[cs]e)?|expat",
    "apache-2.0": r"(the )?apache( software)?( licen[cs]e)?( version)? 2|asl 2",
    "bsd-2-clause": r"(the )?(bsd 2 clause|simplified bsd)( simplified)?( licen[cs]e)?",
    "bsd-3-clause": r"(the )?(bsd 3 clause|new bsd|modified bsd)( new or revised)?( licen[cs]e)?",
    "isc": r"(the )?isc( licen[cs]e)?",
    "unlicense": r"(the )?unlicense",
    "odc-by": r"odc by( 1)?|open data commons attribution( licen[cs]e)?",
    "odbl": r"odbl|(odc )?open (data commons open )?database licen[cs]e",
    "gpl-2.0": r"(gnu )?gpl 2( only| or later)?|gnu general public licen[cs]e( version)? 2( only| or later)?",
    "gpl-3.0": r"(gnu )?gpl 3( only| or later)?|gnu general public licen[cs]e( version)? 3( only| or later)?",
    "lgpl-2.1": r"(gnu )?lgpl 2\.1( only| or later)?|gnu lesser general public licen[cs]e( version)? 2\.1",
    "lgpl-3.0": r"(gnu )?lgpl 3( only| or later)?|gnu lesser general public licen[cs]e( version)? 3",
    "agpl-3.0": r"(gnu )?agpl 3( only| or later)?|gnu affero general public licen[cs]e( version)? 3",
    "mpl-2.0": r"mpl 2|mozilla public licen[cs]e( version)? 2",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in _OTHER.items()}
_LENGTH = 200


def normalize_licence(text: str | None) -> str | None:
    """The short name of a licence, one of LICENCES; None where it is not stated or cannot be told."""
    if text is None or len(text) > _LENGTH:
        return None
    plain = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    if address := _URL.fullmatch(plain):
        return _of_address(*address.groups())
    words = " ".join(re.sub(r"[^\w.]+|_", " ", plain).split())
    words = re.sub(r"(?<![a-z])v(?=\d)|(?<=gpl)v(?=\d)", " ", words)
    words = re.sub(r"\b(\d)\.0\b", r"\1", " ".join(words.split()))
    said = set(words.split())
    if said & _CC0_WORDS and said <= _CC0_WORDS | _CC0_NOISE:
        return "cc0"
    for name, pattern in _PATTERNS.items():
        if pattern.fullmatch(words):
            return name
    return _creative_commons(words)


def _of_address(folder: str, name: str) -> str | None:
    if folder == "publicdomain":
        return {"zero": "cc0", "mark": "public-domain"}.get(name)
    return _combined(set(name.split("-")))


def _creative_commons(words: str) -> str | None:
    """`by-nc-sa` of `cc by nc sa 3` or `creative commons attribution noncommercial sharealike`."""
    for phrase, element in _ELEMENTS.items():
        words = re.sub(rf"\b{phrase}\b", element, words)
    elements = {word for word in words.split() if word not in _NOISE and not _VERSION.fullmatch(word)}
    return _combined(elements)


def _combined(elements: set[str]) -> str | None:
    if not elements <= _CC_WORDS or "by" not in elements:
        return None
    name = "-".join(element for element in ("by", "nc", "nd", "sa") if element in elements)
    return name if name in CREATIVE_COMMONS else None

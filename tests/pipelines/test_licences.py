"""Many spellings of one licence, and texts that say none."""

import pytest

from pipelines.licences import ADDRESSES, LICENCES, normalize_licence

SPELLINGS = {
    "cc0": [
        "cc0",
        "CC0",
        "CC0-1.0",
        "CC0 1.0 Universal",
        "cc zero",
        "CC-0",
        "Creative Commons Zero",
        "Creative Commons CC0",
        "Creative Commons Zero v1.0 Universal",
        "https://creativecommons.org/publicdomain/zero/1.0/",
        "http://creativecommons.org/publicdomain/zero/1.0/deed.en",
        "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication",
    ],
    "public-domain": ["Public Domain", "PDM", "https://creativecommons.org/publicdomain/mark/1.0/"],
    "by": [
        "by",
        "BY",
        "CC-BY",
        "CC BY 3.0",
        "CC-BY 4.0",
        "cc-by-4.0",
        "Creative Commons Attribution",
        "Creative Commons - Attribution",
        "Creative Commons Attribution 4.0 International",
        "Creative Commons Attribution 3.0 Unported License",
        "Attribution 4.0 International (CC BY 4.0)",
        "creativecommons.org/licenses/by/4.0",
        " http://www.creativecommons.org/licenses/by/3.0/us/legalcode ",
        "\uff23\uff23 \uff22\uff39",
    ],
    "by-sa": ["by-sa", "CC-BY-SA 4.0", "Creative Commons Attribution-ShareAlike", "by sa"],
    "by-nd": ["by-nd", "Creative Commons - Attribution - No Derivatives", "CC BY-ND 4.0"],
    "by-nc": ["by-nc", "CC BY-NC", "Creative Commons Attribution-NonCommercial 4.0"],
    "by-nc-sa": [
        "by-nc-sa",
        "CC BY-NC-SA 3.0",
        "Creative Commons Attribution-NonCommercial-ShareAlike 3.0 Unported",
        "https://creativecommons.org/licenses/by-nc-sa/4.0/",
        "BY-SA-NC",
    ],
    "by-nc-nd": ["by-nc-nd", "Attribution-Non-Commercial-NoDerivs"],
    "mit": ["MIT", "MIT License", "The MIT License"],
    "apache-2.0": ["Apache-2.0", "Apache License 2.0", "apache software license version 2.0"],
    "bsd-3-clause": ["BSD-3-Clause", 'BSD 3-Clause "New" or "Revised" License'],
    "gpl-3.0": ["GPL-3.0", "GPLv3", "GNU General Public License v3.0", "GPL-3.0-or-later"],
    "lgpl-2.1": ["LGPL-2.1-only"],
    "odc-by": ["ODC-By", "odc-by-1.0"],
}


@pytest.mark.parametrize(
    ("text", "name"), [(text, name) for name, texts in SPELLINGS.items() for text in texts]
)
def test_every_spelling_has_its_name(text, name):
    assert normalize_licence(text) == name


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", " ", "cc", "nc", "sa", "by-nd-sa", "by-nc-nd-sa", "free to use", "Standard", "unknown"),
        *("All rights reserved", "CC BY or MIT", "by the author", "Sketchfab Standard", "editorial", "4.0"),
        *(
            "CC BY 4.0, no training",
            "not cc0",
            "cc0 except textures",
            "attribution required",
            "\x00",
            "\ud800",
        ),
        *("https://evil.example/creativecommons.org/licenses/by/4.0", "cc0" + " " * 300, "gpl", "apache"),
        "https://creativecommons.org/licenses/by/4.0/?but=not",
        "https://creativecommons.org/licenses/nc-sampling+/1.0/",
    ],
)
def test_what_cannot_be_told_has_no_name(text):
    assert normalize_licence(text) is None


@pytest.mark.parametrize("name", LICENCES)
def test_a_name_is_its_own_spelling(name):
    assert normalize_licence(name) == name


@pytest.mark.parametrize(("name", "address"), ADDRESSES.items())
def test_an_address_is_one_of_its_licence(name, address):
    assert normalize_licence(address) == name

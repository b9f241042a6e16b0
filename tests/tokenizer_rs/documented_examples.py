"""Runs the Python examples of a Markdown page, in order, in one namespace.

    python documented_examples.py docs/tokenizers.md

Needs nothing but what the examples import, so that it can run where only the wheel is installed.
"""

import re
import sys
from pathlib import Path

FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_examples(page: Path) -> int:
    """Run every fenced Python block; returns how many there were."""
    text = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    count = 0
    for match in FENCED.finditer(text):
        # Blank lines in front make the line numbers of a traceback those of the page.
        line = text.count("\n", 0, match.start(1))
        exec(compile("\n" * line + match[1], str(page), "exec"), namespace)
        count += 1
    return count


if __name__ == "__main__":
    examples = run_examples(Path(sys.argv[1]))
    if not examples:
        sys.exit(f"{sys.argv[1]}: no Python example found")
    print(f"{examples} examples ran")

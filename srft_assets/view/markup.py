"""Text of runs as HTML: escaped, what hides or reorders made visible, colours and diffs told apart.

Nothing here gives HTML but `Markup` whose every piece of foreign text was escaped.
"""

import difflib
import re
from collections.abc import Iterator

import orjson
from markupsafe import Markup, escape

from srft_assets.text import visible_lines

LIMIT = 20_000
"""Characters of a text on a page; of a longer one the middle is left out, and linked."""
LINE = 4_000
ANSI = re.compile(r"\x1b\[([0-9;]*)([mK])")
"""Colours, and `erase to the end of the line`, which greps write beside each: it shows nothing."""
HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@")
HEAD = (
    "diff --git ",
    "--- ",
    "+++ ",
    "index ",
    "new file",
    "deleted file",
    "similarity ",
    "rename ",
)
BRIGHT = 60
"""Codes 90 to 97 and 100 to 107 are the bright colours of 30 to 37 and 40 to 47."""


def lines_of(text: str) -> int:
    """How many lines a person counts."""
    return text.strip("\n").count("\n") + 1 if text.strip("\n") else 0


def clipped(text: str, limit: int = LIMIT) -> tuple[str, str, int]:
    """Head and tail of a text, and how many characters are left out between them."""
    if len(text) <= limit:
        return text, "", 0
    head = limit * 3 // 4
    tail = limit - head
    return text[:head], text[-tail:], len(text) - limit


def shown(text: str, limit: int = LIMIT) -> Markup:
    """The text for a `<pre>`."""
    head, tail, cut = clipped(text, limit)
    if not cut:
        return _block(head)
    note = Markup('<span class="cut">⋯ {:,} more characters ⋯</span>\n').format(cut)
    return _block(head) + Markup("\n") + note + _block(tail)


def word(text: object) -> Markup:
    """A short text on one line: a name, an id, a reason."""
    one = "" if text is None else str(text)
    return _visible(one.replace("\n", " ↵ ") if "\n" in one else one)


def _block(text: str) -> Markup:
    painter = _Painter()
    return Markup("\n").join(_lines(text.replace("\r\n", "\n").split("\n"), painter))


def _lines(lines: list[str], painter: "_Painter") -> Iterator[Markup]:
    inside = False
    for line in lines:
        bare = ANSI.sub("", line)
        kind, inside = _kind(bare, inside)
        drawn = painter.line(_short(line))
        yield Markup('<span class="{}">{}</span>').format(kind, drawn) if kind else drawn


def _short(line: str) -> str:
    if len(line) <= LINE:
        return line
    half = LINE // 2
    return f"{line[:half]} ⋯ {len(line) - LINE:,} more characters ⋯ {line[-half:]}"


def _kind(line: str, inside: bool) -> tuple[str, bool]:
    """What a line is within a diff, and whether the next may be of one."""
    if HUNK.match(line):
        return "hunk", True
    if line.startswith("diff --git "):
        return "file", True
    if not inside:
        return "", False
    if line.startswith(HEAD):
        return "file", True
    if line.startswith("+"):
        return "add", True
    if line.startswith("-"):
        return "del", True
    return "", line[:1] in (" ", "\\", "")


class _Painter:
    """Colours of a terminal as classes; a colour holds until another comes, over line ends."""

    def __init__(self) -> None:
        self.colours: dict[str, str] = {}

    def line(self, line: str) -> Markup:
        """One line, painted."""
        if "\x1b" not in line:
            return self._painted(line)
        drawn, at = Markup(""), 0
        for found in ANSI.finditer(line):
            drawn += self._painted(line[at : found.start()])
            if found[2] == "m":
                self._take(found[1])
            at = found.end()
        return drawn + self._painted(line[at:])

    def _painted(self, text: str) -> Markup:
        if not text:
            return Markup("")
        if not self.colours:
            return _visible(text)
        classes = " ".join(sorted(self.colours.values()))
        return Markup('<span class="{}">{}</span>').format(classes, _visible(text))

    def _take(self, codes: str) -> None:
        numbers = [int(code[:4] or 0) for code in codes.split(";")]
        while numbers:
            code = numbers.pop(0)
            if code in (38, 48):
                self._extended(code, numbers)
            elif code == 0:
                self.colours.clear()
            elif code in (1, 2, 3, 4, 7):
                self.colours[f"s{code}"] = f"s{code}"
            elif code in (22, 23, 24, 27):
                for style in (1, 2) if code == 22 else (code - 20,):
                    self.colours.pop(f"s{style}", None)
            elif code in (39, 49):
                self.colours.pop("f" if code == 39 else "b", None)
            else:
                self._plain(code)

    def _plain(self, code: int) -> None:
        bright = 8 if code >= 90 else 0
        base = code - BRIGHT if bright else code
        if 30 <= base <= 37:
            self.colours["f"] = f"f{base - 30 + bright}"
        elif 40 <= base <= 47:
            self.colours["b"] = f"b{base - 40 + bright}"

    def _extended(self, code: int, numbers: list[int]) -> None:
        """`38;5;N` and `38;2;R;G;B`: the first sixteen colours are told, others stay plain."""
        kind = numbers.pop(0) if numbers else 0
        taken = [numbers.pop(0) for _ in range({5: 1, 2: 3}.get(kind, 0)) if numbers]
        side = "f" if code == 38 else "b"
        if kind == 5 and taken and taken[0] < 16:
            self.colours[side] = f"{side}{taken[0]}"
        else:
            self.colours.pop(side, None)


def _visible(text: str) -> Markup:
    plain = text.isascii() and text.isprintable()
    return escape(text if plain else visible_lines(text))


def command(given: str) -> Markup:
    """What a tool was given. An edit in JSON is shown as a diff, other JSON by its fields."""
    if given.lstrip().startswith("{"):
        try:
            stated = orjson.loads(given)
        except orjson.JSONDecodeError:
            stated = None
        if isinstance(stated, dict) and stated:
            return _fields(stated)
    return shown(given)


def _fields(stated: dict[str, object]) -> Markup:
    old, new = stated.get("old_str"), stated.get("new_str")
    parts = []
    if isinstance(old, str) and isinstance(new, str) and len(old) + len(new) <= LIMIT:
        stated = {
            name: value for name, value in stated.items() if name not in ("old_str", "new_str")
        }
        changed = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=3)
        parts.append(shown("\n".join([*changed][2:])))
    told = [
        Markup('<span class="field">{}</span> {}').format(word(name), shown(_plain(value)))
        for name, value in stated.items()
    ]
    return Markup("\n").join([*told, *parts])


def _plain(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()

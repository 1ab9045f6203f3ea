"""Text of a run on a page: what it says is kept, what it would do is not."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from srft_assets.text import visible_lines
from srft_assets.view.markup import ANSI, LIMIT, command, shown, word

SIGNS = st.text(
    st.one_of(
        st.sampled_from("<>&\"'+-@ \n\t\r\x00\x1b[;m0131\u202e\u200b{}%"), st.characters(codec=None)
    ),
    max_size=200,
)


class Read(HTMLParser):
    """The text of some HTML, and its elements."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.elements = "", set[str]()
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements |= {tag, *(f"{tag} {name}" for name, _ in attrs)}


@given(SIGNS)
def test_the_text_of_the_html_is_the_visible_text(text: str) -> None:
    read = Read(str(shown(text)))
    bare = ANSI.sub("", text.replace("\r\n", "\n"))
    assert "".join(read.text.split()) == "".join(visible_lines(bare).split())
    assert read.elements <= {"span", "span class"}


@given(SIGNS)
def test_a_word_is_one_line_of_text(text: str) -> None:
    read = Read(str(word(text)))
    assert not read.elements and "\n" not in read.text
    assert all(char.isprintable() for char in read.text)


@given(st.dictionaries(SIGNS, st.one_of(SIGNS, st.integers(), st.none()), max_size=4), SIGNS)
def test_commands_in_json_are_text_as_well(fields: dict, old: str) -> None:
    import json

    given_text = json.dumps({**fields, "old_str": old, "new_str": "<b>"})
    assert Read(str(command(given_text))).elements <= {"span", "span class"}


def test_colours_of_a_terminal_become_classes_that_hold_over_lines() -> None:
    assert shown("\x1b[1;31ma\nb\x1b[0mc") == (
        '<span class="f1 s1">a</span>\n<span class="f1 s1">b</span>c'
    )
    assert shown("\x1b[38;5;2ma\x1b[39mb\x1b[91mc\x1b[38;2;1;2;3md") == (
        '<span class="f2">a</span>b<span class="f9">c</span>d'
    )
    assert shown("\x1b[2J\x1b]0;title\x07") == "␛[2J␛]0;title␇"


def test_lines_of_a_diff_are_told_apart_and_no_others() -> None:
    html = str(
        shown("- a list\ndiff --git a/x b/x\n--- a/x\n@@ -1,2 +1 @@\n-old\n+new\n same\nend\n+ x")
    )
    assert html.split("\n") == [
        "- a list",
        '<span class="file">diff --git a/x b/x</span>',
        '<span class="file">--- a/x</span>',
        '<span class="hunk">@@ -1,2 +1 @@</span>',
        '<span class="del">-old</span>',
        '<span class="add">+new</span>',
        " same",
        "end",
        "+ x",
    ]


def test_an_edit_in_json_is_shown_as_a_diff() -> None:
    html = str(
        command(
            '{"command": "str_replace", "path": "a.py", "old_str": "x\\ny", "new_str": "z\\ny"}'
        )
    )
    assert '<span class="del">-x</span>' in html and '<span class="add">+z</span>' in html
    assert "old_str" not in html and "a.py" in html


def test_of_a_long_text_the_middle_is_counted_in_its_place() -> None:
    text = "a" * LIMIT + "b" * 1_000_000 + "c" * LIMIT
    html = str(shown(text))
    assert "1,020,000 more characters" in html and len(html) < 2 * LIMIT
    line = str(shown("x" * 10_000))
    assert "6,000 more characters" in line

"""A critic's `prompt.md`: what it may say, and what is said where it may not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.prompt.template import VARIABLES, Prompt, load_prompt, sample
from srft_assets.errors import SrftError
from tests.critic.prompt_runs import CRITICS, spec

DOCS = Path(__file__).parents[2] / "docs/critics.md"


def load(folder: Path, text: str, **settings):
    path = folder / "prompt.md"
    path.write_text(text)
    return load_prompt(path, spec(**settings))


def refusal(folder: Path, text: str, **settings) -> str:
    with pytest.raises(SrftError) as caught:
        load(folder, text, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder}/")


def test_two_blocks_become_two_messages(tmp_path):
    prompt = load(
        tmp_path,
        "{% block system %}Judge.{% endblock %}\n{% block user %}\n{{ run }}\n{% endblock %}\n",
    )
    assert prompt.messages(sample()) == [
        {"role": "system", "content": "Judge."},
        {"role": "user", "content": "text"},
    ]


def test_without_blocks_the_whole_is_one_message(tmp_path):
    prompt = load(tmp_path, "Judge. {{ run }}")
    assert prompt.messages(sample()) == [{"role": "user", "content": "Judge. text"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ run }}\n{% if %}", "prompt.md:2: Expected an expression"),
        ("{{ run }}\n{{ run | shout }}", "prompt.md:2: No filter named 'shout'."),
        ("{{ run }}\n\n{{ steps_ }}", "prompt.md:3: unknown variable steps_: there are labels,"),
        ("Judge.", "prompt.md:1: the run is never shown: write {{ run }} where it belongs"),
        ("{{ run }}{{ steps[0].colour }}", "has no attribute 'colour'"),
        ("{{ run }}{% include 'x' %}", "no loader"),
        (
            "Hi.\n{% block user %}{{ run }}{% endblock %}",
            "prompt.md:1: text outside the blocks: put it into block system or block user",
        ),
        (
            "{% block usr %}{{ run }}{% endblock %}",
            "prompt.md:1: text outside the blocks: put it into block system or block user",
        ),
        ("{% block system %}Hi{% endblock %}", "prompt.md:1: there is no block user"),
        (
            "{% block user %}{{ run }}{% endblock %}\n{% block user %}{% endblock %}",
            "prompt.md:2: block user is there twice",
        ),
        (
            "{% block system %}\n{{ task }}{% endblock %}{% block user %}{{ run }}{% endblock %}",
            "prompt.md:2: task in block system: move it to block user",
        ),
    ],
)
def test_a_wrong_prompt_is_told_with_line_and_fix(tmp_path, text, told):
    assert told in refusal(tmp_path, text)


def test_a_prompt_may_name_only_what_the_critic_sees(tmp_path):
    text = "{{ run }}\n{{ gold_patch }}"
    told = "prompt.md:2: the critic does not see gold_patch: set sees.gold_patch: true"
    assert told in refusal(tmp_path, text)
    assert load(tmp_path, text, sees={"gold_patch": True}).variables == {"run", "gold_patch"}
    assert "sees.outcome" in refusal(tmp_path, "{{ run }}{{ outcome }}", sees={"outcome": False})


def test_a_critic_that_asks_for_some_steps_must_say_which(tmp_path):
    assert "name first_step and last_step" in refusal(tmp_path, "{{ run }}", reading="steps")


def test_a_missing_or_unreadable_file_is_told(tmp_path):
    with pytest.raises(SrftError, match=r"nowhere\.md: no such prompt"):
        load_prompt(tmp_path / "nowhere.md")
    (tmp_path / "prompt.md").write_bytes(b"{{ run }}\xff")
    with pytest.raises(SrftError, match=r"not UTF-8 \(byte 9\)"):
        load_prompt(tmp_path / "prompt.md")


def test_a_prompt_cannot_reach_out_of_its_sandbox(tmp_path):
    assert "unsafe" in refusal(tmp_path, "{{ run }}{{ steps.__class__.__mro__ }}")
    assert "unsafe" in refusal(tmp_path, "{{ run }}{{ labels.append(1) }}")


def test_white_space_at_line_ends_and_comments_do_not_count(tmp_path):
    plain = load(tmp_path, "Judge this.\n\n{{ run }}\nWell.")
    spaced = load(tmp_path, "Judge this.  \n\n{{run}}\t\n{# why #}\nWell.\n\n")
    assert plain.digest == spaced.digest
    assert plain.messages(sample()) == spaced.messages(sample())


@pytest.mark.parametrize(
    "text",
    [
        "Judge that.\n{{ run }}",
        "Judge  this.\n{{ run }}",
        "Judge this.\n\n{{ run }}",
        "Judge this.\n{{ task }}{{ run }}",
    ],
)
def test_every_word_counts(tmp_path, text):
    assert load(tmp_path, text).digest != load(tmp_path, "Judge this.\n{{ run }}").digest


PIECES = st.lists(
    st.sampled_from(["a", " ", "\n", "{# c #}", "{{ run }}", "{{run}}", "{% if run %}x{% endif %}"])
)


@given(PIECES, PIECES)
def test_prompts_of_one_digest_render_alike(left, right):
    one, other = (Prompt("prompt.md", "".join(pieces).rstrip()) for pieces in (left, right))
    if one.digest == other.digest:
        assert one.messages(sample()) == other.messages(sample())


@pytest.mark.parametrize("name", ["default", "strict", "with_patch"])
@pytest.mark.parametrize("reading", ["whole", "windows", "steps"])
def test_the_prompts_that_ship_are_sound(name, reading):
    sees = {"gold_patch": name == "with_patch"}
    prompt = load_prompt(CRITICS / name / "prompt.md", spec(reading=reading, sees=sees))
    system, user = prompt.messages(sample())
    assert all(f"- {label}: " in system["content"] for label in ("good", "mistake", "recover"))
    assert user["content"].endswith("Answer with the JSON object only.")


def test_every_variable_is_documented():
    told = DOCS.read_text()
    assert [name for name in VARIABLES if f"| `{name}` |" not in told] == []


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("{# other words #}\nJudge this.\n{{ run }}", True),
        ("{# why #}\nJudge this.\n{{run}}", True),
        ("{# why #}\nJudge this.\n{{ run }}\n{# and why #}", True),
        ("{# why #}\nJudge that.\n{{ run }}", False),
        ("{# why #}\nJudge this.\n{{ steps }}", False),
    ],
)
def test_what_is_compared_leaves_out_what_decides_nothing(tmp_path, text, same):
    before = load(tmp_path, "{# why #}\nJudge this.\n{{ run }}")
    assert (load(tmp_path, text).deciding == before.deciding) is same


def test_what_is_compared_has_the_lines_of_the_file(tmp_path):
    text = "{# one\ntwo #}\n{% block user %}\nJudge {{\n run }}\nnow.\n{% endblock %}"
    lines = load(tmp_path, text).deciding.splitlines()
    assert lines[3].startswith("Judge ") and lines[5] == "now."

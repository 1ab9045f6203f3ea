"""Every page by keys alone, at 80 to 200 % and in both themes: what Chromium computes, measured.

WCAG 2.2: 1.4.3 contrast, 1.4.10 reflow, 2.1.1 keyboard, 2.4.7 focus visible, 4.1.2 name and role.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from srft_assets.home import Home
from srft_assets.view.index import Index
from tests.chromium import opened_page
from tests.view.served import Served, serving

CONTROLS = {
    *("button", "link", "textbox", "searchbox", "combobox", "checkbox", "progressbar"),
    *("DisclosureTriangle", "image", "heading"),
}
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) =>
    [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((one) => {
      const part = one / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement)
      layers.push(rgba(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const opacity = (element) => {
    let found = 1;
    for (let one = element; one; one = one.parentElement)
      found *= Number(getComputedStyle(one).opacity);
    return found;
  };
  const found = new Map();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const element = text.parentElement;
    if (!text.data.trim() || element.closest("svg, option, script, .hidden, dialog:not([open])"))
      continue;
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const under = ground(element);
    const [r, g, b, a] = rgba(style.color);
    const shown = over([r, g, b, a * opacity(element)], under);
    const [dim, bright] = [light(shown), light(under)].sort((x, y) => x - y);
    const ratio = (bright + 0.05) / (dim + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const pair = `${style.color} on ${under.map(Math.round).slice(0, 3)}`;
    const where = `${element.tagName}.${element.className} ${text.data.trim().slice(0, 30)}`;
    if (!found.has(pair)) found.set(pair, [ratio, large, where]);
  }
  return [...found].map(([pair, rest]) => [pair, ...rest]);
}"""
REACHABLE = """() => {
  const all = document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary");
  const shown = [...all].filter((one) => one.checkVisibility() && !one.disabled);
  shown.forEach((one, at) => (one.dataset.tab = at));
  return shown.length;
}"""
FOCUSED = """() => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return [one.dataset.tab ?? null, seen, one.outerHTML.slice(0, 120)];
}"""
WIDE = """() => {
  const page = document.scrollingElement;
  const out = [...document.querySelectorAll("main *, header.bar *, footer *")].filter((one) => {
    if (!one.checkVisibility()) return false;
    if (one.closest(".scroll, pre, svg, .hidden, .skip, .map")) return false;
    const box = one.getBoundingClientRect();
    return box.width && (box.right > page.clientWidth + 1 || box.left < -1);
  });
  return [page.scrollWidth - page.clientWidth, out.map((one) => one.outerHTML.slice(0, 120))];
}"""
COVERED = """() => {
  const controls = document.querySelectorAll(
    "main a[href], main button, main input:not([type=hidden]), main select");
  const boxes = [...controls]
    .filter((one) => one.checkVisibility())
    .filter((one) => !one.closest(".scroll, pre, footer, ol, .map, .hidden, .statistics > nav"))
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([, box]) => box.width);
  const found = [];
  for (const [a, x] of boxes) for (const [b, y] of boxes) {
    if (a === b || a.contains(b) || b.contains(a)) continue;
    const wide = Math.min(x.right, y.right) - Math.max(x.left, y.left);
    const high = Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top);
    if (wide > 1 && high > 1) found.push([a.outerHTML.slice(0, 80), b.outerHTML.slice(0, 80)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def everywhere(full: Home, served: Served) -> Iterator[list[tuple[str, Any, str]]]:
    """Name, server and path of every page, of two platforms: hostile runs, and every statistic."""
    run = Index(served.home).runs().filter(batch="plain")["trajectory_id"][0]
    judging = "/judge?who=zoe&batch=plain&size=8&set=seen&critic=one&blind="
    here = {
        "runs": "/?critic=one&other=two",
        "nothing": "/?search=nowhere",
        "wrong": "/?where=x+%3D",
        "run": f"/run/{run}",
        "hostile": "/run/hostile.",
        "mask": f"/mask/{run}?arm=seen",
        "judge": judging,
        "begin": "/judge",
        "compare": "/compare?a=one&b=two",
        "pair": "/pair?a=a.&b=b.",
        "refused": "/run/nobody",
    }
    there = {
        "losses": "/statistics?chart=losses",
        "arms": "/compare",
        "tool": "/statistics?chart=tool",
    }
    with serving(full) as other:
        yield [
            *((name, served, path) for name, path in here.items()),
            *((name, other, path) for name, path in there.items()),
        ]


@pytest.fixture(scope="module")
def browser(everywhere: list[tuple[str, Served, str]]) -> Iterator[Any]:
    """A page of Chromium that knows both."""
    with opened_page() as page:
        for one in {id(served): served for _, served, _ in everywhere}.values():
            page.goto(one.link())
        yield page


Everywhere = list[tuple[str, Served, str]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    browser: Any, everywhere: Everywhere, theme: str
) -> None:
    browser.emulate_media(color_scheme=theme)
    browser.set_viewport_size({"width": 1280, "height": 900})
    low = {}
    for name, served, path in everywhere:
        browser.goto(served.at(path))
        browser.keyboard.press("j")
        pairs = browser.evaluate(CONTRAST)
        assert pairs, name
        low[name] = [one for one in pairs if one[1] < (3 if one[2] else 4.5)]
    assert not any(low.values()), low


@pytest.mark.parametrize("zoom", [80, 100, 150, 200])
def test_nothing_is_cut_or_covered_at_any_zoom(
    browser: Any, everywhere: Everywhere, zoom: int
) -> None:
    browser.set_viewport_size({"width": 1280 * 100 // zoom, "height": 900 * 100 // zoom})
    cut, covered = {}, {}
    for name, served, path in everywhere:
        browser.goto(served.at(path))
        too_wide, outside = browser.evaluate(WIDE)
        if too_wide > 0 or outside:
            cut[name] = (too_wide, outside[:3])
        covered[name] = browser.evaluate(COVERED)[:3]
    assert not cut and not any(covered.values()), (cut, covered)


def test_every_control_is_reached_by_the_tab_key_and_seen(
    browser: Any, everywhere: Everywhere
) -> None:
    browser.set_viewport_size({"width": 1280, "height": 900})
    for name, served, path in everywhere:
        browser.goto(served.at(path))
        browser.evaluate("document.activeElement.blur()")
        count, reached = browser.evaluate(REACHABLE), set[str]()
        for _ in range(3 * count + 20):
            browser.keyboard.press("Tab")
            at, seen, what = browser.evaluate(FOCUSED)
            if at is not None:
                assert seen, (name, what)
                reached.add(at)
            if len(reached) == count:
                break
        assert len(reached) == count, (name, {*map(str, range(count))} - reached)


def test_every_control_has_a_name_and_a_role(browser: Any, everywhere: Everywhere) -> None:
    tree, wrong = browser.context.new_cdp_session(browser), []
    for name, served, path in everywhere:
        browser.goto(served.at(path))
        nodes = tree.send("Accessibility.getFullAXTree")["nodes"]
        there = [one for one in nodes if not one.get("ignored")]
        roles = {one["role"]["value"] for one in there if "role" in one}
        wrong += [(name, role) for role in {"main", "heading", "link"} - roles]
        wrong += [
            (name, one["role"]["value"], one.get("properties"))
            for one in there
            if one.get("role", {}).get("value") in CONTROLS
            and not one.get("name", {}).get("value", "").strip()
        ]
    tree.detach()
    assert not wrong, wrong

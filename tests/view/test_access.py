"""Who is let in: whoever opened a link, from a page of ours, by a name of this machine."""

import http.client
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import srft_assets.view as view
from srft_assets.errors import UsageError
from tests.view.served import Served

DANGEROUS = re.compile(r"(inner|outer)HTML|insertAdjacentHTML|eval\(|document\.write|Function\(")


def asked(
    served: Served, path: str, method: str = "GET", body: str = "", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer; headers of the request with `_` for `-`."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    given = {"host": f"127.0.0.1:{served.port}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body or None, given)
    answer = connection.getresponse()
    told = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, told, answer.read().decode()


def path_of(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def entered(served: Served) -> str:
    """The cookie of a link."""
    _, headers, _ = asked(served, path_of(served.link()))
    return headers["set-cookie"].partition(";")[0]


def test_nothing_is_shown_without_a_cookie(served: Served) -> None:
    for path in ("/", "/run/a", "/static/view.css", "/at/0", "/text/a/0/thought"):
        status, _, text = asked(served, path)
        assert status == 403 and "srft view" in text


def test_a_link_works_once_and_becomes_a_cookie_of_this_site_alone(served: Served) -> None:
    link = path_of(served.link())
    status, headers, _ = asked(served, link)
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert link.partition("=")[2] not in headers["set-cookie"]
    assert asked(served, "/", cookie=headers["set-cookie"].partition(";")[0])[0] == 200
    status, headers, _ = asked(served, link)
    assert status == 403 and "set-cookie" not in headers


@pytest.mark.parametrize("token", ["", "x", "é", "' OR 1=1"])
def test_no_other_token_opens(served: Served, token: str) -> None:
    from urllib.parse import quote

    assert asked(served, f"/open?token={quote(token)}")[0] == 403
    assert asked(served, "/", cookie=f"srft_view_{served.port}={quote(token)}")[0] == 403


def test_another_host_is_refused_also_with_the_cookie(served: Served) -> None:
    cookie = entered(served)
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1:1", ""):
        assert asked(served, "/", host=host, cookie=cookie)[0] == 403
    assert asked(served, "/", host=f"localhost:{served.port}", cookie=cookie)[0] == 200


def test_another_origin_is_refused_also_with_the_cookie(served: Served) -> None:
    cookie = entered(served)
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{served.port + 1}"):
        assert asked(served, "/", origin=origin, cookie=cookie)[0] == 403
        sent = asked(
            served, "/", "POST", "{}", origin=origin, cookie=cookie, content_type="application/json"
        )
        assert sent[0] == 403


def test_what_changes_something_needs_our_origin_and_is_json(served: Served) -> None:
    cookie, own = entered(served), f"http://127.0.0.1:{served.port}"
    assert asked(served, "/", "POST", "{}", cookie=cookie)[2] == "no Origin\n"
    form = "application/x-www-form-urlencoded"
    told = asked(served, "/", "POST", "a=b", cookie=cookie, origin=own, content_type=form)
    assert told[2] == "only JSON can be sent\n"


def test_a_link_of_another_site_is_asked_for_again_by_our_own_page(served: Served) -> None:
    given = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    status, _, text = asked(served, "/", **given)
    assert status == 200 and 'http-equiv="refresh"' in text and "<table" not in text
    assert asked(served, "/", sec_fetch_site="same-origin")[0] == 403
    scripted = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}
    assert asked(served, "/", cookie=entered(served), **scripted)[0] == 403


def test_every_answer_bears_the_policy(served: Served) -> None:
    cookie = entered(served)
    for path in ("/", "/run/unknown", "/nowhere", "/static/view.css", "/text/x/0/thought"):
        for headers in ({}, {"cookie": cookie}):
            _, told, _ = asked(served, path, **headers)
            policy = told["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy
            assert told["x-content-type-options"] == "nosniff"
            assert told["cache-control"] == "no-store"


def test_pages_hold_no_script_and_no_style_of_their_own() -> None:
    folder = Path(view.__file__).parent
    templates = {*(folder / "templates").glob("*.html")} - {folder / "templates" / "report.html"}
    assert len(templates) >= 4
    for file in templates:
        text = file.read_text()
        for tag in re.findall(r"<script[^>]*>", text):
            assert re.search(r'src="/static/\w+\.js"', tag), (file.name, tag)
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|\|\s*safe\b|https?://", text), (
            file.name
        )
    for file in (folder / "static").glob("*.js"):
        assert not DANGEROUS.search(file.read_text()), file.name


def test_a_link_on_another_site_opens_for_who_has_the_cookie(page: Any, served: Served) -> None:
    """Such as Dagster's, which bear another name of this machine: another site for a browser."""

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            address = served.at("/?batch=plain")
            self.wfile.write(f"<a href='{address}'>runs</a><img src='{address}'>".encode())

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        page.goto(f"http://localhost:{other.server_port}/")
        page.get_by_role("link", name="runs").click()
        page.locator("table.runs tbody tr").first.wait_for()
        assert page.locator("table.runs tbody tr").count() == 3
        other.shutdown()


def test_a_port_that_is_taken_is_told_before_a_link_is(served: Served) -> None:
    from srft_assets.cli.view import view as command

    with pytest.raises(UsageError, match=f"port {served.port}.*--port"):
        command(port=served.port, links=1)

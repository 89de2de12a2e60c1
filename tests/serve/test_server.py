"""A spec that is served, without a browser: who may ask, what is said of a text, and when a file is written."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from patience import IN_TIME

from archc.api import load
from archc.catalog import shipped
from archc.editor.document import Document, Given
from archc.serve.live import Live, Stale
from archc.viz.page import page

from ..viz.test_page import data_of
from .window import LONG, Window, served

NET = "arch Net(c: int = 8) {\n  input x: [N, 3, H, W] = [1, 3, 32, 32]\n  output x -> conv(c, 3) -> relu -> gap\n}\n"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.arch"
    path.write_text(NET)
    return path


@pytest.fixture
def here(net: Path) -> Iterator[tuple[Live, Window]]:
    with served(net) as found:
        yield found


# --- parameters ------------------------------------------------------------------------------------------


def test_parameters_that_are_given_are_drawn(net: Path) -> None:
    """Also of an architecture that needs them, and after an edit."""
    net.write_text(NET + "arch Other(c: int) {\n  input x: [N, c, 8, 8]\n  output x -> conv(c, 1)\n}\n")
    for name, numbers in (("Net", 100 * 27), ("Other", 100 * 100)):
        with served(net, name, given=Given(name, {"c": 100})) as (_, window):
            assert window.wait("figures")["totals"]["parameters"] == numbers
            assert window.latest["checked"]["drawable"] and window.latest["checked"]["name"] == name
            titles = window.latest["figures"]["title"], window.wait("picture")["name"]
            assert titles == (f"{name}(c = 100)",) * 2
            window.edit(window.latest["text"]["text"].replace("conv(c, ", "conv(2 * c, "))
            assert window.wait("figures", lambda word, n=2 * numbers: word["totals"]["parameters"] == n)


def test_parameters_stay_whatever_the_architecture_is_called(net: Path) -> None:
    """Also where the text has errors at first, and where it is renamed."""
    net.write_text(NET.replace("input x", "inptu x"))
    for name in (None, "Net"):
        with served(net, name, given=Given(name, {"c": 100})) as (_, window):
            assert not window.wait("checked", lambda word: word["finished"])["drawable"]
            for text in (NET, NET.replace("arch Net", "arch Other")):
                window.edit(text)
                called = "Other" if "Other" in text else "Net"
                figures = window.wait("figures", lambda word, c=called: word["name"] == c)
                assert figures["totals"]["parameters"] == 2700


@pytest.mark.parametrize(("given", "code"), [({"d": 1}, "E0309"), ({"c": "wide"}, "E0311")])
def test_parameters_that_there_are_not(net: Path, given: dict[str, Any], code: str) -> None:
    with served(net, "Net", given=Given("Net", given)) as (_, window):
        assert code in [found["code"] for found in window.latest["checked"]["diagnostics"]]


# --- who may ask -------------------------------------------------------------------------------------

PATHS = ["", "page.js", "codemirror.js", "picture", "events", "nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_there_is_nothing(here: tuple[Live, Window], path: str) -> None:
    window = here[1]
    token = window.path.strip("/")
    for prefix in ("/", f"/{token[:-1]}/", f"/{token}x/", f"/{token.swapcase()}/", f"/?token={token}&"):
        for method in ("GET", "POST"):
            status, content = window.ask(method, prefix + path, b"{}" if method == "POST" else None, JSON)
            assert status == 403 and token.encode() not in content
    assert window.post("save", version=1)[0] == 200


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_other_pages_reach_nothing(here: tuple[Live, Window], net: Path, headers: dict[str, str], status: int) -> None:
    live, window = here
    body = '{"text": "", "base": 1, "by": "", "cursor": 0}'
    assert window.ask("POST", "edit", body, {**JSON, **headers})[0] == status
    if "Content-Type" not in headers:
        assert window.ask("GET", "", None, headers)[0] == status
        assert window.ask("GET", "events", None, headers)[0] == status
    assert (live.text, net.read_text()) == (NET, NET)


def test_its_own_page_reaches_it_by_either_name(here: tuple[Live, Window]) -> None:
    window = here[1]
    for host in (window.host, window.host.replace("127.0.0.1", "localhost")):
        own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert window.ask("GET", "", None, own)[0] == 200
        assert window.ask("POST", "explain", '{"name": "E0401"}', {**JSON, **own})[0] == 200


@pytest.mark.parametrize(
    "path", ["../", "../../etc/passwd", "%2e%2e/net.arch", "net.arch", "page.css/../live.py", "live.py", "?page.css"]
)
def test_no_path_is_that_of_a_file(here: tuple[Live, Window], path: str) -> None:
    assert here[1].ask("GET", path)[0] == 404
    assert here[1].ask("POST", path, b"{}", JSON)[0] == 404


@pytest.mark.parametrize(
    "what, body, status",
    [
        ("edit", b"{", 400),
        ("edit", b"\xff", 400),
        ("edit", b"[" * 100_000, 400),
        ("edit", b"[]", 400),
        ("edit", b"{}", 400),
        ("edit", b'{"text": 1, "base": 1, "by": "", "cursor": 0}', 400),
        ("edit", b'{"text": "", "base": true, "by": "", "cursor": 0}', 400),
        ("save", b'{"version": 1, "path": "/tmp/other.arch"}', 400),
        ("load", b'{"path": "/etc/passwd"}', 400),
        ("edit", b" " * 3_000_000, 413),
    ],
)
def test_what_is_no_request_changes_nothing(here: tuple[Live, Window], what: str, body: bytes, status: int) -> None:
    live, window = here
    try:
        assert window.ask("POST", what, body, JSON)[0] == status
    except ConnectionError:
        assert status == 413  # what is too large is not read
    assert (live.text, live.version) == (NET, 1)
    assert window.ask("GET", "")[0] == 200


def test_other_machines_do_not_reach_it(here: tuple[Live, Window]) -> None:
    port = int(here[1].host.partition(":")[2])
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)} - {"127.0.0.1"}
    for address in others:
        with pytest.raises(OSError):
            socket.create_connection((address, port), timeout=2).close()


# --- what is said ------------------------------------------------------------------------------------


def test_it_says_what_a_check_a_picture_and_the_figures_say(here: tuple[Live, Window], net: Path) -> None:
    window, architecture = here[1], load(net)
    data = window.wait("picture")
    assert data == data_of(page(architecture.ir))
    figures = window.wait("figures")
    total = architecture.stats()
    assert figures["totals"]["parameters"] == total.parameters == data["parameters"]
    assert figures["totals"]["multiply_adds"] == total.multiply_adds == data["macs"]
    assert figures["shape"] == "[1, 3, 32, 32] -> [1, 8, 1, 1]"
    word = window.latest["checked"]
    assert (word["drawable"], word["name"], word["diagnostics"]) == (True, "Net", [])
    assert window.latest["file"] == {"name": "net.arch", "dirty": False, "outside": "", "shipped": False}


def test_legal_sizes_are_said(here: tuple[Live, Window]) -> None:
    window = here[1]
    window.edit(NET.replace("conv(c, 3)", "conv(c, 7, padding = 0)"))
    assert window.wait("figures", lambda word: word["legal"] != [])["legal"] == ["H and W at least 7"]


def test_an_error_is_said_with_what_mends_it_and_the_last_picture_stays(here: tuple[Live, Window]) -> None:
    window = here[1]
    picture = window.wait("picture")
    wrong = "# \U0001f600é\n" + NET.replace("relu", "relo")
    word = window.edit(wrong)
    (found,) = word["diagnostics"]
    assert not word["drawable"] and found["severity"] == "error"
    units = wrong.encode("utf-16-le")
    assert units[2 * found["from"] : 2 * found["to"]].decode("utf-16-le") == "relo"
    edit = next(edit for edit in found["edits"] if edit["text"] == "relu")
    mended = (units[: 2 * edit["from"]] + edit["text"].encode("utf-16-le") + units[2 * edit["to"] :]).decode(
        "utf-16-le"
    )
    assert window.latest["picture"] == picture
    word = window.edit(mended)
    assert word["drawable"] and word["diagnostics"] == [] and mended.endswith(NET)


def test_a_claim_that_fails_hides_no_picture(here: tuple[Live, Window]) -> None:
    window = here[1]
    word = window.edit(NET.replace("-> gap\n", "-> gap\n  expect params == 1\n").replace("= 8", "= 16"))
    assert word["drawable"] and [d["code"] for d in word["diagnostics"]] == ["E0603"]
    assert window.wait("figures", lambda f: f["totals"]["parameters"] == 16 * 27)


def test_another_architecture_of_the_file_can_be_drawn(here: tuple[Live, Window]) -> None:
    window = here[1]
    word = window.edit(NET + NET.replace("Net(c: int = 8)", "Wide(c: int = 64)") + "arch Free(n: int) = Net(c = n)\n")
    assert [(a["name"], a["needs"]) for a in word["arches"]] == [("Net", []), ("Wide", []), ("Free", ["n"])]
    assert window.post("choose", name="Wide")[0] == 200
    assert window.wait("picture", lambda data: data["name"] == "Wide")["parameters"] == 64 * 27
    window.edit(NET)
    assert window.wait("picture", lambda data: data["name"] == "Net")["parameters"] == 8 * 27


def test_questions_are_about_the_latest_text_alone(here: tuple[Live, Window]) -> None:
    window = here[1]
    at = NET.index("conv")
    status, answer = window.post("hover", version=1, at=at)
    assert status == 200 and "8×32×32" in answer["text"].replace(", ", "×") and answer["from"] == at
    status, answer = window.post("complete", version=1, at=at + 3)
    assert status == 200 and "conv" in [item["label"] for item in answer["items"]]
    assert "channels" in window.post("document", version=1, at=at, label="conv")[1]["text"]
    window.wait("picture")
    keys = window.post("boxes", version=1, at=at)[1]["keys"]
    boxes = [window.latest["picture"]["boxes"][int(key[1:])] for key in keys]
    assert next(row["text"] for box in boxes for row in box["rows"]).startswith("conv 3×3, 8")
    assert "E0401" in window.post("explain", name="E0401")[1]["text"]
    assert window.post("explain", name="../E0401") == (200, {"text": ""})
    untidy = NET.replace(" -> relu", "->relu")
    window.edit(untidy)
    (edit,) = window.post("layout", version=2)[1]["edits"]
    assert untidy[: edit["from"]] + edit["text"] + untidy[edit["to"] :] == NET
    for what in ("hover", "complete", "boxes"):
        assert window.post(what, version=1, at=0) == (409, {"version": 2})


def test_two_windows_have_one_text(here: tuple[Live, Window]) -> None:
    live, window = here
    other = Window(f"http://{window.host}{window.path}")
    other.by = "another"
    other.wait("text")
    window.edit(NET.replace("= 8", "= 9"))
    assert other.wait("text", lambda word: word["version"] == 2)["text"] == live.text
    stale = {"text": NET, "base": 1, "by": "another", "cursor": 0}
    assert other.post("edit", **stale) == (409, {"version": 2})
    assert live.text == NET.replace("= 8", "= 9")
    assert other.post("edit", **{**stale, "base": 2})[0] == 200
    assert window.wait("text", lambda word: word["by"] == "another")["text"] == NET


def test_what_an_edit_makes_stale_is_given_up(tmp_path: Path) -> None:
    """Of many edits in a row the last one is checked whole, and few of those before."""
    path = tmp_path / "net.arch"
    path.write_text(shipped()["resnet18"].read_text(encoding="utf-8"))
    with served(path, "resnet18") as (_, window):
        text, checks = path.read_text(encoding="utf-8"), 0
        for number in range(12):
            version = window.post("edit", text=f"{text}# {number}\n", base=number + 1, by="", cursor=0)[1]["version"]
        while True:
            subject, word = window.said.get(timeout=LONG)
            checks += subject == "checked" and word["finished"]
            if subject == "checked" and word["finished"] and word["version"] == version:
                break
        assert checks < 6


def test_a_question_that_waits_when_the_server_ends_is_stale(net: Path) -> None:
    begun, going_on = threading.Event(), threading.Event()

    def long(document: Document) -> bool:
        begun.set()
        return going_on.wait(LONG)

    with served(net) as (live, _), ThreadPoolExecutor() as pool:
        first = pool.submit(live.ask, 1, long)
        assert begun.wait(LONG)
        second = pool.submit(live.ask, 1, lambda document: True)
        while live._answers._work_queue.empty():
            time.sleep(0.01)
        live.end()
        going_on.set()
        assert first.result() is True
        with pytest.raises(Stale):
            second.result()


# --- the file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before, end", [(b"", "\n"), (b"\xef\xbb\xbf", "\r\n"), (b"", "\r\n")])
def test_saving_writes_the_text_as_the_file_has_its_lines(tmp_path: Path, before: bytes, end: str) -> None:
    path = tmp_path / "net.arch"
    path.write_bytes(before + NET.replace("\n", end).encode())
    path.chmod(0o640)
    with served(path) as (_, window):
        assert window.latest["text"]["text"] == NET
        new = NET.replace("= 8", "= 9") + "# é\n"
        window.edit(new)
        assert window.wait("file", lambda word: word["dirty"])
        assert window.post("save", version=1) == (409, {"version": 2})
        assert window.post("save", version=2) == (200, {})
        assert path.read_bytes() == before + new.replace("\n", end).encode()
        assert path.stat().st_mode & 0o777 == 0o640
        assert not window.wait("file", lambda word: not word["dirty"])["outside"]
        assert [entry.name for entry in tmp_path.iterdir()] == ["net.arch"]


def renamed_over(path: Path, text: str) -> None:
    other = path.with_name(".net.arch.swp")
    other.write_text(text)
    os.replace(other, path)


def truncated(path: Path, text: str) -> None:
    with path.open("w") as stream:
        stream.write(text[:20])
        stream.flush()
        stream.write(text[20:])


def moved_away(path: Path, text: str) -> None:
    path.rename(path.with_name("net.arch~"))
    path.write_text(text)


def as_large_at_the_same_time(path: Path, text: str) -> None:
    status = path.stat()
    other = path.with_name("other")
    other.write_text(text)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(other, path)


@IN_TIME
@pytest.mark.parametrize("save", [renamed_over, truncated, moved_away, as_large_at_the_same_time])
def test_it_follows_the_file_as_any_editor_saves_it(
    here: tuple[Live, Window], net: Path, save: Callable[[Path, str], None], patience: int
) -> None:
    window = here[1]
    for number in (1, 2):
        text = NET.replace("= 8", f"= {number}")
        start = time.perf_counter()
        save(net, text)
        word = window.wait("text", lambda word, text=text: word["text"] == text)
        assert time.perf_counter() - start < 0.2 * patience
        assert word["by"] == "file" and not window.wait("file")["dirty"]
        window.wait("figures", lambda word, number=number: word["totals"]["parameters"] == 27 * number)


def test_it_follows_what_is_imported_also_what_comes_to_be(tmp_path: Path) -> None:
    path, other = tmp_path / "net.arch", tmp_path / "parts.arch"
    path.write_text('use unit from "parts.arch"\n' + NET.replace("conv(c, 3)", "unit(c)"))
    with served(path) as (_, window):
        assert [d["code"] for d in window.latest["checked"]["diagnostics"]] == ["E0701"]
        other.write_text("block unit(c) = conv(c, 3)\n")
        window.wait("checked", lambda word: word["drawable"] and not word["diagnostics"])
        assert window.wait("figures")["totals"]["parameters"] == 8 * 27
        other.write_text("block unit(c) = conv(c, 5)\n")
        window.wait("figures", lambda word: word["totals"]["parameters"] == 8 * 75)
        assert window.latest["text"]["version"] == 1


def test_a_file_that_has_changed_is_never_written_over_in_silence(here: tuple[Live, Window], net: Path) -> None:
    window = here[1]
    mine, theirs = NET.replace("= 8", "= 9"), NET.replace("= 8", "= 7")
    window.edit(mine)
    net.write_text(theirs)
    status, answer = window.post("save", version=2)
    assert status == 422 and answer["diagnostics"][0]["code"] == "E1008" and answer["diagnostics"][0]["hints"]
    assert net.read_text() == theirs
    assert window.wait("file", lambda word: word["outside"] == "changed")["dirty"]
    assert window.latest["text"]["text"] in (NET, mine)
    assert window.post("keep") == (200, {})
    assert window.post("save", version=2) == (200, {}) and net.read_text() == mine
    net.write_text(theirs)
    assert window.wait("text", lambda word: word["text"] == theirs)["by"] == "file"


def test_what_stands_in_the_file_can_be_loaded(here: tuple[Live, Window], net: Path) -> None:
    window = here[1]
    window.edit(NET.replace("= 8", "= 9"))
    net.write_text(NET.replace("= 8", "= 7"))
    window.wait("file", lambda word: word["outside"] == "changed")
    assert window.post("load") == (200, {})
    assert window.wait("text", lambda word: word["by"] == "file" and word["version"] > 1)["text"] == net.read_text()
    assert not window.wait("file", lambda word: not word["dirty"])["outside"]
    net.write_bytes(b"\xff\xfe\x00")
    assert window.wait("file", lambda word: word["outside"] == "unreadable")
    assert window.post("load")[0] == 422
    net.unlink()
    assert window.wait("file", lambda word: word["outside"] == "gone")
    assert window.post("load")[1]["diagnostics"][0]["code"] == "E0701"
    assert window.post("save", version=window.latest["text"]["version"]) == (200, {})
    assert net.read_text() == window.latest["text"]["text"]


def test_what_cannot_be_written_leaves_the_file(here: tuple[Live, Window], net: Path) -> None:
    window = here[1]
    window.edit("# \ud800\n")
    assert window.post("save", version=2)[1]["diagnostics"][0]["code"] == "E0805"
    window.edit("#" * 300_000)
    assert window.post("save", version=3)[1]["diagnostics"][0]["code"] == "E0805"
    assert net.read_text() == NET


def test_what_ships_with_archc_is_not_written_over() -> None:
    path = shipped()["alexnet"]
    before = path.read_bytes()
    with served(path, None, shipped=True) as (_, window):
        assert window.wait("file")["shipped"]
        window.edit(before.decode() + "# mine\n")
        status, answer = window.post("save", version=2)
        assert status == 422 and answer["diagnostics"][0]["code"] == "E0805"
        assert "ships with archc" in answer["diagnostics"][0]["message"] and answer["diagnostics"][0]["hints"]
    assert path.read_bytes() == before


# --- the command -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, status, told",
    [
        (["none.arch"], 1, "E0701"),
        (["none"], 1, "E1001"),
        (["."], 1, "E1003"),
        (["small.arch(width = 4)"], 1, "E0207"),
        (["torchvision.models:resnet18"], 2, "no spec"),
        (["small.arch", "--port", "70000"], 2, "65535"),
    ],
)
def test_what_cannot_be_served_is_refused(
    archc: Callable[..., Any], small: Path, arguments: list[str], status: int, told: str
) -> None:
    refused = archc("serve", *arguments)
    assert refused.status == status and told in refused.err
    assert refused.out == ""


def test_a_port_that_is_taken_is_refused(archc: Callable[..., Any], small: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = archc("serve", small, "--port", taken.getsockname()[1])
    assert refused.status == 1 and "E1007" in refused.err and "--port" in refused.err


ALONE = """
import sys
from archc.cli import main
status = main(sys.argv[1:])
print("torch" in sys.modules, "numpy" in sys.modules)
sys.exit(status)
"""


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of Ctrl-C as POSIX does")
def test_ctrl_c_ends_it_and_it_has_loaded_nothing_heavy(small: Path) -> None:
    command = [sys.executable, "-c", ALONE, "serve", str(small), "small"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{30,}/", line)
        assert address is not None, line
        window = Window(address[0])
        window.wait("checked", lambda word: word["finished"])
        window.wait("picture")
        window.edit(small.read_text() + "# mine\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LONG)
    finally:
        process.kill()
    assert process.returncode == 0 and err == ""
    assert "edits are gone" in out and out.splitlines()[-1] == "False False"
    assert "# mine" not in small.read_text()

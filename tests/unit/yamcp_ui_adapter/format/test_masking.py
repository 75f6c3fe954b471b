"""What pages are shown holds no secret, and what they send back loses none."""

from __future__ import annotations

import gc
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.masking.parts import MASK
from bridge.models import RemoteLaunch, StdioLaunch
from yamcp_ui_adapter.errors import MaskedValue
from yamcp_ui_adapter.format.masked_text import masked_text
from yamcp_ui_adapter.format.masking import (
    mask_config,
    mask_entry,
    mask_launch,
    mask_url,
    unmask_config,
    unmask_entry,
)

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[4] / "bridge/vectors/masking.json").read_text("utf-8"))
SECRET = "hunter2-SECRET"
AT = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
NESTED = {
    "namespace": "web",
    "type": "sse",
    "providerParameters": {
        "url": f"https://me:{SECRET}@example.org/sse?api_key={SECRET}&page=2#x",
        "headers": {"Authorization": f"Bearer {SECRET}", "X-Ref": "${WEB_TOKEN}"},
    },
}
STDIO = {
    "namespace": "files",
    "type": "stdio",
    "providerParameters": {
        "command": "npx",
        "args": ["-y", "x"],
        "env": {"TOKEN": SECRET, "EMPTY": "", "N": 42, "NONE": None},
    },
}
TEXTS = [
    *("", "x", SECRET, MASK, "${VAR}", "${VAR:-x}", "a:b@c", "--api-key", "--token=abc", "é", "--pin", "[broken"),
    *("https://a:b@c/d?token=e&token=f&g", "--url=postgres://u:p@h/?key=x", "X-Api-Key: abc", "--config={}"),
    *('{"a":{"pin":"x","b":["y"]},"u":"https:\\/\\/u:p@h"}', '["https://u:p@h/?sig=x", {"token": "\\u0041\\""}]'),
]
FIELDS = [
    *("env", "args", "headers", "url", "providerParameters", "mcpServers", "command", "auth_token", "a", "", "1"),
]


def shown(value: Any) -> Any:
    """A vector's value as pages show it."""
    return json.loads(json.dumps(value).replace("{}", MASK))


def any_value(pick: random.Random, depth: int) -> Any:
    """Any JSON, of the odd kinds that the files are found with."""
    kind = pick.randrange(5 if depth else 3)
    if kind < 3:
        return pick.choice([*TEXTS, *TEXTS, 42, 1.5, True, None])
    count = range(pick.randrange(4))
    if kind == 3:
        return [any_value(pick, depth - 1) for _ in count]
    return {pick.choice(FIELDS): any_value(pick, depth - 1) for _ in count}


def test_whatever_an_entry_is_putting_back_what_was_masked_gives_the_entry() -> None:
    """Numbers in arguments stay numbers."""
    pick = random.Random(7)
    for _ in range(3000):
        entry = any_value(pick, 4)
        assert unmask_entry(mask_entry(entry), entry) == entry


def test_whatever_a_file_is_putting_back_what_was_masked_gives_the_file() -> None:
    """Masking twice changes nothing, and the text of the file is masked as its content is."""
    pick = random.Random(11)
    for _ in range(2000):
        content = {key: any_value(pick, 4) for key in ("a", "b", "mcpServers")}
        masked = mask_config(content)
        assert unmask_config(masked, content) == content
        assert mask_config(masked) == masked
        assert json.loads(masked_text(json.dumps(content, indent=pick.choice((None, 2))), content)) == masked


def test_no_value_of_env_headers_or_userinfo_is_left_in_any_form() -> None:
    """Nested, flat, wrapped, and with values of other kinds than they should have."""
    flat = {
        "command": "x",
        "env": {"A": SECRET},
        "headers": {"B": [SECRET, {"c": SECRET}]},
        "url": f"http://{SECRET}@h/",
    }
    odd = {
        "providerParameters": {"env": SECRET, "headers": [SECRET]},
        "apiKey": SECRET,
        "auth": {"token": [SECRET]},
    }
    content = {"nested": NESTED, "stdio": STDIO, "flat": flat, "odd": odd, "text": f"http://u:{SECRET}@h"}
    masked = json.dumps(mask_config({**content, "mcpServers": {"inner": flat}}))
    assert SECRET not in masked
    assert '"X-Ref": "${WEB_TOKEN}"' in masked


def test_launches() -> None:
    """As entries are."""
    remote = RemoteLaunch(url=f"https://me:{SECRET}@h/", headers={"A": SECRET, "B": "${B}"}, transport="sse")
    assert mask_launch(remote) == RemoteLaunch(
        url=f"https://me:{MASK}@h/", headers={"A": MASK, "B": "${B}"}, transport="sse"
    )
    stdio = StdioLaunch(command="run", args=("--api-key", SECRET), env={"A": SECRET}, cwd="/srv")
    assert mask_launch(stdio) == StdioLaunch(command="run", args=("--api-key", MASK), env={"A": MASK}, cwd="/srv")


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://me:s@example.org/a", f"https://me:{MASK}@example.org/a"),
        ("https://s@example.org", f"https://{MASK}@example.org"),
        ("https://me:p@ss@example.org", f"https://me:{MASK}@example.org"),
        ("https://me:pa/ss@example.org", f"https://me:{MASK}@example.org"),
        ("https://me:p#1?@example.org", f"https://me:{MASK}@example.org"),
        (" https://me:s@h", f" https://me:{MASK}@h"),
        ("me:s@h", f"me:{MASK}@h"),
        ("https://${USER}:${PASS}@h", "https://${USER}:${PASS}@h"),
        ("https://h:8080/@scope/x", "https://h:8080/@scope/x"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        (
            "https://h/?tavilyApiKey=s&page=1&access_token=t",
            f"https://h/?tavilyApiKey={MASK}&page=1&access_token={MASK}",
        ),
        ("https://h/#token=s", f"https://h/#token={MASK}"),
        ("https://h/s/Ab3dEf6hIj9lMn2pQr5t/mcp?a=1", f"https://h/s/{MASK}/mcp?a=1"),
        ("https://a1b2c3d4e5f6a7b8c9d0.example.org/servers-of-our-team/v2",) * 2,
        ("", ""),
    ],
)
def test_a_url_shows_all_but_what_is_secret_in_it(url: str, masked: str) -> None:
    """Also one that no program would take."""
    assert mask_url(url) == masked
    assert unmask_entry({"url": masked}, {"url": url}) == {"url": url}


@pytest.mark.parametrize(
    ("entry", "stored", "place"),
    [
        (mask_entry(STDIO), None, f"of env {AT} TOKEN is"),
        ({"env": {"NEW": MASK}}, STDIO, f"env {AT} NEW"),
        ({"providerParameters": {"env": {"NONE": MASK}}}, STDIO, "NONE"),
        ({"headers": {"other": MASK}}, NESTED, f"headers {AT} other"),
        ({"url": f"https://a:{MASK}@h"}, {"url": "https://h"}, "url"),
        ({"url": f"https://h?api_key={MASK}"}, {"url": f"https://a:{SECRET}@h?token={SECRET}"}, "url"),
        ({"args": ["--token", MASK]}, {"args": ["--token=second", "--api-key", "first1"]}, "args"),
        ({"args": [f"--token={MASK}"]}, {"args": "none"}, "args"),
        ({"headers": [[MASK]]}, {"headers": [["x"], []]}, None),
        ({"headers": [MASK, MASK]}, {"headers": ["x"]}, f"headers {AT} 1"),
    ],
)
def test_a_masked_value_for_which_nothing_is_stored_is_refused(entry: Any, stored: Any, place: str | None) -> None:
    """By its place, and without a value."""
    if place is None:
        assert unmask_entry(entry, stored) == {"headers": [["x"]]}
        return
    with pytest.raises(MaskedValue) as refused:
        unmask_entry(entry, stored)
    assert place in refused.value.message
    assert SECRET not in refused.value.message


def test_what_was_changed_beside_a_masked_value_stays_changed() -> None:
    """Variables that were added, too."""
    edited = mask_entry(STDIO)
    edited["providerParameters"]["env"] |= {"N": "new", "MORE": "more"}
    env = {"TOKEN": SECRET, "EMPTY": "", "N": "new", "NONE": None, "MORE": "more"}
    assert unmask_entry(edited, STDIO)["providerParameters"]["env"] == env


def test_values_are_put_back_from_an_entry_of_any_form() -> None:
    """YAMCP-UI's form sends the parameters flat."""
    body = {"name": "files", "type": "stdio", "command": "npx", "args": [], "env": {"TOKEN": MASK}}
    assert unmask_entry(body, STDIO)["env"]["TOKEN"] == SECRET
    assert unmask_entry(body, {"command": "npx", "env": {"TOKEN": SECRET}})["env"]["TOKEN"] == SECRET
    nested = {"providerParameters": {"env": {"TOKEN": MASK}}}
    assert unmask_entry(nested, {"env": {"TOKEN": SECRET}}) == {"providerParameters": {"env": {"TOKEN": SECRET}}}


def test_a_server_inside_the_wrapper_gets_its_values_back_where_it_is_then() -> None:
    """Whether it stood there before or not."""
    stored = {"mcpServers": {"files": STDIO}}
    assert unmask_config(mask_config(stored), stored) == stored
    assert unmask_config({"files": mask_entry(STDIO)}, stored) == {"files": STDIO}
    wrapped = {"mcpServers": {"files": mask_entry(STDIO)}}
    assert unmask_config(wrapped, {"files": STDIO}) == {"mcpServers": {"files": STDIO}}


def test_text_is_masked_in_place() -> None:
    """Order, layout and numbers stay as they are in the file."""
    text = (
        '{\n\t"2": { "env": {"A" : "hunter2", "B":1.50, "R": "${X}"} , "n": 1e3},\n'
        ' "1": {"x": 12345678901234567890, "env": {}, "args": [ ]}\n}\n'
    )
    wanted = text.replace('"hunter2"', f'"{MASK}"').replace("1.50", f'"{MASK}"')
    assert masked_text(text, json.loads(text)) == wanted


def test_of_a_name_that_is_twice_in_the_text_no_secret_is_left() -> None:
    """The content has one of them alone."""
    text = '{"a": {"env": {"A": "S1", "B": "S2"}, "env": {"A": "x"}}, "a": {"env": ["S3"]}, "url": "x:S4@h", "url": 1}'
    masked = masked_text(text, json.loads(text))
    json.loads(masked)
    assert not any(secret in masked for secret in ("S1", "S2", "S3", "S4"))


# --- the vectors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("url", "masked"), VECTORS["urls"])
def test_addresses(url: str, masked: str) -> None:
    """In `url` and in `args`."""
    for entry, made in (({"url": url}, {"url": shown(masked)}), ({"args": [url]}, {"args": [shown(masked)]})):
        assert mask_entry(entry) == made
        assert unmask_entry(made, entry) == entry


@pytest.mark.parametrize(("args", "masked"), VECTORS["args"])
def test_arguments(args: list[str], masked: list[str]) -> None:
    """Flat, and in YAMCP's form."""
    made = {"args": shown(masked)}
    assert mask_entry({"args": args}) == made
    assert unmask_entry(made, {"args": args}) == {"args": args}
    assert mask_entry({"providerParameters": {"args": args}}) == {"providerParameters": made}


@pytest.mark.parametrize(("name", "value"), VECTORS["headers"])
def test_headers_and_variables(name: str, value: str) -> None:
    """All of them, whatever their names are."""
    for field in ("headers", "env"):
        assert mask_entry({field: {name: value}}) == {field: {name: MASK}}


@pytest.mark.parametrize("url", [url for url, _ in VECTORS["loggedLess"]])
def test_what_logs_alone_mask_is_shown(url: str) -> None:
    """But for the password."""
    assert mask_entry({"url": url}) == {"url": url.replace("pa55word", MASK)}


@pytest.mark.parametrize("vector", VECTORS["entries"], ids=lambda vector: vector["entry"].get("type"))
def test_entries(vector: dict[str, Any]) -> None:
    """With what is in their arguments in JSON."""
    made = mask_entry(vector["entry"])
    assert made == shown(vector["shown"])
    assert unmask_entry(made, vector["entry"]) == vector["entry"]
    for secret in vector["secrets"]:
        assert secret not in json.dumps(made)


def test_an_argument_in_json_that_is_edited_keeps_its_values() -> None:
    """What is nested too deep to be read is shown whole."""
    args = ["--config", '{"a":{"apiKey":"one111"},"token":"two222","note":"x"}']
    assert mask_entry({"args": args})["args"][1] == f'{{"a":{{"apiKey":"{MASK}"}},"token":"{MASK}","note":"x"}}'
    edited = [f'{{"token": "{MASK}", "a": {{"apiKey": "{MASK}"}}, "note": "y"}}']
    back = ['{"token": "two222", "a": {"apiKey": "one111"}, "note": "y"}']
    assert unmask_entry({"args": edited}, {"args": args}) == {"args": back}
    deep = {"args": ["[" * 200_000]}
    assert mask_entry(deep) == deep


def test_a_url_that_json_writes_with_escapes_is_masked_whole() -> None:
    """What is in it is not told apart."""
    entry = {"args": ['["https:\\/\\/me:pa55word@h", "https:\\/\\/h"]']}
    assert mask_entry(entry) == {"args": [f'["{MASK}", "https:\\/\\/h"]']}
    assert unmask_entry(mask_entry(entry), entry) == entry


def test_arguments_that_were_moved_and_added_keep_their_values() -> None:
    """A number stays one."""
    args = ["--api-key", "first1", "--token=second", "-e", "API_KEY=third1", "--pin", 1234]
    masked = ["--api-key", MASK, f"--token={MASK}", "-e", f"API_KEY={MASK}", "--pin", MASK]
    assert mask_entry({"args": args}) == {"args": masked}
    moved = ["-v", "--pin", MASK, f"--token={MASK}", "--api-key", MASK, "-e", "API_KEY=new"]
    back = ["-v", "--pin", 1234, "--token=second", "--api-key", "first1", "-e", "API_KEY=new"]
    assert unmask_entry({"args": moved}, {"args": args}) == {"args": back}


@pytest.mark.parametrize("fragment", ["a:", "@", "/", "?a", "&token=", "#", "\\", " ", "://", "-", "a", "[", ":1", '"'])
def test_masking_takes_linear_time(fragment: str) -> None:
    """Four times the text takes less than eight times as long: were it quadratic, it would be 16 times."""

    def seconds(size: int) -> float:
        text = fragment * (size // len(fragment))
        gc.disable()  # it would examine all that the other tests of this process have left
        try:
            began = time.process_time()
            mask_entry({"url": text, "args": [text, f"--token={text}", f"https://{text}", json.dumps([text])]})
            return time.process_time() - began
        finally:
            gc.enable()

    assert any(seconds(1 << 16) < 8 * seconds(1 << 14) + 0.2 for _ in range(5)), "in none of five attempts"

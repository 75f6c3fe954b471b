"""What is masked, and what stays readable."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from urllib.parse import quote, quote_plus

import orjson
import pytest

from bridge.models import RemoteLaunch, StdioLaunch
from sidecar.observe import redaction
from sidecar.observe.redaction import Redactor, secrets_of
from sidecar.upstream.variables import expand


def masked(text: str, *secrets: str) -> str:
    """The text with these secrets masked."""
    redactor = Redactor()
    redactor.add("server", secrets)
    return redactor(text)


def test_values_are_masked_longest_first() -> None:
    """A secret that holds another leaves nothing of itself behind."""
    assert masked("x secret-long y secret z", "secret", "secret-long") == "x *** y *** z"


def test_common_short_words_stay() -> None:
    """`true` is no secret, whatever variable holds it; nor is what `x` or `ab` stands for."""
    assert masked("true x ab", "true", "x", "ab") == "true x ab"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pin 4711.", "pin ***."),
        ("4711", "***"),
        ('{"line":"a\\n4711"}', '{"line":"a\\n***"}'),
        ("=4711,p@ss! x", "=***,*** x"),
        ("14711 47112 a4711 4711_ p@ss!x", "14711 47112 a4711 4711_ p@ss!x"),
    ],
)
def test_short_secrets_are_masked_where_they_stand_alone(text: str, expected: str) -> None:
    """A secret of 3 to 5 characters is masked as a whole word, and not inside other words."""
    assert masked(text, "4711", "p@ss!") == expected


def test_short_values_are_secret_by_their_name() -> None:
    """A PIN is a secret, a port and a limit of tokens are none."""
    env = {"DB_PASSWORD": "pw1", "PIN": "4711", "PORT": "8080", "MAX_TOKENS": "4096", "DEBUG": "true", "API_KEY": "on"}
    assert secrets_of(StdioLaunch(command="x", env=env)) - {"on"} == {"pw1", "4711"}
    assert expand(StdioLaunch(command="x", args=("${PIN}", "${PORT}")), env).secrets == {"4711"}


@pytest.mark.parametrize("secret", ["s3cr3t", "a/b+c?d&e f", "ünïcödé-key", "k" * 300 + "ey" * 200])
@pytest.mark.parametrize("around", [b"", b"u:", b"us:", b"user:", b"four"])
def test_encoded_secrets(secret: str, around: bytes) -> None:
    """In base64 wherever it begins, URL-safe too, in hexadecimal and percent-encoded, in either case."""
    raw = around + secret.encode() + around
    for text in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        shown = masked(text.decode(), secret)
        assert "***" in shown
        assert len(shown) <= (len(around) * 4 // 3 + 3) * 2 + 3
    percent = quote(secret, safe="")
    for text, beside in ((raw.hex(), around.hex()), (raw.hex().upper(), around.hex().upper())):
        assert masked(text, secret) == f"{beside}***{beside}"
    lower = re.sub(r"%..", lambda escape: escape[0].lower(), percent)
    assert masked(f"?q={lower}", secret) == masked(f"?q={quote_plus(secret)}", secret) == "?q=***"


def test_a_long_secret_is_masked_where_a_line_was_cut() -> None:
    """What is left of it is masked but for less than one piece."""
    secret = "".join(f"{number:04d}" for number in range(1500))
    assert masked(f"key {secret} end", secret) == "key *** end"
    shown = masked(f"key {secret}"[:4096], secret)
    assert shown.startswith("key ***")
    assert len(shown) < 300


def test_words_and_paths_stay(tmp_path: Path) -> None:
    """What a variable such as HOME or NODE_ENV holds stays readable."""
    text = f"production in {tmp_path}"
    assert masked(text, "production", str(tmp_path)) == text


def test_nothing_known_nothing_changed() -> None:
    """Without secrets, ordinary text passes."""
    assert Redactor()("GET /mcp/demo 200") == "GET /mcp/demo 200"


@pytest.mark.parametrize("secret", ['qu"ote\\d', "line one\nline two", "ünïcödé", "white space/slash"])
def test_written_as_json_and_in_urls(secret: str) -> None:
    """A secret is found in a JSON line and in a URL too."""
    line = masked(orjson.dumps({"value": secret}).decode(), secret)
    assert orjson.loads(line) == {"value": "***"}
    assert masked(f"http://h/?q={quote(secret, safe='')}", secret).endswith("***")


def test_each_line_of_a_long_secret() -> None:
    """A private key printed line by line is masked line by line."""
    key = "-----BEGIN KEY-----\nMIIabcdefgh\nijklmnop\n-----END KEY-----"
    assert masked("> MIIabcdefgh", key) == "> ***"


def test_undecodable_values() -> None:
    """Environment values need not be UTF-8."""
    assert masked("a \udcffsecret b", "\udcffsecret") == "a *** b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abcdef0123456789abcd", "Authorization: Bearer ***"),
        ('{"authorization":"bearer abcdef0123456789abcd"}', '{"authorization":"bearer ***"}'),
        ("bearer authentication required", "bearer authentication required"),
        ("key sk-proj-abcdefghijklmnop end", "key *** end"),
        ("ghp_abcdefghijklmnopqrst123", "***"),
        *((f"of {prefix}{'Az0-_' * 9}, refused", "of ***, refused") for prefix in ("yha_", "yhr_", "yhc_")),
        (f"yh_k1a2b3c4_{'x' * 43} yha_known", "*** yha_known"),
        ("github_pat_abcdefghijklmnopqrst123", "***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1", "***"),
        ("postgres://user:pa55@host/db", "postgres://user:***@host/db"),
        ("https://h/p?a=1&api_key=zzz&b=2", "https://h/p?a=1&api_key=***&b=2"),
        (r'{"u":"https://h/?token=abc\"x"}', r'{"u":"https://h/?token=***\"x"}'),
        ("http://127.0.0.1:8766/mcp", "http://127.0.0.1:8766/mcp"),
        ("task-1234567890123456789", "task-1234567890123456789"),
    ],
)
def test_token_shapes(text: str, expected: str) -> None:
    """Tokens that no definition mentions are known by their shape."""
    assert Redactor()(text) == expected


def test_secrets_of_an_environment(tmp_path: Path) -> None:
    """Values that may be secret are taken; words, existing paths and well-known variables are not."""
    env = {
        "API_KEY": "lowercaseword",
        "PLAIN": "unknown value",
        "HEADER_AUTH": "Bearer tok-en-1",
        "NODE_ENV": "production-eu",
        "MODE": "Production",
        "KEY_FILE": str(tmp_path),
        "DIRS": f"{tmp_path}:{tmp_path.parent}",
        "GONE": "/no/such/path",
        "LANG": "en_US.UTF-8",
        "DATABASE_URL": "postgres://me:pa%40ss1@db/main?sslmode=require",
        "HOOK": "https://hooks.example/T1/abcdefghijklmnop",
        "BROKEN": "http://[bad",
    }
    assert secrets_of(StdioLaunch(command="x", env=env)) == {
        "lowercaseword",
        "unknown value",
        "Bearer tok-en-1",
        "tok-en-1",
        "/no/such/path",
        "pa%40ss1",
        "pa@ss1",
        "require",
        "abcdefghijklmnop",
    }


def test_secrets_of_arguments() -> None:
    """Arguments are masked when a flag names them secret, and so are secret parts of URLs."""
    args = ("--api-key", "value1", "--token=value2", "plain", "--password", "--verbose", "x", "--url=http://u:value3@h")
    assert secrets_of(StdioLaunch(command="x", args=args)) == {"value1", "value2", "value3"}
    assert secrets_of(StdioLaunch(command="x", args=("https://auth.h/?k=value4", "PASSWORD"))) == {"value4"}
    assert secrets_of(StdioLaunch(command="x", args=("--dsn", "a://b", "--key=c://d"))) == {"a://b", "c://d"}


def test_secrets_of_a_remote_server() -> None:
    """Userinfo, query values and header values count; what every request carries does not."""
    headers = {"X-Thing": "some value", "Accept": "text/plain", "Cookie": "sid=abcdef"}
    launch = RemoteLaunch(url="https://me:pass12@h/sse?token=tok123&x=1", headers=headers)
    assert secrets_of(launch) == {"pass12", "tok123", "some value", "sid=abcdef"}


def test_retired_secrets_stay_masked_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines about a removed server may still come; the oldest secrets go first."""
    monkeypatch.setattr(redaction, "MAX_RETIRED", 2)
    redactor = Redactor()
    redactor.add("a", ["secret-a"])
    redactor.add("b", ["secret-b", "shared-s"])
    redactor.add("c", ["shared-s"])
    redactor.retire("a")
    assert redactor("secret-a secret-b") == "*** ***"
    redactor.retire("b")
    redactor.retire("unknown")
    assert redactor("secret-a secret-b shared-s") == "secret-a *** ***"


def test_adding_again_changes_nothing() -> None:
    """A reconnect adds the same secrets; those added before stay."""
    redactor = Redactor()
    redactor.add("a", ["secret-a"])
    redactor.add("a", ["secret-b"])
    redactor.add("a", ["secret-a"])
    assert redactor("secret-a secret-b") == "*** ***"

"""What one replica asks of the others for its admins: their newest log records, and how they are (docs/scaling.md).

An ASGI layer around everything else answers the questions of other replicas. They are signed like requests that are
handed over, with a key of their own, and nothing but a replica gets an answer. None is passed on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from bridge.errors import ErrorBody
from bridge.models import LogRecords, Logs, UnansweredReplica
from bridge.models.actual import ALL_REPLICAS
from sidecar.errors import SidecarError
from sidecar.http_errors import BodyTooLarge
from sidecar.listener.asgi import header, respond, respond_error
from sidecar.protocol import codec
from sidecar.replicas import reports
from sidecar.replicas.asking import Asker, signed
from sidecar.replicas.errors import ReplicaSignatureInvalid, ReplicaUnknown
from sidecar.replicas.forwarding import LOG_INTERVAL, Body
from sidecar.replicas.signature import HEADER, Verifier

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from bridge.models.replicas import ReplicaReport, ReplicasState
    from bridge.settings.replicas import ReplicaAddresses

log = logging.getLogger(__name__)

PATH = "/mcp/_replica/logs"
"""Below /mcp/, so that the sidecar gets it at the public port; no workspace has an endpoint there."""
PURPOSE = "questions between replicas"
"""The purpose of the key (`ReplicaSettings.replica_key`)."""
SECONDS = 3.0
"""Seconds that the replicas have to answer; less than a client of the bridge waits."""
MAX_QUESTION = 16 * 1024
"""Bytes of a question."""
MAX_ANSWER = 1024 * 1024
"""Bytes of the records that one replica answers: its newest ones."""
Find = Callable[[Logs], Iterable[dict[str, Any]]]


class Replica(Protocol):
    """This replica, as others see it (cluster.Cluster)."""

    def report(self) -> ReplicaReport:
        """What it says of itself."""

    async def told(self) -> ReplicasState:
        """The replicas that have told it of themselves, of which HUB_REPLICAS may list none."""


class Questions:
    """Answers the questions of other replicas, with `find` and `replica`, and asks them; `app` serves all other
    requests."""

    def __init__(self, app: ASGIApp, key: bytes, addresses: ReplicaAddresses, find: Find, replica: Replica) -> None:
        self._app = app
        self._addresses = addresses
        self._own = addresses.own
        self._find = find
        self._replica = replica
        self._asker, self._verifier = Asker(key, addresses), Verifier(key, self._own)
        self._answers = {PATH: self._records, reports.PATH: self._report}
        self._logged_at = float("-inf")
        self.reports = reports.Reports(self._asker, addresses, replica.report)

    # --- from another replica ----------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        answer = self._answers.get(scope["path"]) if scope["type"] == "http" else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        body = Body(receive, MAX_QUESTION)
        if not await body.read():
            return
        try:
            if body.too_large:
                raise BodyTooLarge(f"The body is larger than {MAX_QUESTION} bytes.")
            asked = signed(scope["path"], body.content, scope["method"])
            self._verifier.verify(header(scope, HEADER), asked)
            content = answer(body.content)
        except SidecarError as error:
            self._log_refusal(error)
            await respond_error(send, error.status, error)
            return
        await respond(send, 200, content, b"application/json")

    def _report(self, _: bytes) -> bytes:
        """What this replica says of itself, as JSON."""
        return self._replica.report().model_dump_json().encode()

    def _records(self, question: bytes) -> bytes:
        """The newest records that a question is about, oldest first, as JSON.

        Raises:
            ReplicaSignatureInvalid: it is no question of this version.
        """
        try:
            asked = Logs.model_validate(codec.loads(question))
        except (ValueError, RecursionError):
            raise ReplicaSignatureInvalid("The question has a format of another version of the hub.") from None
        found: list[bytes] = []
        left = MAX_ANSWER
        for record in reversed(tuple(self._find(asked))):
            encoded = codec.dumps(record)
            left -= len(encoded) + 1
            if left < 0:
                break
            found.append(encoded)
        return b'{"records":[%b]}' % b",".join(found[::-1])

    def _log_refusal(self, error: SidecarError) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_INTERVAL:
            self._logged_at = now
            log.warning("a question of a replica was refused", extra={"code": error.code, "reason": error.message})

    # --- to the others -----------------------------------------------------------------------------------------------

    async def logs(self, asked: Logs) -> LogRecords:
        """The newest records of one replica, or of all, by time; `logged_by` names the replica of each.

        Raises:
            ReplicaUnknown: there is no replica of this name.
        """
        names = await self._names(asked.replica or self._own)
        question = asked.model_copy(update={"replica": None})
        found: list[dict[str, Any]] = []
        silent: list[UnansweredReplica] = []

        def take(name: str, answer: Iterable[dict[str, Any]] | ErrorBody) -> None:
            nonlocal found
            if isinstance(answer, ErrorBody):
                silent.append(UnansweredReplica(name=name, error=answer))
                return
            marked = [{**record, "logged_by": name} for record in answer]
            found = sorted((*found, *marked), key=lambda each: str(each.get("time")))[-asked.limit :]

        if self._own in names:
            take(self._own, self._find(question))
        others, body = [name for name in names if name != self._own], question.model_dump_json(exclude_none=True)
        await self._asker.ask(others, PATH, body.encode(), SECONDS, _records, take)
        silent.sort(key=lambda each: each.name)
        return LogRecords(records=tuple(found), replicas=tuple(names), unanswered=tuple(silent))

    async def _names(self, wanted: str) -> list[str]:
        """The replicas that are meant. Raises ReplicaUnknown."""
        if wanted != ALL_REPLICAS:
            if wanted != self._own and self._addresses.url(wanted) is None:
                raise ReplicaUnknown(f"HUB_REPLICAS has no replica {wanted[:80]!r}.")
            return [wanted]
        told = (await self._replica.told()).replicas
        others = {each.name for each in told if each.state != "stopped" and self._addresses.url(each.name)}
        return sorted({self._own, *self._addresses.listed, *others})


def _records(content: bytes) -> tuple[dict[str, Any], ...]:
    """The records in an answer. Raises ValueError."""
    return LogRecords.model_validate(codec.loads(content)).records

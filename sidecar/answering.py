"""A client's request and its response frame, by the relay or by FastMCP; whatever happens on the way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sidecar import era, frames
from sidecar.channel import Frame
from sidecar.errors import SidecarError
from sidecar.relay import HUB_FAILED, Answered, Notify
from sidecar.session import Session

if TYPE_CHECKING:
    from sidecar.workspace import Workspace

log = logging.getLogger(__name__)


async def answer(workspace: Workspace, session: Session, frame: Frame, notify: Notify, *, relayed: bool) -> Frame:
    """The response to a request; `notify` sends what belongs to it. Raises nothing but what cancels it."""
    request_id, params = frame["id"], frame.get("params")
    try:
        if relayed:
            return frames.result(request_id, await workspace.relay.answer(session, frame["method"], params, notify))
        return frames.result(request_id, await workspace.fastmcp.answer(session, frame, notify))
    except Answered as answered:
        return frames.error(request_id, answered.error)
    except SidecarError as error:
        return frames.error(request_id, era.error_to_client(era.of_params(params), error.rpc()))
    except Exception:
        log.exception("a request failed in the hub", extra={"workspace": workspace.name, "session": session.id[:8]})
        return frames.error(request_id, dict(HUB_FAILED))

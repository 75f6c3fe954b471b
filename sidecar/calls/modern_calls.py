"""Calls of modern clients: when a server asks for input, the client gets an `input_required` result (ADR 14).

The client repeats its request with the answers and the `requestState` of that result (MCP 2026-07-28, Multi Round-Trip
Requests), which the hub encrypts. Three kinds of servers ask:

- A modern server with `input_required`: the result is passed on, with the server's state inside the hub's.
- A legacy server with a request in the middle of a call: the call is suspended (sessions/suspended_calls.py).
- A legacy server with the error -32042 (MCP 2025-11-25, URL elicitation): after the client has accepted, the call is
  sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sidecar.calls.sign_in_calls import KEY, check_accepted, signed_in
from sidecar.errors import URL_ELICITATION_REQUIRED, ParamsInvalid
from sidecar.features import input_requests
from sidecar.input_errors import InputRefused
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.routing.offer import Offer
from sidecar.sessions.client_groups import ClientGroup, Lease
from sidecar.sessions.request_state import Binding, State
from sidecar.sessions.suspended_calls import InteractiveCall
from sidecar.workspaces import starting

if TYPE_CHECKING:
    from sidecar.calls.request import Request
    from sidecar.protocol.channel import Params
    from sidecar.workspaces.workspace import Workspace


class ModernCalls:
    """Sends the calls of modern clients to the servers of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def ask(self, request: Request, offer: Offer, params: Params, tool: str) -> Frame:
        """Serve one request of a client. Returns the server's response frame, or an `input_required` result.

        Raises:
            RequestStateInvalid, RequestStateExpired, RequestStateUsed: the client's `requestState` is not valid.
            InputRefused: the client did not accept a URL elicitation.
            ParamsInvalid: `inputResponses` has a wrong type.
            SidecarError: see `Upstream.request`.
        """
        responses = _input_responses(params)
        state = self._state(request, offer, params)
        sent = input_requests.without_answers(params)
        if state is not None and state.kind == "suspended":
            call = self._workspace.suspended_calls.take(str(state.value), request.session)
            request.call.server = offer.spec.key  # a former request of the client was sent to it
            call.resume(responses)
            return await self._serve_request(request, offer, params, call)
        if state is not None and state.kind == "repeat":
            if not all(answer.get("action") == "accept" for answer in responses.values()) or not responses:
                raise InputRefused("What the server wants to have opened first was not accepted.")
        elif state is not None and state.kind == "sign_in":
            check_accepted(responses.get(KEY))
            account, seconds = offer.upstream.account, self._workspace.request_states.lifetime
            if account is not None:
                await signed_in(offer.upstream, account, int(state.value or 0), seconds)
        elif offer.catalog.greeting.era == "modern":
            if responses:
                sent = {**sent, "inputResponses": responses}
            if state is not None and state.value is not None:
                sent = {**sent, "requestState": state.value}
        session = request.session
        if isinstance(session, ClientGroup) and session.own.get(offer.spec.key) is offer.upstream:
            call = self._start_call(request, session, offer, sent, tool)
            return await self._serve_request(request, offer, params, call)
        limits = offer.limits(tool)
        frame = await offer.upstream.request(
            request.method,
            sent,
            timeout=limits.timeout,
            idle_timeout=limits.idle,
            on_progress=request.progress(),
            declared=request.declared,
            call=request.call,
        )
        return self.to_client_response(request, offer, params, frame)

    # --- calls to `per_client` servers ------------------------------------------------------------------------------

    def _start_call(
        self, request: Request, group: ClientGroup, offer: Offer, sent: Params, tool: str
    ) -> InteractiveCall:
        call = InteractiveCall(group, request.log_level, request.call.principal)
        lease = self._workspace.client_groups.lease_for_call(group, offer.spec, call)
        call.upstream = lease.upstream
        call.start(self._run_call(call, group, lease, request, offer, sent, tool), self._workspace.start)
        return call

    async def _run_call(
        self,
        call: InteractiveCall,
        group: ClientGroup,
        lease: Lease,
        request: Request,
        offer: Offer,
        sent: Params,
        tool: str,
    ) -> Frame:
        clean = False
        progress = call.on_progress if request.progress_token is not None else None
        try:
            await starting.started(lease.upstream, progress)
            if level := lease.question_router.most_verbose_level():
                await lease.upstream.set_log_level(level)
            await group.subscribe(lease.upstream)
            await call.wait_until_answered()  # requests that the server sent before this call
            limits = offer.limits(tool)
            frame = await lease.upstream.request(
                request.method,
                sent,
                timeout=limits.timeout,
                idle_timeout=limits.idle,
                on_progress=progress,
                call=request.call,
            )
            clean = True
            return frame
        finally:
            if self._workspace.client_groups.end_lease(group, offer.spec, lease, call, clean=clean):
                self._workspace.follow()

    async def _serve_request(self, request: Request, offer: Offer, params: Params, call: InteractiveCall) -> Frame:
        """Serve one request of the client that starts or resumes a call. Returns the outcome, or asks for input."""
        request.upstream = call.upstream or offer.upstream
        if not await call.wait_for_outcome(request.notify, request.progress_token):
            return self.to_client_response(request, offer, params, call.result())
        wanted = {
            key: input_requests.for_modern(each.method, each.params) for key, each in call.open_questions().items()
        }
        ticket = self._workspace.suspended_calls.suspend(call)
        return self._input_required(request, offer, params, wanted, State("suspended", ticket))

    # --- states and results --------------------------------------------------------------------------------------

    def _state(self, request: Request, offer: Offer, params: Params) -> State | None:
        token = params.get("requestState")
        return (
            None if token is None else self._workspace.request_states.open(self._binding(request, offer, params), token)
        )

    def _binding(self, request: Request, offer: Offer, params: Params) -> Binding:
        workspace, grant = self._workspace, request.call.principal.grant
        tenant = f"{workspace.tenant}/{grant}" if grant else workspace.tenant
        name = params.get("uri") if request.method == "resources/read" else params.get("name")
        arguments = params.get("arguments") or {}
        return Binding(tenant, workspace.name, offer.spec.key, request.method, str(name), arguments)

    def to_client_response(self, request: Request, offer: Offer, params: Params, frame: Frame) -> Frame:
        """Translate a response in which the server asks for input into `input_required`; others are unchanged."""
        result, error = frame.get("result"), frame.get("error")
        if isinstance(result, dict) and input_requests.asks(result) and offer.catalog.greeting.era == "modern":
            requests, inner = result.get("inputRequests"), result.get("requestState")
            state = State("server", inner if isinstance(inner, str) else None)
            wanted = requests if isinstance(requests, dict) else None
            return self._input_required(request, offer, params, wanted, state, result)
        if isinstance(error, dict) and error.get("code") == URL_ELICITATION_REQUIRED:
            wanted = input_requests.of_error(error)
            if wanted and not any(_client_lacks(request, each) for each in wanted.values()):
                return self._input_required(request, offer, params, wanted, State("repeat", None))
        return frame

    def sign_in_required(self, request: Request, offer: Offer, params: Params, wanted: Params, before: int) -> Frame:
        """The result that asks for a sign-in at the server, after which the call is sent. `before`: `sign_ins` now."""
        return self._input_required(request, offer, params, wanted, State("sign_in", str(before)))

    def _input_required(
        self,
        request: Request,
        offer: Offer,
        params: Params,
        wanted: dict[str, Any] | None,
        state: State,
        result: dict[str, Any] | None = None,
    ) -> Frame:
        sealed = self._workspace.request_states.seal(self._binding(request, offer, params), state)
        asked = {} if wanted is None else {"inputRequests": wanted}
        return jsonrpc.result(0, {**(result or {}), "resultType": "input_required", **asked, "requestState": sealed})


def _client_lacks(request: Request, input_request: Params) -> bool:
    return input_requests.lacking(request.capabilities, input_request["method"], input_request["params"]) is not None


def _input_responses(params: Params) -> dict[str, dict[str, Any]]:
    """The `inputResponses` of a request, by key. Raises ParamsInvalid."""
    responses = params.get("inputResponses")
    if responses is None:
        return {}
    if not isinstance(responses, dict) or not all(isinstance(each, dict) for each in responses.values()):
        raise ParamsInvalid("`inputResponses` is not an object of objects.")
    return responses

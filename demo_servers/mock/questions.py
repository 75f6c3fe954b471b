"""The mock's tools that ask the client: by a request in the legacy era, by `input_required` in the modern one."""

from __future__ import annotations

from demo_servers.toolkit.catalogue import INTEGER, NUMBER, STRING, schema, text
from demo_servers.toolkit.session import Call
from demo_servers.toolkit.stdio_server import Server
from demo_servers.toolkit.wire import URL_ELICITATION_REQUIRED, Json, RpcError

FORM = schema("name", name={"type": "string", "title": "Your name"}, age={"type": "integer", "minimum": 0})


def sample(prompt: str) -> Json:
    """A question for the client's model."""
    return {"messages": [{"role": "user", "content": text(prompt)}], "maxTokens": 100, "systemPrompt": "Be brief"}


def form(message: str) -> Json:
    """A question for the client's user."""
    return {"message": message, "requestedSchema": FORM}


def url(call: Call, where: str) -> Json:
    """A URL for the client's user; the legacy era wants an id with it."""
    return {"mode": "url", "message": "Please sign in", "url": where} | (
        {} if call.modern else {"elicitationId": "e-1"}
    )


def add(server: Server, *, shy: bool, anyway: bool) -> None:
    """Register them. `shy`: listed only for clients that can be asked; `anyway`: ask others too."""

    def needs(feature: str) -> str:
        return feature if shy else ""

    @server.tool("Have the client's model answer", schema(prompt=STRING), slow=True, needs=needs("sampling"))
    def sampling(call: Call) -> Json:
        asked = sample(call.args.get("prompt", "Say hello"))
        return {"answer": call.ask("sampling/createMessage", asked, anyway=anyway)}

    filled_in = schema(message=STRING, seconds=NUMBER)

    @server.tool("Have the client's user fill in a form", filled_in, slow=True, needs=needs("elicitation"))
    def elicit(call: Call) -> Json:
        asked = form(call.args.get("message", "Who are you?"))
        answer = call.ask("elicitation/create", asked, anyway=anyway)
        call.sleep(call.args.get("seconds", 0))
        return {"answer": answer}

    @server.tool("Ask for the client's roots", slow=True, needs=needs("roots"))
    def roots(call: Call) -> Json:
        return {"answer": call.ask("roots/list", {}, anyway=anyway)}

    @server.tool("Have the client's user open a URL", schema(url=STRING), slow=True)
    def elicit_url(call: Call) -> Json:
        asked = url(call, call.args.get("url", "https://example.com/sign-in"))
        return {"answer": call.ask("elicitation/create", asked, anyway=anyway)}

    @server.tool("Ask one form after the other", schema(rounds=INTEGER), slow=True)
    def elicit_often(call: Call) -> Json:
        rounds = range(1, call.args.get("rounds", 2) + 1)
        asked = ((f"form-{number}", form(f"Form {number}?")) for number in rounds)
        return {"answers": [call.ask("elicitation/create", each, key=key, anyway=anyway) for key, each in asked]}

    @server.tool("Ask for a form, a sample and the roots at once", slow=True)
    def ask_all(call: Call) -> Json:
        asked = {
            "form": ("elicitation/create", form("Who are you?")),
            "sample": ("sampling/createMessage", sample("Say hello")),
            "roots": ("roots/list", {}),
        }
        return {"answers": call.ask_all(asked, anyway=anyway)}

    signed_in: set[str] = set()

    @server.tool("Refuse until a URL was opened, once (legacy era: error -32042)", schema("who", who=STRING), slow=True)
    def sign_in(call: Call) -> str:
        who = str(call.args["who"])
        if call.modern:
            call.ask("elicitation/create", url(call, "https://example.com/sign-in"), anyway=anyway)
        elif who not in signed_in:
            signed_in.add(who)
            wanted = [url(call, "https://example.com/sign-in")]
            raise RpcError(URL_ELICITATION_REQUIRED, "Sign in first", {"elicitations": wanted})
        return f"signed in as {who}"

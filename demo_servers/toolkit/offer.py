"""What a server offers, and how it is registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from demo_servers.toolkit.catalogue import EMPTY_SCHEMA, Complete, Handler, Prompt, Resource, Template, Tool
from demo_servers.toolkit.wire import Json


class Offer:
    """Tools, resources, templates and prompts by name or URI, in the order in which they are listed."""

    def __init__(self) -> None:
        self.tools: dict[str, Tool] = {}
        self.resources: dict[str, Resource] = {}
        self.templates: dict[str, Template] = {}
        self.prompts: dict[str, Prompt] = {}

    def tool(
        self,
        description: str,
        schema: Json = EMPTY_SCHEMA,
        *,
        name: str = "",
        output: Json | None = None,
        slow: bool = False,
        needs: str = "",
        **more: Any,
    ) -> Callable[[Handler], Handler]:
        """Decorator: offer a function as a tool, under its own name unless one is given."""

        def register(handler: Handler) -> Handler:
            title = name or handler.__name__
            spec: Json = {"name": title, "description": description, "inputSchema": schema, **more}
            if output is not None:
                spec["outputSchema"] = output
            self.tools[title] = Tool(spec, handler, slow=slow, needs=needs)
            return handler

        return register

    def resource(
        self, uri: str, name: str, read: Callable[[str], str | bytes], mime_type: str = "text/plain", **more: Any
    ) -> None:
        """Offer a resource."""
        self.resources[uri] = Resource({"uri": uri, "name": name, "mimeType": mime_type, **more}, read)

    def template(
        self,
        uri_template: str,
        name: str,
        read: Callable[[str, dict[str, str]], str | bytes],
        mime_type: str = "text/plain",
        complete: Complete | None = None,
        **more: Any,
    ) -> None:
        """Offer a family of resources."""
        spec = {"uriTemplate": uri_template, "name": name, "mimeType": mime_type, **more}
        self.templates[uri_template] = Template(spec, read, complete)

    def prompt(
        self,
        name: str,
        description: str,
        handler: Callable[[dict[str, str]], Any],
        arguments: list[Json] | None = None,
        complete: Complete | None = None,
        **more: Any,
    ) -> None:
        """Offer a prompt."""
        spec: Json = {"name": name, "description": description, "arguments": arguments or [], **more}
        self.prompts[name] = Prompt(spec, handler, complete)

    def capabilities(self) -> Json:
        """The server's capabilities that follow from it."""
        found: Json = {"logging": {}, "tools": {"listChanged": True}}
        if self.resources or self.templates:
            found["resources"] = {"subscribe": True, "listChanged": True}
        if self.prompts:
            found["prompts"] = {"listChanged": True}
        completing: list[Prompt | Template] = [*self.prompts.values(), *self.templates.values()]
        if any(item.complete for item in completing):
            found["completions"] = {}
        return found

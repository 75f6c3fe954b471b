import json
import os
import sys

from smolagents import MCPClient

URL = os.environ.get("YAMCP_HUB_URL", "http://127.0.0.1:8765/mcp/demo")
TOKEN = os.environ.get("YAMCP_HUB_TOKEN")  # for a protected hub
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}

HTTP = {"url": URL, "transport": "streamable-http", "headers": HEADERS}
SSE = {"url": f"{URL}/sse", "transport": "sse", "headers": HEADERS}


def main(server):
    with MCPClient(server, structured_output=False) as tools:
        # agent = ToolCallingAgent(tools=tools, model=...)
        by_name = {tool.name: tool for tool in tools}
        added = by_name["notes_add_note"](title="Hello", text="From smolagents")
    return {"tools": list(by_name), "call": added}


if __name__ == "__main__":
    print(json.dumps(main(SSE if "sse" in sys.argv else HTTP)))

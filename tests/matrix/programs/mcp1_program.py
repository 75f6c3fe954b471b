import asyncio
import json
import os
import sys

from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client

URL = os.environ.get("YAMCP_HUB_URL", "http://127.0.0.1:8765/mcp/demo")
TOKEN = os.environ.get("YAMCP_HUB_TOKEN")  # for a protected hub
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}

HTTP = streamablehttp_client(URL, headers=HEADERS)
SSE = sse_client(f"{URL}/sse", headers=HEADERS)


async def main(connection):
    async with connection as (read, write, *_), ClientSession(read, write) as session:
        await session.initialize()
        tools = await session.list_tools()
        added = await session.call_tool("notes_add_note", {"title": "Hello", "text": "From the Python SDK"})
        note = await session.read_resource("note://notes/1")
        prompt = await session.get_prompt("notes_summarize_notes", {"tag": "demo"})
    return {
        "tools": [tool.name for tool in tools.tools],
        "call": added.content[0].text,
        "resource": note.contents[0].text,
        "prompt": prompt.messages[0].content.text,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(SSE if "sse" in sys.argv else HTTP))))

import asyncio
import json
import os
import sys

from pydantic_ai.mcp import MCPServerSSE, MCPServerStreamableHTTP

URL = os.environ.get("YAMCP_HUB_URL", "http://127.0.0.1:8765/mcp/demo")
TOKEN = os.environ.get("YAMCP_HUB_TOKEN")  # for a protected hub
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}

HTTP = MCPServerStreamableHTTP(URL, headers=HEADERS)
SSE = MCPServerSSE(f"{URL}/sse", headers=HEADERS)


async def main(server):
    async with server:  # agent = Agent("...", toolsets=[server])
        tools = await server.list_tools()
        added = await server.direct_call_tool("notes_add_note", {"title": "Hello", "text": "From Pydantic AI 1"})
        note = await server.read_resource("note://notes/1")
        prompt = await server.get_prompt("notes_summarize_notes", {"tag": "demo"})
    return {
        "tools": [tool.name for tool in tools],
        "call": str(added),
        "resource": note,
        "prompt": prompt.messages[0].content.content,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(SSE if "sse" in sys.argv else HTTP))))

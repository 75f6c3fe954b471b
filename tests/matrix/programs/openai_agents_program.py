import asyncio
import json
import os
import sys

from agents.mcp import MCPServerSse, MCPServerStreamableHttp

URL = os.environ.get("YAMCP_HUB_URL", "http://127.0.0.1:8765/mcp/demo")
TOKEN = os.environ.get("YAMCP_HUB_TOKEN")  # for a protected hub
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}

HTTP = MCPServerStreamableHttp({"url": URL, "headers": HEADERS}, client_session_timeout_seconds=60)
SSE = MCPServerSse({"url": f"{URL}/sse", "headers": HEADERS}, client_session_timeout_seconds=60)


async def main(server):
    async with server:  # agent = Agent(name="...", mcp_servers=[server])
        tools = await server.list_tools()
        added = await server.call_tool("notes_add_note", {"title": "Hello", "text": "From openai-agents"})
        note = await server.read_resource("note://notes/1")
        prompt = await server.get_prompt("notes_summarize_notes", {"tag": "demo"})
    return {
        "tools": [tool.name for tool in tools],
        "call": added.content[0].text,
        "resource": note.contents[0].text,
        "prompt": prompt.messages[0].content.text,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(SSE if "sse" in sys.argv else HTTP))))

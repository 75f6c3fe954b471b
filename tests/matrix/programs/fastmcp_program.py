import asyncio
import json
import os
import sys

from fastmcp import Client

URL = os.environ.get("YAMCP_HUB_URL", "http://127.0.0.1:8765/mcp/demo")
TOKEN = os.environ.get("YAMCP_HUB_TOKEN")  # for a protected hub

HTTP = Client(URL, auth=TOKEN)
SSE = Client(f"{URL}/sse", auth=TOKEN)


async def main(client):
    async with client:
        tools = await client.list_tools()
        added = await client.call_tool("notes_add_note", {"title": "Hello", "text": "From FastMCP"})
        [note] = await client.read_resource("note://notes/1")
        prompt = await client.get_prompt("notes_summarize_notes", {"tag": "demo"})
    return {
        "tools": [tool.name for tool in tools],
        "call": added.content[0].text,
        "resource": note.text,
        "prompt": prompt.messages[0].content.text,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(SSE if "sse" in sys.argv else HTTP))))

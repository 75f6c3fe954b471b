import asyncio
import json
import os
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.prompts import load_mcp_prompt
from langchain_mcp_adapters.resources import load_mcp_resources
from langchain_mcp_adapters.tools import load_mcp_tools

URL = os.environ.get("YAMCP_HUB_URL", "http://127.0.0.1:8765/mcp/demo")
TOKEN = os.environ.get("YAMCP_HUB_TOKEN")  # for a protected hub
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}

HTTP = {"transport": "http", "url": URL, "headers": HEADERS}
SSE = {"transport": "sse", "url": f"{URL}/sse", "headers": HEADERS}


async def main(server):
    async with MultiServerMCPClient({"demo": server}).session("demo") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}
        added = await tools["notes_add_note"].ainvoke({"title": "Hello", "text": "From LangChain"})
        [note] = await load_mcp_resources(session, uris="note://notes/1")
        [message] = await load_mcp_prompt(session, "notes_summarize_notes", arguments={"tag": "demo"})
    return {"tools": list(tools), "call": added[0]["text"], "resource": note.as_string(), "prompt": message.content}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(SSE if "sse" in sys.argv else HTTP))))

"""A smolagents agent's view of one workspace: connect over SSE, list the tools, call two of them.

    python -m venv agent-env
    agent-env/bin/pip install 'smolagents[mcp]' 'mcp<2'
    agent-env/bin/python examples/agent.py [URL]

The default URL is the `demo` workspace of a hub on this machine (start it with `make run`).
"""

import sys

from smolagents import MCPClient

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8765/mcp/demo/sse"

# An /sse URL needs "transport": "sse". The URL without /sse is the same workspace over Streamable HTTP:
# {"url": "http://127.0.0.1:8765/mcp/demo", "transport": "streamable-http"}
with MCPClient({"url": URL, "transport": "sse"}, structured_output=False) as tools:
    print(f"{len(tools)} tools at {URL}")
    for tool in tools:
        print(f"  {tool.name}({', '.join(tool.inputs)}): {tool.description}")

    # Every tool is a function. Its name is the server's name, an underscore, and the tool's name on that server.
    by_name = {tool.name: tool for tool in tools}
    calls = [
        ("notes_add_note", {"title": "Hello", "text": "Written by a smolagents agent."}),
        ("notes_list_notes", {}),
        ("clock_now", {"timezone": "UTC"}),
    ]
    for name, arguments in calls:
        if name in by_name:
            print(f"\n{name} -> {by_name[name](**arguments)}")

    # With a model the same tools make an agent (any model of smolagents will do):
    #
    #   from smolagents import InferenceClientModel, ToolCallingAgent
    #   agent = ToolCallingAgent(tools=tools, model=InferenceClientModel())
    #   print(agent.run("Note down what time it is in Tokyo, then show me all my notes."))

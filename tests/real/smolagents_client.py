"""The real smolagents against one endpoint, with a model that follows a script instead of an LLM.

Run by the environment .envs/smolagents (see setup.sh), as a process of its own:

    smolagents_client.py URL [--transport sse|streamable-http] [--agent tool|code] --call NAME JSON [--call ...]

An agent calls the tools in turn and gives all results as its final answer. stdout: one JSON line with `tools` (names
as smolagents has them), `answer` ({tool: result as text}) and `steps`. With --lines no agent runs: each line on stdin,
{"tool": name, "arguments": {}}, is one call over the same connection, answered by one line, until stdin ends.
"""

import argparse
import json
import sys
from typing import Any

from smolagents import CodeAgent, MCPClient, Model, Tool, ToolCallingAgent
from smolagents.models import ChatMessage, ChatMessageToolCall, ChatMessageToolCallFunction, MessageRole
from smolagents.monitoring import LogLevel

Script = list[tuple[str, dict[str, Any]]]


def observation(message: ChatMessage) -> str:
    """What a tool said, out of the message in which an agent shows it to its model."""
    blocks = [message.content] if isinstance(message.content, str) else message.content or []
    text = "".join(block if isinstance(block, str) else block.get("text", "") for block in blocks)
    return text.removeprefix("Observation:").strip()


class ScriptedModel(Model):
    """Calls the script's tools, one a step, then answers with what the tools said, as an LLM would read it."""

    def __init__(self, script: Script) -> None:
        super().__init__(model_id="scripted")
        self.script = script

    def generate(self, messages: list[ChatMessage], *args: Any, **kwargs: Any) -> ChatMessage:
        observed = [observation(message) for message in messages if message.role == MessageRole.TOOL_RESPONSE]
        step = len(observed)
        if step < len(self.script):
            return self._call(step, *self.script[step])
        names = [name for name, _ in self.script]
        return self._call(step, "final_answer", {"answer": dict(zip(names, observed, strict=True))})

    def _call(self, step: int, name: str, arguments: dict[str, Any]) -> ChatMessage:
        function = ChatMessageToolCallFunction(name=name, arguments=arguments)
        call = ChatMessageToolCall(id=f"call-{step}", type="function", function=function)
        return ChatMessage(role=MessageRole.ASSISTANT, content="", tool_calls=[call])


class ScriptedCoder(Model):
    """Writes one block of Python that calls every tool of the script and answers with the results."""

    def __init__(self, script: Script) -> None:
        super().__init__(model_id="scripted")
        self.script = script

    def generate(self, messages: list[ChatMessage], *args: Any, **kwargs: Any) -> ChatMessage:
        lines = ["answer = {}"]
        for name, arguments in self.script:
            lines.append(f"answer[{name!r}] = str({name}(**{arguments!r}))")
        lines.append("final_answer(answer)")
        code = "\n".join(lines)
        return ChatMessage(role=MessageRole.ASSISTANT, content=f"Thought: follow the script.\n<code>\n{code}\n</code>")


def run_agent(tools: list[Tool], kind: str, script: Script) -> dict[str, Any]:
    """Run an agent over the script; the report."""
    limits: dict[str, Any] = {"max_steps": len(script) + 1, "verbosity_level": LogLevel.OFF}
    agent: CodeAgent | ToolCallingAgent
    if kind == "code":
        agent = CodeAgent(tools=tools, model=ScriptedCoder(script), **limits)
    else:
        agent = ToolCallingAgent(tools=tools, model=ScriptedModel(script), **limits)
    answer = agent.run("Call every tool of the script and report what each said.")
    return {"tools": sorted(tool.name for tool in tools), "answer": answer, "steps": len(agent.memory.steps)}


def serve_lines(tools: list[Tool]) -> None:
    """Call one tool a line of stdin, until it ends."""
    known = {tool.name: tool for tool in tools}
    print(json.dumps({"tools": sorted(known)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"result": str(known[request["tool"]](**request.get("arguments", {})))}
        except Exception as error:  # what it was is what the test wants to see
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


def main() -> None:
    """Connect, do what the arguments say, disconnect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--transport", choices=("sse", "streamable-http"), default="sse")
    parser.add_argument("--agent", choices=("tool", "code"), default="tool")
    parser.add_argument("--call", nargs=2, action="append", default=[], metavar=("NAME", "JSON"))
    parser.add_argument("--lines", action="store_true")
    flags = parser.parse_args()
    with MCPClient({"url": flags.url, "transport": flags.transport}, structured_output=False) as tools:
        if flags.lines:
            serve_lines(tools)
        else:
            script = [(name, json.loads(arguments)) for name, arguments in flags.call]
            print(json.dumps(run_agent(tools, flags.agent, script)), flush=True)


if __name__ == "__main__":
    main()

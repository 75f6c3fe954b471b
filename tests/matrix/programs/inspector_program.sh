url=${YAMCP_HUB_URL:-http://127.0.0.1:8765/mcp/demo} transport=http
if [ "${1:-}" = sse ]; then url=$url/sse transport=sse; fi

inspect() { # YAMCP_HUB_TOKEN: for a protected hub
  npx -y @modelcontextprotocol/inspector-cli@0.16.8 --cli "$url" --transport $transport "$@" \
    ${YAMCP_HUB_TOKEN:+--header "Authorization: Bearer $YAMCP_HUB_TOKEN"}
}

inspect --method tools/list
inspect --method tools/call --tool-name notes_add_note --tool-arg title=Hello text="From the inspector"
inspect --method resources/read --uri note://notes/1
inspect --method prompts/get --prompt-name notes_summarize_notes --prompt-args tag=demo

// The image's HEALTHCHECK: whether the front says that the hub is well. Prints what it says.
const response = await fetch(`http://127.0.0.1:${process.env.HUB_PORT || 8765}/healthz`, { signal: AbortSignal.timeout(4000) });
process.stdout.write(`${await response.text()}\n`);
process.exitCode = response.ok ? 0 : 1;

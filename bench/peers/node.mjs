// A peer: Node's own HTTP server. `node node.mjs EVENTS`, and commands on the
// standard input: `publish COUNT INTERVAL`, so many events, one each INTERVAL
// milliseconds, answered by a line of JSON.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { constants, createGzip } from "node:zlib";

const events = readFileSync(process.argv[2], "utf8").trim().split("\n");
const followers = new Map(); // id -> the streams that follow it
let published = 0;

const headers = { "Content-Type": "text/event-stream", "Cache-Control": "no-store" };

const server = createServer((request, response) => {
  const gzip = (request.headers["accept-encoding"] ?? "").includes("gzip");
  response.writeHead(200, gzip ? { ...headers, "Content-Encoding": "gzip" } : headers);
  let stream = response;
  if (gzip) {
    stream = createGzip({ flush: constants.Z_SYNC_FLUSH });
    stream.pipe(response);
  }
  stream.write("event: connected\ndata: {}\n\n");
  const ids = new URL(request.url, "http://localhost").searchParams.get("ids").split(",");
  for (const id of ids) {
    if (!followers.has(id)) followers.set(id, new Set());
    followers.get(id).add(stream);
  }
  response.on("close", () => ids.forEach((id) => followers.get(id).delete(stream)));
});

function publish() {
  const [concerned, body] = events[published % events.length].split("\t");
  const ids = concerned.split(",");
  const cursor = `l.abcdef.${String(published++).padStart(7, "0")}`;
  const frame = Buffer.from(`event: killmail\ndata: ${body}\nid: ${cursor}\n\n`);
  const matching = new Set(ids.flatMap((id) => [...(followers.get(id) ?? [])]));
  for (const stream of matching) stream.write(frame);
}

server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, async () => {
  console.log(JSON.stringify({ port: server.address().port }));
  for await (const line of createInterface({ input: process.stdin })) {
    const [, count, interval] = line.split(" ").map(Number);
    for (let number = 0; number < count; number++) {
      publish();
      if (interval) await setTimeout(interval);
    }
    console.log(JSON.stringify({ published: count }));
  }
  process.exit();
});

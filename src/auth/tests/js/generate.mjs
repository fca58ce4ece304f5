// Writes the signed request beside this file: `npm install @aws-sdk/client-kinesis`, then run it.
//
// The SDK for JavaScript speaks HTTP/2 to Kinesis and signs `:authority` instead of `host`.

import { writeFileSync } from "node:fs";
import http2 from "node:http2";

const NOW = Date.UTC(2015, 7, 30, 12, 36, 0);
globalThis.Date = class extends Date {
  constructor(...given) {
    super(...(given.length ? given : [NOW]));
  }
  static now() {
    return NOW;
  }
};

const { KinesisClient, PutRecordCommand } = await import("@aws-sdk/client-kinesis");

const server = http2.createServer();
server.on("stream", (stream, headers) => {
  let body = "";
  stream.on("data", (chunk) => (body += chunk));
  stream.on("end", () => {
    const lines = [`POST http://${headers[":authority"]}${headers[":path"]}`];
    const shown = (name) => !name.startsWith(":") && name !== "user-agent";
    for (const name of Object.keys(headers).filter(shown).sort())
      lines.push(`${name}: ${headers[name]}`);
    const file = new URL("put_record.http", import.meta.url);
    writeFileSync(file, `${lines.join("\n")}\n\n${body}`);
    stream.respond({ ":status": 200, "content-type": "application/x-amz-json-1.1" });
    stream.end("{}");
  });
});
await new Promise((listening) => server.listen(4567, "127.0.0.1", listening));

const client = new KinesisClient({
  region: "eu-west-1",
  endpoint: "http://127.0.0.1:4567",
  credentials: {
    accessKeyId: "AKIDEXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  },
});
const record = { StreamName: "clicks", PartitionKey: "schlüssel", Data: Buffer.from("größer 🌊") };
await client.send(new PutRecordCommand(record));
client.destroy();
server.close();

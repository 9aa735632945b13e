import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

/** What a name server answers: records by type and name. `from` is the address of who asks. */
export type Answers = (type: "SRV" | "A", name: string, from: string) => readonly Answer[];

export type Answer = { readonly address: string } | { readonly port: number; readonly target: string };

const typeNames: Readonly<Record<number, "SRV" | "A">> = { 1: "A", 33: "SRV" };

/** The smallest name server (RFC 1035, RFC 2782) for tests; ends with `close` of its socket. */
export async function startNameServer(port: number, answers: Answers, address = "0.0.0.0"): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.on("message", (message, { address: asker, port: from }) => {
    const { name, type, end } = questionOf(message);
    const known = typeNames[type];
    const found = known === undefined ? [] : answers(known, name, asker);
    const header = Buffer.from(message.subarray(0, 12));
    // An answer, with authority; "no such name" where nothing is known of it at all.
    header.writeUInt16BE(0x8580 | (found.length > 0 || known === undefined ? 0 : 3), 2);
    header.writeUInt16BE(found.length, 6);
    header.writeUInt32BE(0, 8);
    const records = found.map((answer) => recordOf(type, answer));
    socket.send(Buffer.concat([header, message.subarray(12, end), ...records]), from, asker);
  });
  socket.bind(port, address);
  await once(socket, "listening");
  return socket;
}

function questionOf(message: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

function recordOf(type: number, answer: Answer): Buffer {
  const data =
    "address" in answer
      ? Buffer.from(answer.address.split(".").map(Number))
      : Buffer.concat([
          Buffer.from([0, 0, 0, 0, answer.port >> 8, answer.port & 255]),
          nameBytes(answer.target),
        ]);
  const head = Buffer.alloc(12);
  // The name is that of the question, which begins behind the header.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function nameBytes(name: string): Buffer {
  const labels = name
    .split(".")
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

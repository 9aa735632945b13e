import type { Server } from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import { answerUnreadable, escapedRequest } from "./unreadable.ts";

/** So much of what is no request is looked at, to tell the method and the path, in bytes. */
const mostRefusedBytes = 16 * 1024;

type ParserError = NodeJS.ErrnoException & { readonly rawPacket?: Buffer };

/**
 * Answers what Node's parser refuses. A path with bytes that should have been escaped, as curl sends what people type,
 * is escaped and read again, since etcd takes it; everything else ends its connection.
 * @param headers of every answer to something that could be read
 * @param isAnswering whether an answer on this connection is not over
 */
export function handleUnreadable(
  server: Server,
  headers: Readonly<Record<string, string>>,
  isAnswering: (socket: Duplex) => boolean,
): void {
  const rescued = new WeakSet<Duplex>();
  server.on("clientError", (error: ParserError, socket) => {
    // The parser goes on to see, and to refuse, what now goes another way.
    if (rescued.has(socket)) return;
    if (!socket.writable || isAnswering(socket) || error.code === "ECONNRESET") return void socket.destroy();
    const { rawPacket: packet = Buffer.alloc(0) } = error;
    const request = escapedRequest(error.code, packet.toString("latin1"));
    if (request === undefined) return refuse(error.code, packet, headers, socket);
    rescued.add(socket);
    readAgain(server, Buffer.from(request, "latin1"), socket);
  });
}

/** Has the server read a request over a connection within this process, and carries bytes to and fro. */
function readAgain(server: Server, request: Buffer, socket: Duplex): void {
  const [inside, outside] = duplexPair();
  server.emit("connection", inside);
  outside.write(request);
  outside.pipe(socket);
  outside.on("drain", () => void socket.resume());
  outside.on("error", () => void socket.destroy());
  socket.on("data", (piece: Buffer) => {
    if (!outside.write(piece)) socket.pause();
  });
  socket.on("end", () => void outside.end());
  socket.on("error", () => void outside.destroy());
  socket.on("close", () => void outside.destroy());
}

function refuse(
  code: string | undefined,
  packet: Buffer,
  headers: Readonly<Record<string, string>>,
  socket: Duplex,
): void {
  const answer = answerUnreadable(code, packet.toString("latin1", 0, mostRefusedBytes));
  const all = { ...(answer.isRead && headers), ...answer.headers };
  const head = [
    `HTTP/1.1 ${answer.status}`,
    ...Object.entries(all).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(answer.text)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${answer.text}`, () => void socket.destroy());
}

/**
 * Child process: the destinations of the isolation bench. One port answers at once. Another one answers 503 or never,
 * and a third is closed, until the parent says `heal`.
 */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { freePort } from '../kit/system/program.ts';

/** What the parent is told first. */
export interface Ports {
  readonly healthy: number;
  readonly failing: number;
  readonly closed: number;
}

let isHealed = false;

const answering = (): Server =>
  createServer((request, response) => {
    request.resume().once('end', () => {
      if (isHealed || !request.url?.startsWith('/silent')) {
        response.writeHead(isHealed || !request.url?.startsWith('/failing') ? 200 : 503).end();
      }
    });
  });

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1', 1024);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const [healthy, failing] = [answering(), answering()];
const closed = await freePort();
const ports: Ports = {
  healthy: await listen(healthy, 0),
  failing: await listen(failing, 0),
  closed,
};
process.on('message', () => {
  isHealed = true;
  // Whoever waits for an answer shall ask again.
  failing.closeAllConnections();
  void listen(answering(), closed);
});
process.on('disconnect', () => process.exit());
process.send?.(ports);

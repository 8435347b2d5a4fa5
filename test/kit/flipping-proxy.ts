import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/** A TCP proxy on loopback that flips one bit of what the client sends, `position` bytes into each connection. */
export async function startFlippingProxy(
  target: URL,
  position: number,
): Promise<{ readonly origin: string; stop(): Promise<void> }> {
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let seen = 0;
    client.on('data', (chunk: Buffer) => {
      const index = position - seen;
      seen += chunk.length;
      if (index >= 0 && index < chunk.length) chunk.writeUInt8(chunk.readUInt8(index) ^ 1, index);
      upstream.write(chunk);
    });
    client.on('close', () => upstream.destroy());
    upstream.pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.close();
      await once(server, 'close');
    },
  };
}

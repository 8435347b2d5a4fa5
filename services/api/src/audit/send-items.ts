import type { FastifyReply } from 'fastify';

/** The envelope around items that are JSON already. */
export function sendItems(
  reply: FastifyReply,
  items: readonly string[],
  info: object,
): FastifyReply {
  const text = `{"success":true,"errors":[],"messages":[],"result":[${items.join(',')}],"result_info":${JSON.stringify(info)}}`;
  return reply.header('content-type', 'application/json; charset=utf-8').send(text);
}

import Cloudflare from 'cloudflare';

/** What the SDK makes of a call as the cases write it. */
export async function requestOf(call: string): Promise<URL> {
  const urls: URL[] = [];
  const fetch = async (url: unknown) => {
    urls.push(new URL(String(url)));
    return new Response('{"success":true,"result":[]}', {
      headers: { 'content-type': 'application/json' },
    });
  };
  const client = new Cloudflare({ apiToken: 'x', baseURL: 'https://api.test', fetch });
  // The cases are our own file.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  await new Function('client', `return ${call}`)(client);
  return urls[0]!;
}

import document from '@trailpush/schemas/openapi/trailpush.json' with { type: 'json' };
import { Validator } from '@seriousme/openapi-schema-validator';
import { startApi, type ApiFixture } from '@trailpush/test/kit/api-fixture.ts';
import {
  breachOf,
  documentedRoutes,
  operationIds,
  servedRoutes,
} from '@trailpush/test/kit/openapi.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const mediaType = 'application/json';

/** Every answer that any test gets from `startApi` is held against the document as well. */
describe('the OpenAPI document', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await startApi();
    await api.app.ready();
  });
  afterAll(() => api.close());

  it('is OpenAPI 3.1', async () => {
    expect(await new Validator().validate(structuredClone(document))).toEqual({ valid: true });
  });

  it('names every route that is served, and no other', () => {
    expect(servedRoutes(api.app)).toEqual(documentedRoutes);
  });

  it('has an id of its own for every operation', () => {
    expect(operationIds).toHaveLength(documentedRoutes.length);
    expect(new Set(operationIds).size).toBe(operationIds.length);
  });

  it('is served to everyone', async () => {
    const answer = await api.app.inject('/openapi.json');
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(answer.json()).toEqual(document);
  });

  it.each(['/healthz', '/readyz'])('describes %s', async (route) => {
    const { statusCode: status, body } = await api.app.inject(route);
    expect(breachOf({ method: 'GET', route, status, mediaType, body })).toBeUndefined();
  });

  it('is broken by an answer with a member too many, one too few, or another status', () => {
    const answer = { method: 'GET', route: '/healthz', status: 200, mediaType };
    expect(breachOf({ ...answer, body: '{"status":"ok","x":1}' })).toMatch(/additional/);
    expect(breachOf({ ...answer, body: '{}' })).toMatch(/required/);
    expect(breachOf({ ...answer, status: 201, body: '{}' })).toMatch(/status is not documented/);
    expect(breachOf({ ...answer, route: '/metrics', mediaType: 'text/html', body: '' })).toMatch(
      /text\/html is not documented/,
    );
    expect(breachOf({ ...answer, route: '/nowhere', body: '{}' })).toMatch(/not documented/);
  });
});

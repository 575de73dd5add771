import type { TObject } from 'typebox';
import type { Route } from '../http/route.ts';

const error = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: ['string', 'null'] },
      },
    },
  },
};

/** An OpenAPI 3.1 document, whose schemas are the JSON schemas that bodies are checked with. */
export function openapiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'cria-server', version: '1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    security: [{ bearer: [] }, {}],
    paths,
    components: {
      schemas: { Error: error },
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function operation({ method, path, summary, body, produces = 'application/json', open }: Route): object {
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const streams = body && Object.hasOwn(body.properties, 'stream');
  return {
    operationId: `${method.toLowerCase()}${path.replace(/\W+(\w?)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    ...(open && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: openly(body) } } },
    }),
    responses: {
      200: {
        description: 'the answer',
        content: {
          [produces]: {
            schema: produces === 'application/json' ? { type: ['object', 'array'] } : { type: 'string' },
          },
          ...(streams && { 'text/event-stream': { schema: { type: 'string' } } }),
        },
      },
      default: {
        description: 'an error',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

/** Fields that are not named may be there: some are taken without effect, others ignored or refused by name. */
function openly(body: TObject): object {
  // a schema is JSON
  const { additionalProperties: _, ...rest } = JSON.parse(JSON.stringify(body)) as Record<string, unknown>;
  return rest;
}

import { getRoute } from '../http/route.ts';
import { openapiDocument } from '../schema/openapi.ts';

/** The description of all this for programs. */
export const openapi = getRoute({
  path: '/openapi.json',
  summary: 'this API as an OpenAPI 3.1 document',
  open: true,
  answer: ({ routes }) => openapiDocument(routes),
});

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Static, TObject } from 'typebox';
import type { ServerState } from './state.ts';

/** A request on its way through a route. */
export interface Call<Body = unknown> {
  readonly state: ServerState;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** All there are, for the one that describes them. */
  readonly routes: readonly Route[];
  /** Checked against the route's schema. */
  readonly body: Body;
}

/**
 * One endpoint. From the list of them come the router, `allow` of a 405, the OpenAPI document, and
 * what is open without a key.
 */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** The path that documents name. */
  readonly path: string;
  /** Other paths to the same. */
  readonly aliases?: readonly string[];
  /** What it does, in one line. */
  readonly summary: string;
  /** Fields of the body. */
  readonly body?: TObject;
  /** Answers without an API key. */
  readonly open?: boolean;
  /** Media type of the answer; default JSON. */
  readonly produces?: string;
  /** The answer, to be sent as JSON; undefined where it was sent already. */
  readonly answer: (call: Call) => unknown;
}

interface BodyRoute<Body extends TObject> extends Omit<Route, 'body' | 'answer' | 'method'> {
  readonly body: Body;
  readonly answer: (call: Call<Static<Body>>) => unknown;
}

/** A route with a body: what its schema says is the type that its answer sees. */
export function postRoute<Body extends TObject>(route: BodyRoute<Body>): Route {
  // the router checked it
  return { method: 'POST', ...route, answer: (call) => route.answer(call as Call<Static<Body>>) };
}

export function getRoute(route: Omit<Route, 'method' | 'body'>): Route {
  return { method: 'GET', ...route };
}

/** All paths of a route. */
export function pathsOf({ path, aliases = [] }: Route): readonly string[] {
  return [path, ...aliases];
}

/*
 * Bounds of what one request may ask for, checked before anything is allocated for it. They are far
 * above what models of one machine can use, and far below what would hold up everyone else.
 */

/** Largest body, in bytes. */
export const BODY_LIMIT = 2 * 2 ** 20;

/** Milliseconds that a client has to send its whole request. */
export const REQUEST_TIMEOUT = 60_000;

/** Texts that one request may ask for: prompts times `n`. */
export const MAX_CHOICES = 128;

/** Prompts of one request, before they are multiplied by `n`. */
export const MAX_PROMPTS = 128;

/** Messages of a chat. */
export const MAX_MESSAGES = 4096;

/** Tools that a chat may offer. */
export const MAX_TOOLS = 128;

/** Milliseconds that a chat template has to write a prompt; a template is a program from a model's file. */
export const TEMPLATE_DEADLINE = 5000;

/** Milliseconds that a grammar has to be compiled. */
export const GRAMMAR_DEADLINE = 5000;

/** Milliseconds of silence in a stream before a comment is sent, so that proxies do not take it for dead. */
export const PING_INTERVAL = 10_000;

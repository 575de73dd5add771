import Type, { type TSchema } from 'typebox';

/*
 * How the fields of bodies are written. Descriptions say what a field takes and are part of the
 * error when it is given something else. `null` is the same as leaving a field out.
 */

export const optional = <T extends TSchema>(schema: T, description: string) =>
  Type.Optional(Type.Union([schema, Type.Null()], { description }));

export const number = (minimum: number, maximum: number) =>
  optional(Type.Number({ minimum, maximum }), `a number from ${minimum} to ${maximum}`);

export const integer = (minimum: number, maximum: number) =>
  optional(Type.Integer({ minimum, maximum }), `a whole number from ${minimum} to ${maximum}`);

export const least = (minimum: number) => optional(Type.Number({ minimum }), `a number from ${minimum} on`);

export const text = () => optional(Type.String(), 'a string');

export const flag = () => optional(Type.Boolean(), 'true or false');

export const tokenIds = Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1 });

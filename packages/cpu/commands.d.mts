/** An argument of a command. */
export interface Field {
  readonly kind: 'tensor' | 'integer' | 'flag' | 'scalar' | 'wide' | 'numbers';
  readonly writes?: boolean;
  readonly optional?: boolean;
  readonly type?: string;
  readonly size?: string;
  readonly random?: string;
  readonly made?: string;
}
export interface Command {
  readonly fields: Readonly<Record<string, Field>>;
  readonly dtype?: string;
  readonly random?: false;
}
/** Every command in the order of its code. */
export const commands: Readonly<Record<string, Command>>;

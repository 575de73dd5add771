/** What an option takes: nothing (it is there or not), a text, a number, a whole number, or one of some names. */
export type Takes = 'nothing' | 'text' | 'number' | 'whole' | readonly string[];

/** Everything there is to say of one option: how it is read, checked and explained. */
export interface Option {
  readonly takes: Takes;
  /** Least of a number. */
  readonly from?: number;
  /** Most of a number. */
  readonly to?: number;
  /** May be given again: the values are a list. */
  readonly multiple?: boolean;
  /** What stands for the value in the help, as in `--port N`. Default `N`, `NAME` or `TEXT`, by what it takes. */
  readonly value?: string;
  readonly help: string;
  /** The value where the option is not given. */
  readonly default?: string | number;
  /** What holds where the option is not given, in words and for the help only: `one a core`. */
  readonly otherwise?: string;
  /** The option must be given; what to do where it is not, for the message. */
  readonly required?: string;
}

/** The options of a command by their names, without the dashes. */
export type Options = Readonly<Record<string, Option>>;

type One<O extends Option> = O['takes'] extends 'nothing'
  ? boolean
  : O['takes'] extends 'number' | 'whole'
    ? number
    : O['takes'] extends readonly (infer Name)[]
      ? Name
      : string;

type ValueOf<O extends Option> = O extends { readonly multiple: true } ? One<O>[] : One<O>;

/** Names of options that have a value in any case. */
type Certain<Table extends Options> = {
  [Name in keyof Table]: Table[Name] extends { readonly default: unknown } | { readonly required: string }
    ? Name
    : never;
}[keyof Table];

/** What a command line says: each option by its type; absent where it was not given and has no default. */
export type Values<Table extends Options> = {
  [Name in Certain<Table>]: ValueOf<Table[Name]>;
} & { [Name in Exclude<keyof Table, Certain<Table>>]?: ValueOf<Table[Name]> };

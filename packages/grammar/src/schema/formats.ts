/*
 * Formats as regular expressions of whole strings. Each takes only what RFC and
 * ajv-formats both take; rare forms that are allowed too (leap seconds, quoted
 * local parts of addresses, hosts of more than four labels) are never written.
 */

/** Days of months, and the 29th of February in leap years. */
const month30 = '(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)';
const month31 = '(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])';
const february = '02-(?:0[1-9]|1[0-9]|2[0-8])';
const leapYear = '(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)';
const date = `(?:[0-9]{4}-(?:${month30}|${month31}|${february})|${leapYear}-02-29)`;
const clock = '(?:[01][0-9]|2[0-3]):[0-5][0-9]';
const time = `${clock}:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-]${clock})`;

const octet = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const ipv4 = `${octet}(?:\\.${octet}){3}`;
const word = '[0-9a-fA-F]{1,4}';
/**
 * With `::` after n words: up to 6 − n more follow, so that it stands for one or
 * more of the eight.
 */
const shortened = [0, 1, 2, 3, 4, 5, 6].map((n) => {
  const before = n === 0 ? '' : `${word}(?::${word}){${n - 1}}`;
  const after = n === 6 ? `(?:${word})?` : `(?:${word}(?::${word}){0,${6 - n}})?`;
  return `${before}::${after}`;
});
const ipv6 = [
  `(?:${word}:){7}${word}`,
  ...shortened,
  `(?:${word}:){6}${ipv4}`,
  `::(?:[fF]{4}:)?${ipv4}`,
].join('|');

/**
 * Two hyphens in a row would begin an encoded label (`xn--`), which has rules of
 * its own.
 */
const label = '[a-zA-Z0-9](?:-?[a-zA-Z0-9]){0,30}';
const hostname = `${label}(?:\\.${label}){0,3}`;
const atom = "[a-zA-Z0-9!#$%&'*+/=?^_`\\{|\\}~-]";
const email = `${atom}{1,20}(?:\\.${atom}{1,20}){0,2}@${label}(?:\\.${label}){1,2}`;

const escaped = '%[0-9a-fA-F]{2}';
const pathCharacter = `(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|${escaped})`;
const host = `(?:[a-zA-Z0-9._~-]|${escaped})+`;
const tail = `(?:\\?(?:${pathCharacter}|[/?])*)?(?:#(?:${pathCharacter}|[/?])*)?`;
const authority = `//${host}(?::[0-9]{1,5})?(?:/${pathCharacter}*)*`;
const uri = `[a-zA-Z][a-zA-Z0-9+.-]*:(?:${authority}|/?${pathCharacter}+(?:/${pathCharacter}*)*)${tail}`;
const segment = pathCharacter.replace(';=:@', ';=@');
const reference = `(?:${authority}|(?:/?${segment}+(?:/${pathCharacter}*)*)?)${tail}`;

const some = (unit: string) => `[0-9]{1,9}${unit}`;
const after = (unit: string, rest: string) => `${some(unit)}(?:${rest})?`;
const hours = `(?:${after('H', after('M', some('S')))}|${after('M', some('S'))}|${some('S')})`;
const days = `(?:${after('Y', after('M', some('D')))}|${after('M', some('D'))}|${some('D')})`;

/** By the names that JSON schema gives them. */
export const formats: Readonly<Record<string, string>> = {
  date,
  time,
  'date-time': `${date}T${time}`,
  duration: `P(?:${days}(?:T${hours})?|T${hours}|${some('W')})`,
  email,
  hostname,
  ipv4,
  ipv6,
  uri,
  'uri-reference': `(?:${uri}|${reference})`,
  uuid: '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}',
  'json-pointer': '(?:/(?:[^~/]|~[01])*)*',
};

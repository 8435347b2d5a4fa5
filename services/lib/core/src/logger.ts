/**
 * What libraries need of a logger; pino fits it. Messages are constant sentences, values are fields.
 * warn: no data lost, worth a look. error: a person must act.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

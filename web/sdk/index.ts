// What the package is.

export { Client } from './client';
export * from './errors';
export type * from './frames';
export { uuidv7 } from './ids';
export * from './rest';
export type * from './types';

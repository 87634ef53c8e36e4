// What the package is.

export { Client } from './client';
export { tabDeviceId } from './device';
export * from './errors';
export * from './failures';
export type * from './fold';
export type * from './frames';
export { uuidv7 } from './ids';
export type { Log } from './log';
export * from './rest';
export { memoryStorage, webStorage } from './storage';
export type * from './types';

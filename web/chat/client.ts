// What comes with the connection, as one file of the build: the client, what the user sets, and what operators say.

export { Client } from '../sdk/client';
export { Own } from '../sdk/own';
export { noticesOf, ofBroadcast } from './announced';

// Runloop's own client for TypeScript, as it was published, for the Go tests of this module.
// This program runs the tests of client.test.mjs, whose results go to stderr. Meanwhile it
// serves calls over HTTP, at the URL that it prints: a request has the settings of the client,
// the call, and how often it is made concurrently, and the response has the outcome of each.
// The program ends when its tests have ended and stdin is closed.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { RunloopSDK } from '@runloop/api-client';
import { finished } from './client.test.mjs';

const server = createServer(async (request, response) => {
  response.end(JSON.stringify(await report(JSON.parse(await text(request)))));
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
await text(process.stdin);
await finished;
process.exit(); // a call that is still waiting would keep node running

async function report({ settings, times, ...call }) {
  const client = new RunloopSDK(settings).api;
  const outcomes = await Promise.all(Array.from({ length: times }, () => outcome(client, call)));
  const services = Object.keys(client).filter((name) => client[name]?._client === client);
  const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(client[call.service]));
  return { outcomes, services, methods, printed: inspect(client) };
}

// outcome is what the call returned or threw, or that it is still waiting after its patience,
// a minute by default. Then it is aborted.
async function outcome(client, call) {
  const controller = new AbortController();
  const waited = new Promise((resolve) => setTimeout(resolve, call.patience || 60_000, { waiting: true }).unref());
  const made = perform(client, call, controller.signal).then(
    (returned) => ({ returned }),
    (error) => ({ threw: { class: error.constructor.name, message: error.message } }),
  );
  const result = await Promise.race([made, waited]);
  controller.abort();
  return result;
}

// perform makes the call. An iteration returns the IDs of up to that number of items.
async function perform(client, { service, method, args, options, patience, iterate }, signal) {
  const last = options || patience ? [{ ...options, signal }] : [];
  const promise = client[service][method](...args, ...last);
  if (!iterate) {
    return await promise;
  }
  const ids = [];
  for await (const { id } of promise) {
    ids.push(id);
    if (ids.length >= iterate) {
      break;
    }
  }
  return ids;
}

// A call with Runloop's own client for TypeScript, as it was published. The argument is
// JSON: the settings of the client, the call, and how often it is made at the same time.
// What came of it is printed as a line of JSON.
import { inspect } from 'node:util';
import { RunloopSDK } from '@runloop/api-client';

const { settings, service, method, args, iterate, times, patience } = JSON.parse(process.argv[2]);
const client = new RunloopSDK(settings).api;
const services = Object.keys(client).filter((name) => client[name]?._client === client);
const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(client[service]));
const outcomes = await Promise.all(Array.from({ length: times }, outcome));
const result = JSON.stringify({ outcomes, services, methods, printed: inspect(client) });
process.stdout.write(`${result}\n`, () => process.exit()); // a call that waits would go on

// outcome is what the call returned or threw, or that it still waits.
async function outcome() {
  const waited = new Promise((resolve) => setTimeout(resolve, patience, { waiting: true }));
  const made = call().then(
    (returned) => ({ returned }),
    (error) => ({ threw: { class: error.constructor.name, message: error.message } }),
  );
  return Promise.race([made, waited]);
}

// call returns what the client does, for an iteration the ids of up to so many policies.
async function call() {
  const promise = client[service][method](...args);
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

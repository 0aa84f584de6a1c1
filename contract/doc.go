// Package contract checks the SDK, and the fake API that it is tested with, against OpenAPI
// documents. It is a separate module, so that users of the SDK do not need its requirements.
//
// Run it in this directory:
//
//	go test ./...
//
// A [Transport] between the SDK and the fake validates every request and every response. It
// reports fields, query parameters, headers and statuses that are not in the document. A
// [Recorder] collects what the traffic exercised. The tests fail if that omits an operation, a
// parameter, a documented status, or a place in a body. Tables in the tests map each operation to
// its method of the SDK, each property to its field, and each error status to its sentinel.
//
// There are two documents. openapi.yaml is version 0.1 for network policies, byte for byte as
// published, and is never edited. today.yaml describes the current API: policies with what was
// added since, and the operations for devboxes that the SDK uses. A test requires that it
// contains version 0.1. Calls that exist in version 0.1 are checked against both.
//
// # Runloop's own client
//
// The folder typescript provides more evidence that the fake behaves like the API: Runloop's own
// TypeScript client, as published, makes all of its network policy calls and most of its devbox
// calls to the fake. The README compares the SDK with the same client. The rows of its table are
// in comparison_test.go, each with the test that runs the scenario against both clients.
//
// Both are in TestOfficialClient, which installs the client and starts node once. To list its
// subtests, run
//
//	go test -v -run OfficialClient
//
// Without node and npm, or if npm can't reach its registry, the test is skipped. If the
// environment variable CI is set, it fails instead.
//
// # When the API grows
//
// Describe the additions in today.yaml. The tests then name what they do not exercise yet. Add
// parameters and properties to the tables of fields, and operations to the calls.
package contract

// Package faults tests the whole client under faults. Two matrices try every fault, and every
// two faults in a row, at every request of every call that writes: one for policies, and one
// for devboxes, with a cancel at every step. Two soaks make thousands of calls under random
// faults. All four compare what the client reports with the journal of a model server.
//
// The package also has a scenario for each sentence of the documentation about retries, and
// tests a thousand concurrent calls. What one fault does to one call is tested in
// internal/engine.
package faults

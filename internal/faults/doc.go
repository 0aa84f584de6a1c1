// Package faults tests the client as a whole under faults. The matrix has every fault and
// every two faults in a row at every request of every call that writes, and the soak
// compares ten thousand calls under random faults with the server's journal. Beside them
// stand what the documentation promises about retries, with a scenario for each sentence,
// and what a thousand calls at the same time may do and may leave open.
//
// Launches have a matrix and a soak of their own, with a cancel at every step. What one
// fault does to one call is tested in internal/engine.
package faults

// Package faults has the catalogue of faults that a client of the API meets, a test
// for each. The number in a test's name is the fault's:
//
//	1-12     the connection: dial, DNS, TLS, proxy
//	13-40    the wire: what is cut, lost, late or garbled, HTTP/2
//	41-61    statuses, Retry-After, error bodies, the retry budget
//	62-74    answers that say success and cannot be right
//	75-80    redirects, and what must not leak
//	81-87    what callers hand in
//	88-96    pages
//	97-104   the caller's context
//	105-113  many calls at once, and what they must not use up
//
// Each test says what the caller sees, how many requests are made, when, and what
// the server's state is then. Beside them, the matrix has every fault and every two
// faults in a row at every request of every call that writes, and the soak compares ten
// thousand calls under random faults with the server's journal. Launches have a matrix and
// a soak of their own, with a cancel at every step.
package faults

// Package engine makes one logical call to an HTTP API: it sends the request,
// reads the answer within bounds, retries what is worth a retry, and says what
// is known of the effect when it gives up. It knows no service.
//
// The way of a call, each step in the file of its name:
//
//	call      the run of attempts, and the failure that ends it
//	attempt   one request on the wire, with its own time limit and trace
//	response  the body, read to a limit
//	policy    after an attempt: is it final, or is there another, and when
//	answer    an error answer: message, code and request ID from its body
package engine

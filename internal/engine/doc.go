// Package engine makes one logical call to an HTTP API: it sends the request,
// reads the response within bounds, retries what is worth a retry, and reports what
// is known of the effect when it gives up. It knows no service.
//
// The path of a call, each step in the file of its name:
//
//	request    what a service describes, and what it becomes on the wire
//	call       the run of attempts, and the failure that ends it
//	attempt    one request on the wire, with its own time limit
//	evidence   what the transport reports of a write: sent, repeated, not received
//	response   the body, read to a limit and decoded
//	errorbody  a response that is not a success: message, code, request ID
//	refusal    what such a response means to the operation
//	retry      after an attempt: is it final, or is there another, and when
package engine

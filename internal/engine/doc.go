// Package engine makes one logical call to an HTTP API: it sends the request, reads the response
// within limits, retries transient faults, and reports what is known of the effect if the call
// fails. It contains nothing specific to a service.
//
// The path of a call, in the order of the files:
//
//	request    what a service describes, and its URL and body
//	call       the attempts, and the failure that ends them
//	attempt    one request on the wire, with its own time limit
//	evidence   what the transport reports of a write: sent, repeated, not received
//	response   the body, read up to a limit and decoded
//	errorbody  a response other than a success: message, code, request ID
//	refusal    the meaning of such a response to the operation
//	retry      the decision after an attempt: final, or retried after a wait
package engine

//go:build !go1.27

package engine

// repeatsAfterProtocolError: net/http repeats an HTTP/2 request that the server reset
// with PROTOCOL_ERROR, although it may have been processed (golang/go#47635).
const repeatsAfterProtocolError = true

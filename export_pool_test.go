package runloop

import "net/http"

// PoolOf returns the connection pool of a client made without WithHTTPClient, for
// tests that replace how it dials, and nothing else.
func PoolOf(c *Client) *http.Transport { return c.pool.transport }

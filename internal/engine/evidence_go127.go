//go:build go1.27

package engine

const repeatsAfterProtocolError = false

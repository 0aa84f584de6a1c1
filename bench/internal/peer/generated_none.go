//go:build !peers

package peer

// generated is empty in a build without the code that ../../generate makes.
var generated []Peer

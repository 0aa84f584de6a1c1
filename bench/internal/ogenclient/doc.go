// Package ogenclient is a client that ogen generates from the contract. Its code is
// made by ../../generate and not kept.
package ogenclient

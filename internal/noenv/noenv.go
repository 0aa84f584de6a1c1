// Package noenv lets package runlooptest create clients that read nothing from the
// environment. An exported option would be one that no other program needs.
package noenv

// Option is a runloop.Option that keeps NewClient from reading the environment. Package
// runloop sets it.
var Option any
